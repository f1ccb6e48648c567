"""Laws of names and references."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import domains, full_names, image_texts, short_names
from towline.errors import InvalidNameError
from towline.name.parts import decompose, is_registry
from towline.name.reference import parse_normalized, parse_reference


@pytest.mark.clause("NAME-001")
@given(st.one_of(full_names, short_names))
def test_parsing_and_printing_are_inverse(text: str) -> None:
    """A reference prints as it was written, and reads again as itself."""
    reference = parse_reference(text)
    assert str(reference) == text
    assert parse_reference(str(reference)) == reference


@pytest.mark.clause("NAME-010")
@given(st.one_of(full_names, short_names))
def test_normalising_is_idempotent(text: str) -> None:
    """A normalised reference, and its familiar form, normalise to itself."""
    reference = parse_normalized(text)
    # What has a dot before the slash is taken for a domain, and may not fit the domain's grammar.
    assert reference.domain or "_" in text.partition("/")[0]
    assert parse_normalized(str(reference)) == reference
    assert parse_normalized(reference.familiar) == reference


@pytest.mark.clause("NAME-030")
@given(st.one_of(full_names, short_names))
def test_decomposing_never_normalises(text: str) -> None:
    """The parts print as the name was written: no docker.io, no library/, no latest."""
    assert str(decompose(text).unnormalized) == text


@given(full_names)
def test_a_name_with_a_registry_completes_to_itself(text: str) -> None:
    """`normalized_reference` is defined exactly where there is a registry."""
    parts = decompose(text)
    assert parts.has_registry
    assert parts.normalized_reference() == parse_normalized(text)
    with pytest.raises(InvalidNameError, match="names a registry"):
        parts.reference_with_registry("example.com")


@given(short_names, domains())
def test_a_short_name_is_completed_with_the_registry(text: str, registry: str) -> None:
    """`reference_with_registry` is defined exactly where there is none, and keeps the rest."""
    parts = decompose(text)
    if parts.has_registry:  # such as a.b/c
        return
    completed = parts.reference_with_registry(registry)
    assert str(completed) == f"{registry}/{text}" or registry in ("docker.io", "index.docker.io")
    with pytest.raises(InvalidNameError, match="names no registry"):
        parts.normalized_reference()


@given(image_texts)
def test_any_text_is_a_name_or_a_typed_error(text: str) -> None:
    """Nothing but InvalidNameError leaves the parsers."""
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
def test_no_input_makes_the_grammar_run_away(text: str) -> None:
    """64 KiB of anything are read or refused; the test's time limit is the proof.

    `benchmarks/parts/test_names.py` holds the figure.
    """
    for parse in (decompose, parse_normalized):
        with pytest.raises(InvalidNameError):
            parse(text)


@pytest.mark.clause("NAME-031")
def test_what_is_a_registry() -> None:
    """A dot, a colon, or exactly localhost."""
    assert all(map(is_registry, ["a.b", "a:1", "localhost", ".", ":"]))
    assert not any(map(is_registry, ["", "a", "Localhost", "localhosts"]))
