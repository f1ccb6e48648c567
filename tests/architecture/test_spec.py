"""The spec is never stale, its examples hold, and it says honestly what nothing holds."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spec import build, held_by
from tests.support.spec_examples import mismatches
from towline.rules import Rules

CLAUSES, EXAMPLES = build.read_chapters()
IDS = {clause.id for clause in CLAUSES}
VALID = {clause.id for clause in CLAUSES if clause.level != "WITHDRAWN"}
AREAS = {clause.area for clause in CLAUSES}
ALLOWED = build.SPEC / "uncovered.txt"


@pytest.mark.parametrize("file", ["clauses.json", "errors.json", "errors.md", "uncovered.txt"])
def test_what_is_made_is_committed_as_it_is_made(file: str) -> None:
    """`python spec/build.py` would change nothing."""
    path = build.SPEC / file
    assert path.read_text("utf-8") == build.made()[path], "run: python spec/build.py"


def test_every_clause_is_whole() -> None:
    """Each has a title and words of its own, a level, an edition and a source."""
    for clause in CLAUSES:
        if clause.level == "WITHDRAWN":
            continue
        assert clause.level in build.LEVELS
        assert clause.edition in (*build.EDITIONS, "both"), clause.id
        assert clause.source, clause.id
        assert not clause.title.endswith("."), clause.id
        assert clause.text, clause.id


def test_no_clause_that_was_committed_is_gone() -> None:
    """Ids are never reused and never vanish: a clause that is withdrawn stays as a tombstone."""
    versions = map(json.loads, _committed("spec/clauses.json"))
    gone = {clause["id"] for version in versions for clause in version["clauses"]} - IDS
    assert not gone, "withdraw them instead"


def test_every_clause_that_is_cited_exists() -> None:
    """Ids in code, tests and chapters lead somewhere."""
    own = re.compile(rf"\b(?:{'|'.join(sorted(AREAS))})-[0-9]{{3}}\b")
    unknown = []
    for file in _texts():
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            # A range in a docstring, such as NAME-001 to NAME-019, need not be full.
            told = re.sub(r"\S+-[0-9]{3} to \S+-[0-9]{3}", "", line)
            if line.endswith("[WITHDRAWN]"):
                continue
            unknown += [
                f"{file.relative_to(build.ROOT)}:{number}: {name}"
                for name in own.findall(told)
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
    """Each field of the rules is named by a clause, and each name is that of a field."""
    fields = {field.name for field in dataclasses.fields(Rules)} - {"edition", "wording"}
    named = {name for clause in CLAUSES for name in clause.rules}
    assert named == fields


@pytest.mark.parametrize(
    ("example", "edition"),
    [
        pytest.param(example, edition, id=f"{example.clause}-{edition}-{example.line}")
        for example in EXAMPLES
        for edition in example.editions
    ],
)
def test_examples_hold(example: build.Example, edition: str, tmp_path: Path) -> None:
    """What stands in an example block comes of what is asked there."""
    wrong = mismatches(example.lines, edition, tmp_path)
    assert not wrong, f"{example.chapter}:{example.line}\n" + "\n".join(wrong)


def test_every_vector_holds_a_clause() -> None:
    """Each recorded case finds its place in the spec by rule."""
    nowhere = [case["id"] for case in build.read_vectors() if not held_by.held_by(case)]
    assert not nowhere


def test_what_nothing_holds_is_known_and_becomes_less() -> None:
    """The MUSTs without vector, example and test are those of uncovered.txt, and no others."""
    lines = ALLOWED.read_text("utf-8").splitlines()
    allowed = [line for line in lines if line and not line.startswith("#")]
    assert allowed == build.uncovered(CLAUSES)
    before = next(_committed("spec/uncovered.txt"), "")
    clauses = next(_committed("spec/clauses.json"), '{"clauses": []}')
    if build.CLAUSE_ID.search(before):
        known = {clause["id"] for clause in json.loads(clauses)["clauses"]}
        assert not (set(allowed) & known) - set(before.splitlines()), "hold them by a test instead"


def test_an_unknown_clause_stops_the_run(tmp_path: Path) -> None:
    """A typing mistake in a citation is not overlooked; and `--clause` keeps what cites it."""
    nobody = "GOAL" + "-999"  # in two pieces, since this file is searched for unknown ids too
    ran = _pytest(tmp_path, nobody)
    assert ran.returncode == pytest.ExitCode.USAGE_ERROR
    assert nobody in ran.stderr
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
    """A file as it was in each commit that changed it, the newest first; nothing without git."""
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
