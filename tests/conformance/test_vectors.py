"""Towline with the recorded vectors: one test per operation, run once per case."""

from __future__ import annotations

from tests.support.recorded_cases import assert_passed, each
from towline.conformance.runner import Session
from towline.conformance.vectors import Case


@each("decompose")
def test_decompose(towline: Session, case: Case) -> None:
    """A name is decomposed without normalisation, or rejected with the recorded message."""
    assert_passed(towline.judge(case))


@each("reference_with_registry")
def test_reference_with_registry(towline: Session, case: Case) -> None:
    """A short name is completed with a registry and then normalised."""
    assert_passed(towline.judge(case))


@each("normalized_reference")
def test_normalized_reference(towline: Session, case: Case) -> None:
    """A name that has a registry is normalised."""
    assert_passed(towline.judge(case))


@each("parse_image_name")
def test_parse_image_name(towline: Session, case: Case) -> None:
    """Parsing, text form and policy identity of each transport are as recorded."""
    assert_passed(towline.judge(case))


@each("pull_ref_pair")
def test_pull_ref_pair(towline: Session, case: Case) -> None:
    """A source and a destination name give the recorded pair."""
    assert_passed(towline.judge(case))


@each("goal_from_image_reference")
def test_goal_from_image_reference(towline: Session, case: Case) -> None:
    """A source with a transport gives the recorded goal."""
    assert_passed(towline.judge(case))


@each("goal_from_possibly_unqualified_name")
def test_goal_from_possibly_unqualified_name(towline: Session, case: Case) -> None:
    """A name and a registries.conf give the recorded goal."""
    assert_passed(towline.judge(case))


@each("get_registries")
def test_get_registries(towline: Session, case: Case) -> None:
    """registries.conf gives the recorded lists of registries."""
    assert_passed(towline.judge(case))


@each("find_registry")
def test_find_registry(towline: Session, case: Case) -> None:
    """The recorded entry of registries.conf is found for a name."""
    assert_passed(towline.judge(case))


@each("get_image_digest")
def test_get_image_digest(towline: Session, case: Case) -> None:
    """The image digest is the digest of the config."""
    assert_passed(towline.judge(case))


@each("pull")
def test_pull(pulling_towline: Session, case: Case) -> None:
    """A whole pull gives the recorded names, text, log, events, store and error."""
    assert_passed(pulling_towline.judge(case))
