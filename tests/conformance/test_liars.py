"""The suite bites: it catches every driver that lies on purpose, each by what it lies about."""

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
#: The first cases of an operation at which a lie may show; more would only take longer.
MOST = 250


@cache
def liar(name: str) -> ModuleType:
    return import_module(f"{PACKAGE}.{name}")


def of(names: list[str], *, pulling: bool) -> list[str]:
    return [name for name in names if ("pull" in liar(name).OPERATIONS) == pulling]


def test_there_are_enough_liars() -> None:
    """A suite that nobody lies to has not been tried."""
    assert len(LIARS) >= 12


@pytest.mark.parametrize("name", of(LIARS, pulling=False))
def test_liar_is_caught(name: str, quiet_site: Site, towline: Session) -> None:
    """In each operation that it lies about, it fails a case at which towline passes."""
    for operation in liar(name).OPERATIONS:
        assert caught(name, operation, quiet_site, towline), operation


@pytest.mark.parametrize("name", of(LIARS, pulling=True))
def test_liar_about_pulls_is_caught(name: str, whole_site: Site, pulling_towline: Session) -> None:
    """The same where servers are needed."""
    assert caught(name, "pull", whole_site, pulling_towline)


def caught(name: str, operation: str, place: Site, honest: Session) -> bool:
    cases = [case for case in LIBPOD if case.operation == operation][:MOST]
    with Session(place, python(f"{PACKAGE}.{name}"), SECONDS, "libpod-1.3") as session:
        return any(
            session.judge(case).verdict == "failed" and honest.judge(case).verdict == "passed"
            for case in cases
        )
