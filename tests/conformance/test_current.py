"""Towline with the vectors of edition ``current``, recorded from podman and skopeo."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.conftest import SECONDS
from tests.support.recorded_cases import ALL, CURRENT, assert_passed
from towline.conformance.expected import read_expected
from towline.conformance.fixtures import SPEC
from towline.conformance.protocol import BUILT_IN
from towline.conformance.report import read_clauses
from towline.conformance.runner import Session, Site
from towline.conformance.vectors import Case

DRIVERS = SPEC / "drivers"
EXPECTED = read_expected(DRIVERS / "towline.expected")
CONTESTED = {line.pattern for line in EXPECTED.lines}
QUIET = [case for case in CURRENT if not case.servers]
SERVED = [case for case in CURRENT if case.servers]


@pytest.fixture(scope="module")
def session_without_servers(quiet_site: Site) -> Iterator[Session]:
    """A session of the built-in driver without servers."""
    with Session(quiet_site, BUILT_IN, SECONDS, "current") as session:
        yield session


@pytest.fixture(scope="module")
def session_with_servers(whole_site: Site) -> Iterator[Session]:
    """A session of the built-in driver with all servers."""
    with Session(whole_site, BUILT_IN, SECONDS, "current") as session:
        yield session


@pytest.mark.parametrize("case", QUIET, ids=[case.id for case in QUIET])
def test_current_decisions(session_without_servers: Session, case: Case) -> None:
    """Towline decides as podman or skopeo, unless a clause explains the difference."""
    judge(session_without_servers, case)


@pytest.mark.parametrize("case", SERVED, ids=[case.id for case in SERVED])
def test_current_decisions_with_servers(session_with_servers: Session, case: Case) -> None:
    """Cases that contact registries: same decisions, unless a clause explains the difference."""
    judge(session_with_servers, case)


def judge(session: Session, case: Case) -> None:
    outcome = EXPECTED.judged(session.judge(case))
    if case.id in CONTESTED:
        assert outcome.verdict == "expected", outcome.reason
    else:
        assert_passed(outcome)


@pytest.mark.parametrize("name", ["podman", "skopeo", "towline"])
def test_every_expected_failure_is_explained(name: str) -> None:
    """Each line has the id of a case and a clause of the spec that explains the failure."""
    failures = read_expected(DRIVERS / f"{name}.expected")
    failures.check(ALL)
    clauses = {clause.id for clause in read_clauses(SPEC / "clauses.json") if clause.level}
    failures.check_explained(clauses)
    patterns = [line.pattern for line in failures.lines]
    assert len(patterns) == len(set(patterns))


def test_current_has_many_vectors_of_both_tools() -> None:
    """At least 150 vectors are recorded, from podman and skopeo, and at most 10 % are contested."""
    assert len(CURRENT) >= 150
    assert {"podman", "skopeo"} == {case.id.split("-")[-2] for case in CURRENT}
    assert len(CONTESTED) * 10 <= len(CURRENT)
