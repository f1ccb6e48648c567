"""The command line: ``towline``."""

from __future__ import annotations

from towline.cli.command import main

__all__ = ["main"]
