"""What a user sees of a command: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

__all__ = ["print_error", "print_json", "print_lines", "print_warning", "size_told"]

_UNITS = ("B", "kB", "MB", "GB", "TB")


def print_lines(lines: Sequence[str]) -> None:
    """One line each on stdout; none of them can look like two."""
    for line in lines:
        print(_printable(line.replace("\n", "\\n")))


def print_json(document: Any) -> None:
    """A JSON document on stdout; what a terminal acts on is escaped as JSON does it."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    print("".join(char if char == "\n" or char.isprintable() else _escaped(char) for char in text))


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


def _escaped(char: str) -> str:
    return json.dumps(char)[1:-1] if ord(char) > 0x7F else f"\\u{ord(char):04x}"


def _printable(text: str) -> str:
    # Names come from archives and registries: nothing in them may reach the terminal as a command.
    return "".join(char if char == "\n" or char.isprintable() else _told(char) for char in text)


def _told(char: str) -> str:
    point = ord(char)
    if 0xDC80 <= point <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{point - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()
