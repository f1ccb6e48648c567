"""Tokens are replaced in inputs and expectations, and restored in output."""

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
    """All texts in a value are expanded; other values and unknown tokens are unchanged."""
    assert TOKENS.expand(value) == want


def test_a_root_below_slash_has_no_ancestors() -> None:
    """``${ROOT_ANCESTORS}`` then expands to no element."""
    assert Tokens.of_root("/fixtures").expand(["a", "${ROOT_ANCESTORS}"]) == ["a"]


def test_expand_decodes_base64_first() -> None:
    """Tokens inside base64 are replaced; the result is base64 if it is not UTF-8."""
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
def test_collapse_replaces_values_by_tokens(value: Any, want: Any) -> None:
    """Reports do not depend on the paths and ports of the run."""
    assert TOKENS.collapse(value) == want


def test_collapse_replaces_the_longest_value() -> None:
    """A path in a store below the root gets the token of the store."""
    tokens = TOKENS.with_more({"GRAPHROOT": "/tmp/tl1/root/graph"})
    assert tokens.collapse("/tmp/tl1/root/graph/x") == "${GRAPHROOT}/x"


def test_a_driver_cannot_change_the_tokens_of_the_run() -> None:
    """A driver could make any answer pass if it could redefine ROOT."""
    assert TOKENS.with_more({"ROOT": "/elsewhere"}).expand("${ROOT}") == "/tmp/tl1/root"


def test_mentioned_finds_tokens_at_any_depth() -> None:
    """Tokens inside base64 are found too."""
    value = {"a": ["${A}"], "b_base64": encoded(b"${B}"), "c": {"base64": encoded(b"${C}")}}
    assert mentioned(value) == {"A", "B", "C"}


@given(st.binary())
def test_fold_and_unfold_are_inverse(data: bytes) -> None:
    """All byte strings can be represented in JSON."""
    text = data.decode("utf-8", "surrogateescape")
    assert unfold(fold(text)) == text


@given(st.text(alphabet="ab/${}ROT1", max_size=20))
def test_expand_is_the_inverse_of_collapse(text: str) -> None:
    """Except for texts that contain a token themselves."""
    if not mentioned(text):
        assert TOKENS.expand(TOKENS.collapse(text)) == text
