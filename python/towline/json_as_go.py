"""JSON as the original's decoder reads it (ARCH-010): documents that others wrote for that decoder.

Keys are matched without regard to case, the last of duplicate keys wins, unknown keys are ignored,
``null`` clears a value, and a value of the wrong type is an error.  Bytes that are no UTF-8 and
lone surrogates become U+FFFD.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

__all__ = [
    "JsonFault",
    "Struct",
    "decode",
    "decode_first",
    "integer",
    "list_of",
    "string",
    "strings_by_key",
    "struct",
]

T = TypeVar("T")

_SURROGATES = re.compile("[\ud800-\udfff]")


class JsonFault(ValueError):
    """A document that is not JSON, or not of the wanted shape; the message is plain words."""


class Struct:
    """A JSON object as a record: fields are looked up without regard to the case of the key."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self._pairs = pairs

    def get(self, field: str, read: Callable[[Any], T], empty: T) -> T:
        """The value of a field as `read` makes it.

        `empty` stands for an absent field; ``null`` gives what was there before it (for strings,
        which it leaves alone) or `empty` (for lists and objects, which it clears).
        """
        value = empty
        folded = _fold(field)
        for key, raw in self._pairs:
            if key == field or _fold(key) == folded:
                if raw is None:
                    value = value if isinstance(empty, str | int) else empty
                else:
                    value = read(raw)
        return value

    def keys(self) -> list[str]:
        """The keys as written, repeats included."""
        return [key for key, _ in self._pairs]

    def pairs(self) -> list[tuple[str, Any]]:
        """Keys and raw values as written."""
        return list(self._pairs)


def decode(data: bytes) -> Any:
    """Decode one document; anything but white space after it is a fault.

    Objects come as `Struct`, lists as list; all else as Python has it.

    Raises:
        JsonFault: not JSON.
    """
    text = _text(data)
    value, end = _scan(text)
    rest = text[end:].lstrip(" \t\r\n")
    if rest:
        raise JsonFault(f"invalid character {rest[0]!r} after top-level value")
    return value


def decode_first(data: bytes) -> Any:
    """Decode the first document and leave what follows it unread (LAYOUT-004).

    Raises:
        JsonFault: the first document is not JSON.
    """
    return _scan(_text(data))[0]


def string(raw: Any) -> str:
    """A JSON string; JsonFault for anything else."""
    if isinstance(raw, str):
        return raw
    return _mismatch(raw, "string")


def integer(raw: Any) -> int:
    """A whole JSON number; JsonFault for anything else."""
    if isinstance(raw, int) and not isinstance(raw, bool):
        return raw
    return _mismatch(raw, "whole number")


def struct(raw: Any) -> Struct:
    """A JSON object; JsonFault for anything else, ``null`` reads as an empty one."""
    if raw is None:
        return Struct([])
    if isinstance(raw, Struct):
        return raw
    return _mismatch(raw, "object")


def list_of(read: Callable[[Any], T], null: T) -> Callable[[Any], list[T]]:
    """A reader of JSON lists whose items `read` makes; a ``null`` item gives `null`."""

    def reader(raw: Any) -> list[T]:
        if not isinstance(raw, list):
            _mismatch(raw, "list")
        return [null if item is None else read(item) for item in raw]

    return reader


def strings_by_key(raw: Any) -> dict[str, str]:
    """A JSON object as a mapping of strings: here keys are exact, the last duplicate wins."""
    if not isinstance(raw, Struct):
        _mismatch(raw, "object")
    return {key: "" if value is None else string(value) for key, value in raw.pairs()}


def _mismatch(raw: Any, wanted: str) -> NoReturn:
    kinds = {Struct: "object", list: "list", str: "string", bool: "bool", type(None): "null"}
    raise JsonFault(f"cannot use {kinds.get(type(raw), 'number')} as {wanted}")


def _fold(key: str) -> str:
    # Simple case folding: beside ASCII, K (Kelvin) folds to k and ſ (long s) to s.
    return key.lower().replace("\u017f", "s")


def _text(data: bytes) -> str:
    text = data.decode("utf-8", "replace")
    if text.startswith("\ufeff"):
        raise JsonFault("invalid character '\ufeff' looking for beginning of value")
    return text


def _no_constant(word: str) -> NoReturn:
    raise JsonFault(f"invalid character {word[0]!r} looking for beginning of value")


def _clean(value: str) -> str:
    return _SURROGATES.sub("\ufffd", value)


def _pairs(pairs: list[tuple[str, Any]]) -> Struct:
    return Struct([(_clean(key), _clean_value(value)) for key, value in pairs])


def _clean_value(value: Any) -> Any:
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, list):
        return [_clean_value(item) for item in value]
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_no_constant)


def _scan(text: str) -> tuple[Any, int]:
    start = len(text) - len(text.lstrip(" \t\r\n"))
    if start == len(text):
        raise JsonFault("unexpected end of JSON input")
    try:
        value, end = _DECODER.raw_decode(text, start)
        return _clean_value(value), end
    except json.JSONDecodeError as fault:
        if fault.pos >= len(text.rstrip(" \t\r\n")):
            raise JsonFault("unexpected end of JSON input") from None
        raise JsonFault(f"invalid character {text[fault.pos]!r} at byte {fault.pos}") from None
    except RecursionError:
        raise JsonFault("nested too deeply") from None
    except ValueError as fault:  # a number with more digits than Python converts
        if isinstance(fault, JsonFault):
            raise
        raise JsonFault("a number is too long") from None
