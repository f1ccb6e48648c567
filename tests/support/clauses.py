"""A pytest plugin for the marker `clause`, by which tests cite the clauses that they verify.

`--clause GOAL` runs the tests of one area, `--clause GOAL-004` those of one clause.  An unknown id
stops the run.  The summary counts the MUST clauses by what verifies them.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

CLAUSES = Path(__file__).resolve().parents[2] / "spec" / "clauses.json"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option ``--clause``."""
    group = parser.getgroup("towline")
    group.addoption(
        "--clause",
        action="append",
        default=[],
        metavar="ID",
        help="run only tests that cite this clause, or one of this area; may be repeated",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Stop at unknown ids; keep the tests that `--clause` selects."""
    known = {str(clause["id"]) for clause in _clauses() if clause["level"] != "WITHDRAWN"}
    wanted: list[str] = config.getoption("--clause")
    areas = {name.rpartition("-")[0] for name in known}
    if invalid := [name for name in wanted if name not in known | areas]:
        raise pytest.UsageError(f"--clause: neither a clause nor an area: {', '.join(invalid)}")
    kept: list[pytest.Item] = []
    others: list[pytest.Item] = []
    unknown: list[str] = []
    for item in items:
        cited = cited_by(item)
        unknown += [f"{item.nodeid}: {name}" for name in cited if name not in known]
        selected = any(name in wanted or name.rpartition("-")[0] in wanted for name in cited)
        (kept if selected or not wanted else others).append(item)
    if unknown:
        raise pytest.UsageError("these clauses are not in spec/:\n" + "\n".join(unknown))
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = kept


def cited_by(item: pytest.Item) -> list[str]:
    """The clauses that a test cites; an example of the spec cites the clause it belongs to."""
    cited = [str(name) for mark in item.iter_markers("clause") for name in mark.args]
    example = getattr(getattr(item, "callspec", None), "params", {}).get("example")
    name = str(getattr(example, "clause", ""))
    return [*cited, name] if name.rpartition("-")[2].isdigit() else cited


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print how many MUST clauses are verified, and by what."""
    if not _clauses() or hasattr(config, "workerinput"):
        return
    from spec import build

    cited = build.cited_by_tests()
    musts = [clause for clause in _clauses() if clause["level"] == "MUST"]
    fewest = {str(clause["id"]): _least(cited, clause) for clause in musts}
    by = {
        "vectors": [clause for clause in musts if clause["vectors"]],
        "examples": [clause for clause in musts if clause["examples"]],
        "tests": [each for each in musts if 0 < fewest[str(each["id"])] <= build.MOST_CITED],
        "broad tests only": [each for each in musts if fewest[str(each["id"])] > build.MOST_CITED],
    }
    covered = {str(clause["id"]) for group in by.values() for clause in group}
    terminalreporter.section("the spec", "-")
    counts = ", ".join(f"{len(group)} by {name}" for name, group in by.items())
    terminalreporter.line(f"{len(covered)} of {len(musts)} MUSTs are verified: {counts}")
    uncovered = [str(clause["id"]) for clause in musts if clause["id"] not in covered]
    if uncovered:
        terminalreporter.line(f"not verified: {' '.join(uncovered)}")


def _least(cited: dict[str, list[int]], clause: dict[str, object]) -> int:
    """The number of clauses cited by the most specific test of a clause; 0 if there is none."""
    return min(cited.get(str(clause["id"]), [0]))


def _clauses() -> list[dict[str, object]]:
    if not CLAUSES.exists():
        return []
    clauses: list[dict[str, object]] = json.loads(CLAUSES.read_bytes())["clauses"]
    return clauses
