"""The drivers for podman and skopeo with a sample of cases; spec/results has whole runs."""

from __future__ import annotations

import ast
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.conftest import SECONDS
from tests.support import tools
from tests.support.recorded_cases import ALL
from towline.conformance.expected import read_expected
from towline.conformance.fixtures import SPEC
from towline.conformance.report import Report
from towline.conformance.runner import Session, Site
from towline.conformance.vectors import Case

DRIVERS = SPEC / "drivers"
RESULTS = SPEC / "results"
TOOLS = {"podman": "4.3.1", "skopeo": "1.9.3"}
#: The number of cases per operation and edition, spread over the whole list.
SAMPLE = 3


def sample(tool: str) -> list[Case]:
    """A sample of the cases that the committed runs of the tool tested."""
    tested = {
        result.id
        for file in RESULTS.glob(f"*-{tool}-*.json")
        for result in Report.read(file).results
        if result.verdict in ("passed", "expected") and result.seconds < 1.0
    }
    groups: dict[tuple[str, str], list[Case]] = {}
    for case in ALL:
        if case.id in tested:
            groups.setdefault((case.edition, case.operation), []).append(case)
    return [
        case
        for cases in groups.values()
        for case in cases[:: max(1, len(cases) // SAMPLE)][:SAMPLE]
    ]


@pytest.fixture(scope="module")
def sessions(whole_site: Site) -> Iterator[dict[tuple[str, str], Session]]:
    """The started sessions, by tool and edition."""
    started: dict[tuple[str, str], Session] = {}
    yield started
    for session in started.values():
        session.__exit__()


@pytest.mark.parametrize("tool", TOOLS)
def test_a_sample_has_the_committed_results(
    tool: str, whole_site: Site, sessions: dict[tuple[str, str], Session]
) -> None:
    """Passed cases pass again, and expected failures still fail."""
    require_recorded_version(tool)
    expected = read_expected(DRIVERS / f"{tool}.expected")
    cases = sample(tool)
    assert len(cases) >= 2 * SAMPLE
    for case in cases:
        session = sessions.get((tool, case.edition))
        if session is None:
            command = (sys.executable, str(DRIVERS / f"{tool}.py"))
            session = Session(whole_site, command, SECONDS, case.edition)
            sessions[tool, case.edition] = session
            if session.greeting.skipped is not None:
                tools.skip(f"the driver for {tool} cannot run here: {session.greeting.skipped}")
        outcome = expected.judged(session.judge(case))
        assert outcome.verdict in ("passed", "expected"), (case.id, outcome)


def require_recorded_version(tool: str) -> None:
    """Skip the test if the recorded version of the tool is not installed."""
    tools.require(tool)
    tools.require("unshare")
    if os.geteuid() != 0:
        tools.skip(f"the driver for {tool} needs root")
    version = tools.run(tool, "--version").stdout.decode().split()[-1]
    if version != TOOLS[tool]:
        tools.skip(f"{tool} is {version} here, and was recorded as {TOOLS[tool]}")


@pytest.mark.parametrize("file", sorted(DRIVERS.glob("*.py")), ids=lambda file: file.name)
def test_a_driver_imports_nothing_of_towline(file: Path) -> None:
    """Drivers import the standard library and ``tool``; the recorder also imports the suite."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    ours = {name for name in names if name.partition(".")[0] == "towline"}
    if file.name == "record_current.py":
        assert all(name.startswith("towline.conformance.") for name in ours)
    else:
        assert ours == set()
        standard = {*sys.stdlib_module_names, "tool"}
        assert {name.partition(".")[0] for name in names} <= standard


@pytest.mark.parametrize("tool", TOOLS)
def test_results_are_dated_and_explained(tool: str) -> None:
    """Each report has no unexplained failures, and an HTML page next to it."""
    files = sorted(RESULTS.glob(f"????-??-??-{tool}-{TOOLS[tool]}.json"))
    assert files
    for file in files:
        assert file.with_suffix(".html").exists()
        report = json.loads(file.read_text())
        assert report["implementation"] == f"{tool} {TOOLS[tool]}"
        assert report["totals"]["failed"] == 0
        assert "none" not in report["explained"]
