"""JSON as Go's ``encoding/json`` decodes and encodes it (ARCH-010).

Decoding: keys match case-insensitively, the last of duplicate keys wins, unknown keys are ignored,
``null`` clears a value, and a value of the wrong type is an error.  Invalid UTF-8 and lone
surrogates become U+FFFD.  Encoding: no white space, and characters special to HTML are escaped.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from towline.go.json_depth import is_too_deep

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "GoJsonError",
    "Struct",
    "compacted",
    "decode",
    "decode_first",
    "integer",
    "list_of",
    "quoted",
    "raw_members",
    "string",
    "strings_by_key",
    "struct",
]

T = TypeVar("T")

_SURROGATES = re.compile("[\ud800-\udfff]")
# Compiled when JSON is first written, which is rare.
_MARKUP = r"[<>&\u2028\u2029]"
_TO_ESCAPE = r'["\\\x00-\x1f<>&\u2028\u2029]'
_SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_STRING_OR_SPACE = r'"[^"\\]*(?:\\.[^"\\]*)*"|[ \t\r\n]+'


class GoJsonError(ValueError):
    """A document that is not JSON, or does not have the expected shape."""


class Struct:
    """A JSON object as a record; field names match case-insensitively."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self._pairs = pairs

    def get(self, field: str, read: Callable[[Any], T], empty: T) -> T:
        """The value of a field, converted by `read`; `empty` if the field is absent.

        ``null`` leaves a string or number at its previous value, and resets any other value to
        `empty`.
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

    def get_lenient(self, key: str, read: Callable[[Any], T], empty: T) -> T:
        """The value of a field; `empty` if it is absent or of another type."""
        try:
            return self.get(key, read, empty)
        except GoJsonError:
            return empty

    def keys(self) -> list[str]:
        """The keys as written, repeats included."""
        return [key for key, _ in self._pairs]

    def pairs(self) -> list[tuple[str, Any]]:
        """Keys and raw values as written."""
        return list(self._pairs)


def decode(data: bytes) -> Any:
    """Decode one document; only white space may follow it.

    An object becomes a `Struct`, a list a ``list``, any other value its Python equivalent.

    Raises:
        GoJsonError: not JSON.
    """
    return _decoded(_text(data))


def _decoded(text: str) -> Any:
    value, end = _scan(text)
    rest = text[end:].lstrip(" \t\r\n")
    if rest:
        raise GoJsonError(f"invalid character {rest[0]!r} after top-level value")
    return value


def decode_first(data: bytes) -> Any:
    """Decode the first document and ignore the text after it (LAYOUT-004).

    Raises:
        GoJsonError: the first document is not JSON.
    """
    return _scan(_text(data))[0]


def string(raw: Any) -> str:
    """A JSON string; raises GoJsonError for any other value."""
    if isinstance(raw, str):
        return raw
    return _mismatch(raw, "string")


def integer(raw: Any) -> int:
    """A JSON integer of 64 bits; raises GoJsonError for any other value."""
    if isinstance(raw, int) and not isinstance(raw, bool):
        if -(1 << 63) <= raw < 1 << 63:
            return raw
        raise GoJsonError("a number does not fit into 64 bits")
    return _mismatch(raw, "whole number")


def struct(raw: Any) -> Struct:
    """A JSON object, empty for ``null``; raises GoJsonError for any other value."""
    if raw is None:
        return Struct([])
    if isinstance(raw, Struct):
        return raw
    return _mismatch(raw, "object")


def list_of(read: Callable[[Any], T], null: T) -> Callable[[Any], list[T]]:
    """A reader of JSON lists; `read` converts each item, and a ``null`` item becomes `null`."""

    def reader(raw: Any) -> list[T]:
        if not isinstance(raw, list):
            _mismatch(raw, "list")
        return [null if item is None else read(item) for item in raw]

    return reader


def strings_by_key(raw: Any) -> dict[str, str]:
    """A JSON object as a mapping of strings; keys are case-sensitive, the last duplicate wins."""
    if not isinstance(raw, Struct):
        _mismatch(raw, "object")
    return {key: "" if value is None else string(value) for key, value in raw.pairs()}


def raw_members(text: str) -> dict[str, str]:
    """The members of a JSON object with their values as written; the last duplicate key wins.

    Raises:
        GoJsonError: not a JSON object.
    """
    if not isinstance(value := _decoded(text), Struct):
        _mismatch(value, "object")
    members: dict[str, str] = {}
    at = _past_space(text, _past_space(text, 0) + 1)  # behind the brace
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        start = _past_space(text, _past_space(text, at) + 1)  # behind the colon
        end = _DECODER.raw_decode(text, start)[1]
        members[_clean(key)] = text[start:end]
        at = _past_space(text, end)
        if text[at] == ",":
            at = _past_space(text, at + 1)
    return members


def compacted(text: str) -> str:
    """Valid JSON with its white space removed and the characters special to HTML escaped."""
    bare = re.sub(_STRING_OR_SPACE, lambda found: found[0] if found[0][0] == '"' else "", text)
    return re.sub(_MARKUP, _escaped, bare)


def quoted(text: str) -> str:
    """The text as a JSON string."""
    return f'"{re.sub(_TO_ESCAPE, _escaped, text)}"'


def _escaped(found: re.Match[str]) -> str:
    return _SHORT_ESCAPES.get(found[0]) or f"\\u{ord(found[0]):04x}"


def _past_space(text: str, at: int) -> int:
    while text[at] in " \t\r\n":
        at += 1
    return at


def _mismatch(raw: Any, wanted: str) -> NoReturn:
    kinds = {Struct: "object", list: "list", str: "string", bool: "bool", type(None): "null"}
    raise GoJsonError(f"cannot use {kinds.get(type(raw), 'number')} as {wanted}")


def _fold(key: str) -> str:
    # Simple case folding: besides ASCII, K (Kelvin) folds to k and ſ (long s) to s.
    return key.lower().replace("\u017f", "s")


def _text(data: bytes) -> str:
    text = data.decode("utf-8", "replace")
    if text.startswith("\ufeff"):
        raise GoJsonError("invalid character '\ufeff' looking for beginning of value")
    return text


def _no_constant(constant: str) -> NoReturn:
    raise GoJsonError(f"invalid character {constant[0]!r} looking for beginning of value")


def _clean(value: str) -> str:
    return _SURROGATES.sub("\ufffd", value)


def _pairs(pairs: list[tuple[str, Any]]) -> Struct:
    return Struct([(_clean(key), _clean_value(value)) for key, value in pairs])


def _clean_value(value: Any) -> Any:
    if isinstance(value, str):
        return _clean(value)
    lists = [value] if isinstance(value, list) else []
    while lists:
        items = lists.pop()
        for at, item in enumerate(items):
            if isinstance(item, str):
                items[at] = _clean(item)
            elif isinstance(item, list):
                lists.append(item)
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_no_constant)


def _scan(text: str) -> tuple[Any, int]:
    start = len(text) - len(text.lstrip(" \t\r\n"))
    if start == len(text):
        raise GoJsonError("unexpected end of JSON input")
    if is_too_deep(text, start):
        raise GoJsonError("nested too deeply")
    try:
        value, end = _DECODER.raw_decode(text, start)
        return _clean_value(value), end
    except json.JSONDecodeError as fault:
        if fault.pos >= len(text.rstrip(" \t\r\n")):
            raise GoJsonError("unexpected end of JSON input") from None
        raise GoJsonError(f"invalid character {text[fault.pos]!r} at byte {fault.pos}") from None
    except RecursionError:  # the caller's stack is deep
        raise GoJsonError("nested too deeply") from None
    except ValueError as fault:  # a number with more digits than Python converts
        if isinstance(fault, GoJsonError):
            raise
        raise GoJsonError("a number is too long") from None
