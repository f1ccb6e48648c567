"""What the tests of the suite share: the cases, and sessions of drivers over one fixture tree."""

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
    """The fixtures, without any server: enough for all operations but `pull`."""
    with site(Plan([case for case in ALL if not case.servers], BUILT_IN)) as place:
        yield place


@pytest.fixture(scope="session")
def whole_site() -> Iterator[Site]:
    """The fixtures and all servers."""
    tools.require("docker-registry")
    with site(Plan(ALL, BUILT_IN)) as place:
        yield place


@pytest.fixture(scope="session")
def towline(quiet_site: Site) -> Iterator[Session]:
    """The built-in driver, where no server runs."""
    with Session(quiet_site, BUILT_IN, SECONDS, "libpod-1.3") as session:
        yield session


@pytest.fixture(scope="session")
def pulling_towline(whole_site: Site) -> Iterator[Session]:
    """The built-in driver, where the servers run."""
    with Session(whole_site, BUILT_IN, SECONDS, "libpod-1.3") as session:
        yield session


def python(module: str) -> Sequence[str]:
    """The command of a driver written in Python, by its module in this repository."""
    path = os.pathsep.join(filter(None, [str(SPEC.parent), os.environ.get("PYTHONPATH")]))
    return ("env", f"PYTHONPATH={path}", sys.executable, "-m", module)
