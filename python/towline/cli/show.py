"""What a user sees of a command: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

__all__ = ["print_error", "print_json", "print_lines", "print_warning", "size_told"]

_UNITS = ("B", "kB", "MB", "GB", "TB")


def print_lines(lines: Sequence[str]) -> None:
    """One line each on stdout."""
    for line in lines:
        print(_printable(line))


def print_json(document: Any) -> None:
    """A JSON document on stdout."""
    print(json.dumps(document, indent=2, ensure_ascii=False))


def print_error(sentence: str) -> None:
    """The error's one sentence on stderr, and below it an indented line for each attempt."""
    print(f"towline: {_printable(sentence)}", file=sys.stderr)


def print_warning(sentence: str) -> None:
    """A warning on stderr."""
    print(f"towline: warning: {_printable(sentence)}", file=sys.stderr)


def size_told(size: int) -> str:
    """A number of bytes for a reader, in decimal units: ``1.4 MB``."""
    value = float(size)
    for unit in _UNITS:
        if value < 1000 or unit == _UNITS[-1]:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError


def _printable(text: str) -> str:
    # Names come from archives and registries: nothing in them may reach the terminal as a command.
    return "".join(
        char if char == "\n" or char.isprintable() else char.encode("unicode_escape").decode()
        for char in text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    )
