"""Benchmarks of names and goals."""

from __future__ import annotations

import contextlib

import pytest

from benchmarks.parts.conftest import Measure
from tests.support.frozen_facts import FrozenFacts
from towline.errors import TowlineError
from towline.goal import goal_from_name
from towline.name.reference import parse_normalized
from towline.rules import Rules


def test_resolve(measure: Measure) -> None:
    """A short name with two search registries; the target is 20,000 per second."""
    facts = FrozenFacts(registries=("docker.io", "quay.io"))

    def resolve() -> int:
        return len(goal_from_name("ns/busybox:1.36", facts, Rules.CURRENT.names).pairs)

    assert measure("resolve a short name", resolve) == 2


@pytest.mark.parametrize("text", ["a", "a-", "a/", "-"])
def test_names_of_64_kib(measure: Measure, text: str) -> None:
    """The slowest names; the target is 50 ms each."""
    name = text * (65_536 // len(text))

    def parse() -> None:
        with contextlib.suppress(TowlineError):
            parse_normalized(name)

    measure(f"parse a name of 64 KiB, {text!r} repeated", parse)
