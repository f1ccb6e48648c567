"""Properties of names and references."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import domains, full_names, image_texts, short_names
from towline.errors import InvalidNameError
from towline.name.parts import decompose, is_registry
from towline.name.reference import parse_normalized, parse_reference
from towline.wording.invalid_name import broken_rule


@pytest.mark.clause("NAME-001")
@given(st.one_of(full_names, short_names))
def test_parsing_and_formatting_are_inverse(text: str) -> None:
    """Formatting a parsed reference gives the text, and parsing that gives the reference."""
    reference = parse_reference(text)
    assert str(reference) == text
    assert parse_reference(str(reference)) == reference


#: Texts that are almost names: the characters of names, at any place.
almost_names = st.text(st.sampled_from("ab0A./:@_-"), min_size=1, max_size=12) | st.from_regex(
    r"[a-z]{1,3}(/[a-z._-]{1,4}){0,2}(:[a-z.:-]{0,3})?(@[a-z0-9:]{0,12})?", fullmatch=True
)


@given(st.one_of(almost_names, image_texts, st.text()))
def test_the_error_of_an_invalid_name_says_which_rule_it_breaks(text: str) -> None:
    """In one sentence of printable characters."""
    try:
        parse_reference(text)
    except InvalidNameError as error:
        code, sentence = error.code, str(error)
    else:
        code, sentence = "", ""
    if code in ("", "name.invalid"):
        assert (broken_rule(text) != "") == (code != "")
    assert not sentence or sentence.isprintable()


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a b", "it must contain no white space and no control characters"),
        ("b\u00e4", "it must consist of ASCII characters"),
        ("a@sha256:12", 'a digest must follow the "@", such as sha256: and 64 hex digits'),
        ("a//b", "a part of it is empty"),
        ("a:", "the tag is empty"),
        (f"a:{'t' * 129}", "the tag has 129 characters, and 128 are allowed"),
        ("a:-x", 'the tag "-x" must consist of letters, digits, "_", "." and "-", and'),
        ("h/a:5/b", 'a ":" must follow a host or the last part, and not be within "a:5"'),
        ("a___b/c", 'the part "a___b" must consist of lower-case letters and digits'),
    ],
)
def test_the_rule_that_a_name_breaks(text: str, rule: str) -> None:
    """Named after the part of the name that breaks it."""
    with pytest.raises(InvalidNameError) as caught:
        parse_reference(text)
    assert f" is not a valid image name: {rule}" in str(caught.value)


@pytest.mark.clause("NAME-010")
@given(st.one_of(full_names, short_names))
def test_normalising_is_idempotent(text: str) -> None:
    """Normalising a normalised reference, or its familiar form, gives the same reference."""
    reference = parse_normalized(text)
    # Text with a dot before the slash counts as a domain, but may not match the domain's grammar.
    assert reference.domain or "_" in text.partition("/")[0]
    assert parse_normalized(str(reference)) == reference
    assert parse_normalized(reference.familiar) == reference


@pytest.mark.clause("NAME-030")
@given(st.one_of(full_names, short_names))
def test_decomposing_never_normalises(text: str) -> None:
    """The formatted parts are the name as written: no docker.io, no library/, no latest."""
    assert str(decompose(text).unnormalized) == text


@given(full_names)
def test_a_name_with_a_registry_completes_to_itself(text: str) -> None:
    """`normalized_reference` works only for names with a registry."""
    parts = decompose(text)
    assert parts.has_registry
    assert parts.normalized_reference() == parse_normalized(text)
    with pytest.raises(InvalidNameError, match="already has a registry"):
        parts.reference_with_registry("example.com")


@given(short_names, domains())
def test_a_short_name_is_completed_with_the_registry(text: str, registry: str) -> None:
    """`reference_with_registry` works only for names without a registry, and keeps the rest."""
    parts = decompose(text)
    if parts.has_registry:  # such as a.b/c
        return
    completed = parts.reference_with_registry(registry)
    assert str(completed) == f"{registry}/{text}" or registry in ("docker.io", "index.docker.io")
    with pytest.raises(InvalidNameError, match="has no registry"):
        parts.normalized_reference()


@given(image_texts)
def test_any_text_is_a_name_or_a_typed_error(text: str) -> None:
    """The parsers raise nothing but InvalidNameError."""
    for parse in (decompose, parse_normalized):
        with suppress(InvalidNameError):
            parse(text)


@pytest.mark.clause("NAME-006")
@pytest.mark.parametrize(
    "text",
    [
        "a" * 65_536,
        "a-" * 32_768,
        "a-" * 32_767 + "!",
        "a." * 32_768,
        "a/" * 32_768,
        "a:" * 32_768,
        "a__" * 20_000 + "@",
        "-" * 65_536,
        "a" + "-" * 65_534 + "!",
        "A" * 65_536,
        "a@sha256:" + "0" * 65_000,
        "a." * 30_000 + "b:5000/" + "c" * 5_000,
    ],
    ids=lambda text: text[:8],
)
def test_parsing_takes_linear_time(text: str) -> None:
    """64 KiB of text are rejected within the test's time limit.

    `benchmarks/parts/test_names.py` measures the time.
    """
    for parse in (decompose, parse_normalized):
        with pytest.raises(InvalidNameError):
            parse(text)


@pytest.mark.clause("NAME-031")
def test_what_is_a_registry() -> None:
    """Text with a dot or a colon, or exactly localhost."""
    assert all(map(is_registry, ["a.b", "a:1", "localhost", ".", ":"]))
    assert not any(map(is_registry, ["", "a", "Localhost", "localhosts"]))
