"""The drivers for podman and skopeo, on a sample; the whole run is a command of spec/results."""

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
#: Of each operation and edition so many cases, from all of its length.
SAMPLE = 3


def sample(tool: str) -> list[Case]:
    """Some cases that the last committed run of the tool judged."""
    judged = {
        result.id
        for file in RESULTS.glob(f"*-{tool}-*.json")
        for result in Report.read(file).results
        if result.verdict in ("passed", "expected") and result.seconds < 1.0
    }
    groups: dict[tuple[str, str], list[Case]] = {}
    for case in ALL:
        if case.id in judged:
            groups.setdefault((case.edition, case.operation), []).append(case)
    return [
        case
        for cases in groups.values()
        for case in cases[:: max(1, len(cases) // SAMPLE)][:SAMPLE]
    ]


@pytest.fixture(scope="module")
def sessions(whole_site: Site) -> Iterator[dict[tuple[str, str], Session]]:
    """Sessions that have begun, by tool and edition."""
    begun: dict[tuple[str, str], Session] = {}
    yield begun
    for session in begun.values():
        session.__exit__()


@pytest.mark.parametrize("tool", TOOLS)
def test_a_sample_comes_out_as_committed(
    tool: str, whole_site: Site, sessions: dict[tuple[str, str], Session]
) -> None:
    """What passed passes again, and what was explained still fails."""
    usable(tool)
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
                tools.leave_out(
                    f"the driver for {tool} cannot run here: {session.greeting.skipped}"
                )
        outcome = expected.judged(session.judge(case))
        assert outcome.verdict in ("passed", "expected"), (case.id, outcome)


def usable(tool: str) -> None:
    """Leaves the test out where the tool, or the version that was recorded, is not here."""
    tools.require(tool)
    tools.require("unshare")
    if os.geteuid() != 0:
        tools.leave_out(f"the driver for {tool} needs root")
    version = tools.run(tool, "--version").stdout.decode().split()[-1]
    if version != TOOLS[tool]:
        tools.leave_out(f"{tool} is {version} here, and was recorded as {TOOLS[tool]}")


@pytest.mark.parametrize("file", sorted(DRIVERS.glob("*.py")), ids=lambda file: file.name)
def test_a_driver_imports_nothing_of_towline(file: Path) -> None:
    """They are the standard library and the tool alone; the recorder knows the suite."""
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
    """Nothing failed that no clause explains, and the page stands beside the data."""
    files = sorted(RESULTS.glob(f"????-??-??-{tool}-{TOOLS[tool]}.json"))
    assert files
    for file in files:
        assert file.with_suffix(".html").exists()
        told = json.loads(file.read_text())
        assert told["implementation"] == f"{tool} {TOOLS[tool]}"
        assert told["totals"]["failed"] == 0
        assert "none" not in told["explained"]
