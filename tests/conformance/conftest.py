"""Shared fixtures of the tests of the suite: sites and sessions of the built-in driver."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence

import pytest

from tests.support import tools
from tests.support.recorded_cases import ALL
from towline.conformance.fixtures import SPEC
from towline.conformance.protocol import BUILT_IN
from towline.conformance.runner import Plan, Session, Site, site

SECONDS = 60.0


@pytest.fixture(scope="session")
def quiet_site() -> Iterator[Site]:
    """The fixture tree without servers; all operations except `pull` can run."""
    with site(Plan([case for case in ALL if not case.servers], BUILT_IN)) as started:
        yield started


@pytest.fixture(scope="session")
def whole_site() -> Iterator[Site]:
    """The fixture tree and all servers."""
    tools.require("docker-registry")
    with site(Plan(ALL, BUILT_IN)) as started:
        yield started


@pytest.fixture(scope="session")
def towline(quiet_site: Site) -> Iterator[Session]:
    """A session of the built-in driver without servers."""
    with Session(quiet_site, BUILT_IN, SECONDS, "libpod-1.3") as session:
        yield session


@pytest.fixture(scope="session")
def pulling_towline(whole_site: Site) -> Iterator[Session]:
    """A session of the built-in driver with all servers."""
    with Session(whole_site, BUILT_IN, SECONDS, "libpod-1.3") as session:
        yield session


def python(module: str) -> Sequence[str]:
    """The command of a driver written in Python, by its module in this repository."""
    path = os.pathsep.join(filter(None, [str(SPEC.parent), os.environ.get("PYTHONPATH")]))
    return ("env", f"PYTHONPATH={path}", sys.executable, "-m", module)
