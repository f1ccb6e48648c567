"""The command line: ``towline``."""

from __future__ import annotations

from towline.cli import interrupts

__all__ = ["main"]


def main() -> None:
    """Run the command line and end the process with its status."""
    interrupts.end_at_once()
    from towline.cli.command import run  # from here on Ctrl-C is told in one line

    run()
