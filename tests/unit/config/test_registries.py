"""Which entry of registries.conf matches a name."""

from __future__ import annotations

import pytest

from towline.config.registries import Registries, Registry


@pytest.mark.parametrize(
    ("prefix", "name", "covered"),
    [
        ("example.com", "example.com", 11),
        ("example.com", "example.com/x", 11),
        ("example.com", "example.com:5000/x", 11),
        ("example.com/ns", "example.com/ns@sha256:0", 14),
        ("example.com/foo", "example.com/foobar", None),
        ("example.com", "Example.com", None),
        ("example.com", "a.example.com", None),
        ("*.example.com", "a.b.example.com/x", 15),
        ("*.example.com", "a.example.com:5000/x", 13),
        ("*.example.com", "example.com/x", None),
        ("*.example.com", "a.example.community/x", None),
        ("*.example.com", "x.org/a.example.com", None),
    ],
)
def test_a_prefix_ends_at_the_end_of_a_part(prefix: str, name: str, covered: int | None) -> None:
    """After the prefix the name ends, or continues with a colon, a slash or an at sign."""
    entry = Registry(prefix, "x", wildcard=prefix.startswith("*."))
    assert entry.matched(name) == covered


def test_a_star_is_literal_without_wildcards() -> None:
    """The form of 2019 has no wildcards."""
    assert Registry("*.example.com", "x").matched("a.example.com/x") is None


def test_the_longest_prefix_decides_and_the_first_among_equals() -> None:
    """The order of the file matters only for prefixes of the same length."""
    entries = (
        Registry("e.x", "1"),
        Registry("e.x/ns", "2"),
        Registry("e.x/ns", "3"),
        Registry("*.x/ns", "4", wildcard=True),
    )
    found = Registries(entries).find("e.x/ns/img")
    assert found is not None
    assert found.location == "2"
    assert Registries(entries).find("other.x/img") is None
