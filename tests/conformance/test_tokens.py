"""Tokens: replaced in inputs and wishes, turned back where values are shown."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.conformance.tokens import Tokens, fold, mentioned, unfold

TOKENS = Tokens.of_root("/tmp/tl1/root", REG1="127.0.0.1:5001", REG1PORT="5001")


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("value", "want"),
    [
        ("dir:${ROOT}/x", "dir:/tmp/tl1/root/x"),
        ("${REG1}/busybox:${REG1PORT}", "127.0.0.1:5001/busybox:5001"),
        ("${UNKNOWN} and $ROOT", "${UNKNOWN} and $ROOT"),
        (["${ROOT}", "${ROOT_ANCESTORS}", "x"], ["/tmp/tl1/root", "/tmp/tl1", "/tmp", "x"]),
        ({"a": [{"b": "${ROOT}"}], "c": None}, {"a": [{"b": "/tmp/tl1/root"}], "c": None}),
        (7, 7),
    ],
)
def test_expand_replaces_known_tokens(value: Any, want: Any) -> None:
    """Every text of a value is expanded; what is no token stays as it is."""
    assert TOKENS.expand(value) == want


def test_a_root_at_the_top_has_no_ancestors() -> None:
    """The ancestors may be none at all: then their element is gone."""
    assert Tokens.of_root("/fixtures").expand(["a", "${ROOT_ANCESTORS}"]) == ["a"]


def test_expand_decodes_base64_first() -> None:
    """A token inside base64 is a token; the result is base64 again where it is not UTF-8."""
    assert TOKENS.expand({"base64": encoded(b"${ROOT}/a\xff")}) == {
        "base64": encoded(b"/tmp/tl1/root/a\xff")
    }
    assert TOKENS.expand({"base64": encoded(b"${ROOT}/a")}) == "/tmp/tl1/root/a"
    assert TOKENS.expand({"name_base64": encoded(b"${ROOT}\xff")}) == {
        "name_base64": encoded(b"/tmp/tl1/root\xff")
    }


@pytest.mark.parametrize(
    ("value", "want"),
    [
        ("open /tmp/tl1/root/x: no", "open ${ROOT}/x: no"),
        ("//127.0.0.1:5001/x", "//${REG1}/x"),
        ("port 5001, not 15001 nor a5001b", "port ${REG1PORT}, not 15001 nor a5001b"),
        (["/tmp/tl1/root", "/tmp/tl1", "/tmp"], ["${ROOT}", "${ROOT_ANCESTORS}"]),
        ({"base64": encoded(b"/tmp/tl1/root/\xff")}, {"base64": encoded(b"${ROOT}/\xff")}),
    ],
)
def test_collapse_turns_values_back(value: Any, want: Any) -> None:
    """What a report shows does not depend on where the run took place."""
    assert TOKENS.collapse(value) == want


def test_collapse_takes_the_longest_value() -> None:
    """A store below the root is told as the store."""
    tokens = TOKENS.having({"GRAPHROOT": "/tmp/tl1/root/graph"})
    assert tokens.collapse("/tmp/tl1/root/graph/x") == "${GRAPHROOT}/x"


def test_a_driver_cannot_change_the_tokens_of_the_run() -> None:
    """A driver that could say what ROOT means could make any answer right."""
    assert TOKENS.having({"ROOT": "/elsewhere"}).expand("${ROOT}") == "/tmp/tl1/root"


def test_mentioned_finds_tokens_everywhere() -> None:
    """Servers are started by what the cases mention, base64 included."""
    value = {"a": ["${A}"], "b_base64": encoded(b"${B}"), "c": {"base64": encoded(b"${C}")}}
    assert mentioned(value) == {"A", "B", "C"}


@given(st.binary())
def test_fold_and_unfold_are_inverse(data: bytes) -> None:
    """Any bytes survive the way through JSON."""
    text = data.decode("utf-8", "surrogateescape")
    assert unfold(fold(text)) == text


@given(st.text(alphabet="ab/${}ROT1", max_size=20))
def test_expanding_what_was_collapsed_gives_it_back(text: str) -> None:
    """Whatever is shown can be put in again, unless the text itself spells a token."""
    if not mentioned(text):
        assert TOKENS.expand(TOKENS.collapse(text)) == text
