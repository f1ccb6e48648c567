"""Towline under the vectors of edition ``current``, which podman and skopeo of today answered."""

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
def quietly(quiet_site: Site) -> Iterator[Session]:
    """The built-in driver, where no server runs."""
    with Session(quiet_site, BUILT_IN, SECONDS, "current") as session:
        yield session


@pytest.fixture(scope="module")
def served(whole_site: Site) -> Iterator[Session]:
    """The built-in driver, where the servers run."""
    with Session(whole_site, BUILT_IN, SECONDS, "current") as session:
        yield session


@pytest.mark.parametrize("case", QUIET, ids=[case.id for case in QUIET])
def test_decision_of_today(quietly: Session, case: Case) -> None:
    """What podman or skopeo decided is decided, unless a clause explains why not."""
    judge(quietly, case)


@pytest.mark.parametrize("case", SERVED, ids=[case.id for case in SERVED])
def test_decision_of_today_with_servers(served: Session, case: Case) -> None:
    """The same where registries are asked."""
    judge(served, case)


def judge(session: Session, case: Case) -> None:
    outcome = EXPECTED.judged(session.judge(case))
    if case.id in CONTESTED:
        assert outcome.verdict == "expected", outcome.reason
    else:
        assert_passed(outcome)


@pytest.mark.parametrize("name", ["podman", "skopeo", "towline"])
def test_every_expected_failure_is_explained(name: str) -> None:
    """Each line names a case, and by a clause that stands in the spec why it fails."""
    failures = read_expected(DRIVERS / f"{name}.expected")
    failures.check(ALL)
    clauses = {clause.id for clause in read_clauses(SPEC / "clauses.json") if clause.level}
    failures.check_explained(clauses)
    patterns = [line.pattern for line in failures.lines]
    assert len(patterns) == len(set(patterns))


def test_the_vectors_of_today_are_many_and_of_both_tools() -> None:
    """They were recorded from the tools, never from towline, and few of them are contested."""
    assert len(CURRENT) >= 150
    assert {"podman", "skopeo"} == {case.id.split("-")[-2] for case in CURRENT}
    assert len(CONTESTED) * 10 <= len(CURRENT)
