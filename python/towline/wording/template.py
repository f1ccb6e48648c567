"""The type of the templates in the tables of sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Template"]

#: A format string over the facts, or a function that makes the sentence from the facts.
Template = str | Callable[[Mapping[str, Any]], str]
