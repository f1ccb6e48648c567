"""Quoting of untrusted text for messages: double quotes, and no terminal control characters."""

from __future__ import annotations

import unicodedata

__all__ = ["quote"]

_LONGEST = 1024  # characters shown: untrusted text may have millions
_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


def quote(text: str) -> str:
    """`text` in double quotes, with control and unprintable characters escaped.

    The escapes are those of Go's ``%q`` (ERR-002).  Bytes that are not UTF-8 (surrogate escapes in
    `text`) and control characters below U+0080 are written with two hex digits, other unprintable
    characters with four or eight.
    """
    more = "..." if len(text) > _LONGEST else ""
    return '"' + "".join(map(_quoted, text[:_LONGEST])) + f'"{more}'


def _quoted(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    point = ord(char)
    if 0xDC80 <= point <= 0xDCFF:
        return f"\\x{point - 0xDC00:02x}"
    if char == " " or (unicodedata.category(char)[0] not in "CZ"):
        return char
    if point < 0x80:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
