"""Each driver with a deliberate error fails at least one case of the suite."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from tests.conformance.conftest import SECONDS, python
from tests.support.recorded_cases import LIBPOD
from towline.conformance.runner import Session, Site

LIARS = sorted(
    file.stem for file in (Path(__file__).parent / "liars").glob("*.py") if file.stem != "proxy"
)
PACKAGE = "tests.conformance.liars"
#: The maximum number of cases per operation, to limit the run time.
MAX_CASES = 250


@cache
def liar(name: str) -> ModuleType:
    return import_module(f"{PACKAGE}.{name}")


def select(names: list[str], *, pulling: bool) -> list[str]:
    return [name for name in names if ("pull" in liar(name).OPERATIONS) == pulling]


def test_there_are_enough_liars() -> None:
    """The suite is tested with at least 12 wrong drivers."""
    assert len(LIARS) >= 12


@pytest.mark.parametrize("name", select(LIARS, pulling=False))
def test_liar_is_caught(name: str, quiet_site: Site, towline: Session) -> None:
    """The liar fails a case that towline passes, in each operation with a wrong answer."""
    for operation in liar(name).OPERATIONS:
        assert caught(name, operation, quiet_site, towline), operation


@pytest.mark.parametrize("name", select(LIARS, pulling=True))
def test_liar_about_pulls_is_caught(name: str, whole_site: Site, pulling_towline: Session) -> None:
    """The liar fails a pull that towline passes."""
    assert caught(name, "pull", whole_site, pulling_towline)


def caught(name: str, operation: str, site: Site, correct: Session) -> bool:
    cases = [case for case in LIBPOD if case.operation == operation][:MAX_CASES]
    with Session(site, python(f"{PACKAGE}.{name}"), SECONDS, "libpod-1.3") as session:
        return any(
            session.judge(case).verdict == "failed" and correct.judge(case).verdict == "passed"
            for case in cases
        )
