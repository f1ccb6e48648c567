"""The generated files of the spec are current, its examples pass, uncovered clauses are listed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spec import build, held_by
from tests.support.edition_settings import SETTINGS
from tests.support.spec_examples import mismatches

CLAUSES, EXAMPLES = build.read_chapters()
IDS = {clause.id for clause in CLAUSES}
VALID = {clause.id for clause in CLAUSES if clause.level != "WITHDRAWN"}
AREAS = {clause.area for clause in CLAUSES}
ALLOWED = build.SPEC / "uncovered.txt"


@pytest.mark.parametrize("file", ["clauses.json", "errors.json", "errors.md", "uncovered.txt"])
def test_generated_files_are_current(file: str) -> None:
    """`python spec/build.py` would change nothing."""
    path = build.SPEC / file
    assert path.read_text("utf-8") == build.made()[path], "run: python spec/build.py"


def test_every_clause_is_complete() -> None:
    """Each has a title, a text, a level, an edition and a source."""
    for clause in CLAUSES:
        if clause.level == "WITHDRAWN":
            continue
        assert clause.level in build.LEVELS
        assert clause.edition in (*build.EDITIONS, "both"), clause.id
        assert clause.source, clause.id
        assert not clause.title.endswith("."), clause.id
        assert clause.text, clause.id


def test_no_committed_clause_is_removed() -> None:
    """Ids are never removed or reused: a withdrawn clause stays, with the level WITHDRAWN."""
    versions = map(json.loads, _committed("spec/clauses.json"))
    removed = {clause["id"] for version in versions for clause in version["clauses"]} - IDS
    assert not removed, "withdraw them instead"


def test_every_cited_clause_exists() -> None:
    """Ids in code, tests and chapters are those of valid clauses."""
    own = re.compile(rf"\b(?:{'|'.join(sorted(AREAS))})-[0-9]{{3}}\b")
    unknown = []
    for file in _texts():
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            # A range in a docstring, such as NAME-001 to NAME-019, may have gaps.
            text = re.sub(r"\S+-[0-9]{3} to \S+-[0-9]{3}", "", line)
            if line.endswith("[WITHDRAWN]"):
                continue
            unknown += [
                f"{file.relative_to(build.ROOT)}:{number}: {name}"
                for name in own.findall(text)
                if name not in VALID
            ]
    assert not unknown, "\n".join(unknown)


def _texts() -> list[Path]:
    folders = ("python", "rust/src", "tests", "spec")
    files = [file for folder in folders for file in (build.ROOT / folder).rglob("*")]
    kinds = (".py", ".pyi", ".rs", ".md")
    return [file for file in files if file.suffix in kinds and "fixtures" not in file.parts] + [
        build.ROOT / "CHANGELOG.md"
    ]


def test_every_difference_of_the_editions_has_a_clause() -> None:
    """Each field of a slice is named by a clause, and each name in a clause is a field."""
    fields = [name for name, _ in SETTINGS]
    assert len(fields) == len(set(fields)), "a name in a clause must be that of one field"
    named = {name for clause in CLAUSES for name in clause.rules}
    assert named == set(fields)


@pytest.mark.parametrize(
    ("example", "edition"),
    [
        pytest.param(example, edition, id=f"{example.clause}-{edition}-{example.line}")
        for example in EXAMPLES
        for edition in example.editions
    ],
)
def test_examples_pass(example: build.Example, edition: str, tmp_path: Path) -> None:
    """Each operation in an example block gives the result that the block states."""
    wrong = mismatches(example.lines, edition, tmp_path)
    assert not wrong, f"{example.chapter}:{example.line}\n" + "\n".join(wrong)


def test_every_vector_verifies_a_clause() -> None:
    """The rules of `held_by` assign each recorded case to a clause."""
    unassigned = [case["id"] for case in build.read_vectors() if not held_by.held_by(case)]
    assert not unassigned


def test_uncovered_clauses_are_listed_and_none_is_added() -> None:
    """uncovered.txt lists exactly the MUST clauses without a vector, an example and a test."""
    lines = ALLOWED.read_text("utf-8").splitlines()
    allowed = [line for line in lines if line and not line.startswith("#")]
    assert allowed == build.uncovered(CLAUSES)
    before = next(_committed("spec/uncovered.txt"), "")
    clauses = next(_committed("spec/clauses.json"), '{"clauses": []}')
    if build.CLAUSE_ID.search(before):
        known = {clause["id"] for clause in json.loads(clauses)["clauses"]}
        assert not (set(allowed) & known) - set(before.splitlines()), "cite them in a test instead"


def test_an_unknown_clause_stops_the_run(tmp_path: Path) -> None:
    """An unknown id in a marker or in `--clause` is an error; `--clause` selects citing tests."""
    unknown = "GOAL" + "-999"  # in two parts, because this file is searched for unknown ids too
    ran = _pytest(tmp_path, unknown)
    assert ran.returncode == pytest.ExitCode.USAGE_ERROR
    assert unknown in ran.stderr
    assert "1 deselected" in _pytest(tmp_path, "GOAL-001", "--clause", "NAME").stdout
    assert "1 passed" in _pytest(tmp_path, "GOAL-001", "--clause", "GOAL").stdout
    assert _pytest(tmp_path, "GOAL-001", "--clause", "GOAT").returncode == 4


def _pytest(folder: Path, cited: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(
        f"import pytest\n\n@pytest.mark.clause({cited!r})\ndef test_it():\n    pass\n"
    )
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = clause(id): of the spec\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.support.clauses", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(build.ROOT), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def _committed(path: str) -> Iterator[str]:
    """The versions of a file in each commit that changed it, newest first; none without git."""
    log = _git("log", "--format=%H", "--", path)
    for commit in log.split():
        if text := _git("show", f"{commit}:{path}"):
            yield text


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=build.ROOT, capture_output=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.decode() if done.returncode == 0 else ""
