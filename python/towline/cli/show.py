"""Output functions of the commands: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = [
    "print_error",
    "print_json",
    "print_lines",
    "print_note",
    "print_warning",
    "printed_log",
    "size_text",
]

_UNITS = ("B", "kB", "MB", "GB", "TB")


def print_lines(lines: Sequence[str]) -> None:
    """Print each string as exactly one line on stdout; line ends in it are escaped."""
    for line in lines:
        print(_printable(line.replace("\n", "\\n")))


def print_json(document: Any) -> None:
    """Print a JSON document on stdout; unprintable characters are JSON escapes."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    print("".join(char if char == "\n" or char.isprintable() else _escaped(char) for char in text))


def print_error(sentence: str) -> None:
    """Print an error on stderr; its further lines are the indented attempts of a pull."""
    print(f"towline: {_printable(sentence)}", file=sys.stderr)


def print_warning(sentence: str) -> None:
    """Print a warning on stderr."""
    print(f"towline: warning: {_printable(sentence)}", file=sys.stderr)


def print_note(sentence: str) -> None:
    """Print a message on stderr that is no warning."""
    print(f"towline: {_printable(sentence)}", file=sys.stderr)


@contextmanager
def printed_log(
    warn: Callable[[str], None] = print_warning, note: Callable[[str], None] = print_note
) -> Iterator[None]:
    """Return a context in which the log of towline is printed, from any thread.

    Args:
        warn: prints a warning.
        note: prints another message; errors are printed by the command.
    """
    from logging import INFO, WARNING, Handler, LogRecord, getLogger  # slow to import

    class Printing(Handler):
        def emit(self, record: LogRecord) -> None:
            if record.levelno == WARNING:
                warn(record.getMessage())
            elif record.levelno == INFO:
                note(record.getMessage())

    handler, log = Printing(), getLogger("towline")
    level = log.level
    log.addHandler(handler)
    log.setLevel(INFO)
    try:
        yield
    finally:
        log.setLevel(level)
        log.removeHandler(handler)


def size_text(size: int) -> str:
    """A number of bytes as text, in decimal units: ``1.4 MB``."""
    value = float(size)
    for unit in _UNITS:
        if value < 1000 or unit == _UNITS[-1]:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError


def _escaped(char: str) -> str:
    return json.dumps(char)[1:-1] if ord(char) > 0x7F else f"\\u{ord(char):04x}"


def _printable(text: str) -> str:
    # Names come from archives and registries: a terminal must not interpret escapes in them.
    return "".join(char if char == "\n" or char.isprintable() else _visible(char) for char in text)


def _visible(char: str) -> str:
    point = ord(char)
    if 0xDC80 <= point <= 0xDCFF:  # a byte that is not UTF-8
        return f"\\x{point - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()
