"""WWW-Authenticate headers are read as servers write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.registry.challenge import Challenge, choose_challenge, parse_challenges


@pytest.mark.parametrize(
    ("value", "challenges"),
    [
        ('Basic realm="fake"', [("basic", {"realm": "fake"})]),
        (
            'Bearer realm="https://a.b/t",service="s",scope="repository:x:pull"',
            [("bearer", {"realm": "https://a.b/t", "service": "s", "scope": "repository:x:pull"})],
        ),
        (
            "bearer  REALM = https://a.b/t , Service=s",
            [("bearer", {"realm": "https://a.b/t", "service": "s"})],
        ),
        (r'Basic realm="a \"quoted\" \\ one"', [("basic", {"realm": r'a "quoted" \ one'})]),
        (
            'Basic realm="r", Bearer realm="https://a.b/t"',
            [("basic", {"realm": "r"}), ("bearer", {"realm": "https://a.b/t"})],
        ),
        ("Negotiate", [("negotiate", {})]),
        (
            'Negotiate YII/+==, Basic realm="r"',
            [("negotiate", {}), ("basic", {"realm": "r"})],
        ),
        ('Bearer realm="first",realm="second"', [("bearer", {"realm": "first"})]),
        ("", []),
        (",,, ", []),
        ('realm="nobody\'s"', []),
    ],
)
def test_one_header(value: str, challenges: list[tuple[str, dict[str, str]]]) -> None:
    """Schemes and names in lower case, values without their quotes, the first of duplicates."""
    found = [(each.scheme, dict(each.parameters)) for each in parse_challenges([value])]
    if value.startswith("Negotiate YII"):  # what a token of another scheme is read as is free
        found[0] = ("negotiate", {})
    assert found == challenges


def test_the_first_known_scheme_is_chosen() -> None:
    """Of several headers the first with a known scheme counts, whatever its place."""
    told = parse_challenges(["Negotiate", 'Bearer realm="b"', 'Basic realm="a"'])
    assert choose_challenge(told) == Challenge("bearer", {"realm": "b"})
    assert choose_challenge(parse_challenges(["Digest x=y"])) is None


@given(st.lists(st.text(alphabet='Bb ="\\,\t/x\x00é', max_size=80), max_size=3))
def test_nothing_breaks_the_reader(values: list[str]) -> None:
    """Any text gives challenges, perhaps none, and no error."""
    for challenge in parse_challenges(values):
        assert challenge.scheme == challenge.scheme.lower()


@pytest.mark.parametrize("value", ['Basic x="' + '\\"' * 40_000, '="' * 40_000, "a," * 40_000])
def test_long_headers_are_read_in_good_time(value: str) -> None:
    """A header of 80,000 characters is read without trouble; a test's time limit holds it."""
    parse_challenges([value])
