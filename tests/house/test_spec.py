"""The spec is never stale, its examples hold, and it says honestly what nothing holds."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
from pathlib import Path

import pytest

from spec import build, held_by
from tests.support.spec_examples import mismatches
from towline.rules import Rules

CLAUSES, EXAMPLES = build.read_chapters()
IDS = {clause.id for clause in CLAUSES}
AREAS = {clause.area for clause in CLAUSES}
ALLOWED = build.SPEC / "uncovered.txt"


@pytest.mark.parametrize("file", ["clauses.json", "errors.json", "errors.md"])
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
    shown = subprocess.run(
        ["git", "show", "HEAD:spec/clauses.json"], cwd=build.ROOT, capture_output=True, check=False
    )
    if shown.returncode:  # the first commit of the spec, or no git at all
        return
    before = {clause["id"] for clause in json.loads(shown.stdout)["clauses"]}
    assert before <= IDS, f"withdraw them instead: {sorted(before - IDS)}"


def test_every_clause_that_is_cited_exists() -> None:
    """Ids in code, tests and chapters lead somewhere."""
    own = re.compile(rf"\b(?:{'|'.join(sorted(AREAS))})-[0-9]{{3}}\b")
    unknown = []
    for file in _texts():
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            # A range in a docstring, such as NAME-001 to NAME-019, need not be full.
            told = re.sub(r"\S+-[0-9]{3} to \S+-[0-9]{3}", "", line)
            unknown += [
                f"{file.relative_to(build.ROOT)}:{number}: {name}"
                for name in own.findall(told)
                if name not in IDS
            ]
    assert not unknown, "\n".join(unknown)


def _texts() -> list[Path]:
    folders = ("python", "rust/src", "tests", "spec")
    files = [file for folder in folders for file in (build.ROOT / folder).rglob("*")]
    kinds = (".py", ".pyi", ".rs", ".md")
    return [
        file for file in files if file.suffix in kinds and "fixtures" not in file.parts
    ] + [build.ROOT / "CHANGELOG.md"]


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
    shown = subprocess.run(
        ["git", "show", "HEAD:spec/uncovered.txt"], cwd=build.ROOT, capture_output=True, check=False
    )
    if shown.returncode == 0:
        before = set(shown.stdout.decode().splitlines())
        new = set(allowed) - before
        assert not new & {clause["id"] for clause in _committed()}, "hold them by a test instead"


def _committed() -> list[dict[str, str]]:
    shown = subprocess.run(
        ["git", "show", "HEAD:spec/clauses.json"], cwd=build.ROOT, capture_output=True, check=False
    )
    clauses: list[dict[str, str]] = json.loads(shown.stdout)["clauses"]
    return clauses
