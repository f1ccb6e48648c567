"""How deeply documents may be nested does not depend on the version of Python or on the stack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from towline.config.toml_table import parse_table
from towline.errors import ConfigurationError
from towline.go import json_depth
from towline.go.go_json import GoJsonError, decode, decode_first, raw_members
from towline.registry import tokens
from towline.trust.strict_json import document

LIMIT, TOML_LIMIT = 500, 200
#: Opening and closing brackets of a level, around the next one.
LEVELS = st.sampled_from(
    [("[", "]"), ('{"a":', "}"), ("[1,", "]"), ('["]","\\"[",', "]"), ('{"}\\\\": [],"b":', "}")]
)
JSON: dict[str, Callable[[bytes], object]] = {
    "decode": decode,
    "decode_first": decode_first,
    "loads": json_depth.loads,
    "policy.json": document,
}


def nested(levels: list[tuple[str, str]], innermost: str) -> str:
    """A document with these levels around a value."""
    opening = "".join(first for first, _ in levels)
    return opening + innermost + "".join(last for _, last in reversed(levels))


def refused(read: Callable[[Any], object], text: Any) -> bool:
    """Whether a document is refused because of its depth."""
    try:
        read(text)
    except (ConfigurationError, ValueError) as error:
        return "nested too deeply" in str(error)
    return False


@pytest.mark.clause("MANIFEST-014")
@pytest.mark.parametrize("read", JSON.values(), ids=JSON)
@given(cycle=st.lists(LEVELS, min_size=1, max_size=4), depth=st.integers(1, 1200))
@example(cycle=[("[", "]")], depth=LIMIT)
@example(cycle=[('{"a":', "}")], depth=LIMIT)
@example(cycle=[("[", "]")], depth=LIMIT + 1)
@example(cycle=[("[", "]")], depth=100_000)
def test_json_may_have_500_levels(
    read: Callable[[bytes], object], cycle: list[tuple[str, str]], depth: int
) -> None:
    """Whatever the levels are, and whatever brackets are in strings."""
    levels = (cycle * (depth // len(cycle) + 1))[:depth]
    inner = depth + (1 if levels[-1][0] == '{"}\\\\": [],"b":' else 0)
    assert refused(read, nested(levels, "0").encode()) == (inner > LIMIT)


@pytest.mark.clause("MANIFEST-014")
def test_the_depth_of_parts() -> None:
    """Only the first document counts, and an object is counted as a whole."""
    decode_first(b"{} " + b"[" * 1000)
    with pytest.raises(GoJsonError, match="nested too deeply"):
        raw_members(nested([('{"a":', "}")] * (LIMIT + 1), "0"))


@pytest.mark.clause("CONF-047")
@given(st.sampled_from(["array", "table", "dotted", "header"]), st.integers(1, 400))
def test_toml_may_have_200_levels(kind: str, depth: int) -> None:
    """The table of the whole file is the first one."""
    text = {
        "array": "a = " + "[" * depth + "]" * depth,
        "table": "a = " + "{a=" * depth + "1" + "}" * depth,
        "dotted": "a." * depth + "a = 1",
        "header": "[" + ".".join("a" * depth) + "]",
    }[kind]
    assert refused(lambda text: parse_table(text, text, "f"), text) == (depth + 1 > TOML_LIMIT)


@pytest.mark.clause("MANIFEST-014")
def test_strings_without_an_end_take_linear_time() -> None:
    """The limit is checked before the document is known to be valid."""
    for text, deep in (
        ('["' + '\\"' * 2_000_000, False),
        ('["\\' * 1_000_000, True),
        ("[" * 501 + '"' * 2_000_001, True),
    ):
        assert json_depth.is_too_deep(text) == deep


@pytest.mark.clause("MANIFEST-014")
@pytest.mark.parametrize(("levels", "is_read"), [(LIMIT - 1, True), (LIMIT, False)])
def test_the_response_of_a_token_service_has_the_same_limit(levels: int, is_read: bool) -> None:
    """Its object is one level more."""
    response = f'{{"token": "t", "other": {"[" * levels}{"]" * levels}}}'
    assert (tokens._object(response.encode()) is not None) == is_read
