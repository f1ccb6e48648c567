"""JSON as Go's decoder reads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.go.go_json import (
    GoJsonError,
    decode,
    decode_first,
    integer,
    list_of,
    string,
    strings_by_key,
    struct,
)


def field(document: bytes, name: str) -> object:
    """A field of an object, read as a string."""
    return struct(decode(document)).get(name, string, "")


def test_keys_match_case_insensitively() -> None:
    """Upper case, and the Kelvin sign for k, match the field."""
    assert field(b'{"MEDIATYPE": "x"}', "mediaType") == "x"
    assert field('{"\u212aey": "x"}'.encode(), "key") == "x"


def test_the_last_of_duplicate_keys_wins() -> None:
    """This also applies to duplicates that differ in case."""
    assert field(b'{"a": "1", "A": "2", "a": "3"}', "a") == "3"


def test_null_leaves_a_string_and_clears_a_list() -> None:
    """After an earlier value, ``null`` keeps a string and resets a list."""
    assert field(b'{"a": "1", "a": null}', "a") == "1"
    none: list[str] = []
    assert struct(decode(b'{"a": ["1"], "a": null}')).get("a", list_of(string, ""), none) == none


def test_a_null_item_is_an_empty_one() -> None:
    """`[null]` is a list of one empty string."""
    assert list_of(string, "")(decode(b"[null]")) == [""]


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b" \n",
        b"not json",
        b"[1,]",
        b"[NaN]",
        b"[Infinity]",
        b"{} {}",
        b"{} x",
        b"\xef\xbb\xbf{}",
        b"[/*x*/]",
        b'["a\n"]',
        b'{"a":',
        b"'x'",
        b"[" * 100_000,
        b"[" * 700 + b"]" * 700,
        b"9" * 100_000,
    ],
    ids=lambda document: repr(document[:12]),
)
def test_invalid_json_is_an_error(document: bytes) -> None:
    """The error has a message."""
    with pytest.raises(GoJsonError) as caught:
        decode(document)
    assert str(caught.value)


def test_decode_first_ignores_text_after_the_document() -> None:
    """Text after the first value is not parsed."""
    assert struct(decode_first(b'{"a": "1"} garbage')).get("a", string, "") == "1"


def test_invalid_unicode_is_replaced() -> None:
    """Bytes that are not UTF-8, and lone surrogates, become U+FFFD."""
    assert decode(b'"a\xff"') == "a\ufffd"
    assert decode(b'["a\\ud800"]') == ["a\ufffd"]
    assert decode(b'{"\\udfff": 1}').keys() == ["\ufffd"]


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (string, 1),
        (string, ["a"]),
        (integer, "1"),
        (integer, True),
        (integer, 1.5),
        (struct, "x"),
        (list_of(string, ""), "x"),
        (strings_by_key, []),
    ],
)
def test_a_value_of_the_wrong_type_is_an_error(
    read: Callable[[object], object], value: object
) -> None:
    """The message names the actual and the expected type."""
    with pytest.raises(GoJsonError, match="cannot use"):
        read(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_well_formed_documents_are_read(document: object) -> None:
    """Every valid document is decoded, also with trailing white space."""
    decode(json.dumps(document).encode() + b" \n")


@given(st.binary())
def test_any_bytes_give_a_value_or_an_error(data: bytes) -> None:
    """The decoder raises nothing but GoJsonError."""
    with suppress(GoJsonError):
        decode(data)
