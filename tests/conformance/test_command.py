"""The command line of the suite: choices, reports, exit status."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from jsonschema import Draft202012Validator

from tests.support.recorded_cases import VECTORS
from towline.conformance import command as command_module
from towline.conformance.command import main
from towline.conformance.fixtures import SPEC

HONEST_AND_WRONG = """
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message["cmd"] == "start":
        answer = {"implementation": {"name": "<i>half</i>", "version": "2"}, "ops": ["decompose"]}
    else:
        answer = {"seq": message["seq"], "ok": {"path": message["input"]["name"]}}
    print(json.dumps(answer), flush=True)
"""

NO_CLAUSE = "NAME-" + "999"  # in two parts, so that nobody takes it for a citation


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    """A file with one case that passes, one that fails, and one that is not offered."""
    folder = tmp_path / "vectors"
    folder.mkdir()
    write(folder / "a.json", "decompose", right("a-1", "x"), right("a-2", "x\x01\udcff"))
    told = json.loads((folder / "a.json").read_text())
    told["cases"][1]["expect"]["ok"]["path"] = "<wanted> ${ROOT}"
    (folder / "a.json").write_text(json.dumps(told))
    write(folder / "b.json", "pull", {"id": "b-1", "input": {}, "expect": {"ok": {}}})
    return folder


def right(name: str, path: str) -> dict[str, Any]:
    return {"id": name, "input": {"name": path}, "expect": {"ok": {"path": path}}}


def write(file: Path, operation: str, *cases: dict[str, Any]) -> None:
    head = {"schema": 1, "op": operation, "edition": "current", "recorded": "by hand"}
    file.write_text(json.dumps({**head, "cases": cases}))


@pytest.fixture
def command(vectors: Path, tmp_path: Path) -> list[str]:
    """A run over those vectors."""
    program = tmp_path / "driver.py"
    program.write_text(HONEST_AND_WRONG)
    return ["run", "--vectors", str(vectors), "--driver", f"{sys.executable} {program}"]


def test_a_failure_ends_with_status_1(command: list[str], capsys: Any) -> None:
    """The output has the counts, and of each failure all that is needed to see and repeat it."""
    assert main(command) == 1
    said = capsys.readouterr().out
    assert "FAILED a-2" in said
    assert 'wanted "<wanted> ${ROOT}"' in said
    assert f"repeat  towline conformance {' '.join(command[:3])} --driver" in said
    assert said.splitlines()[-1].split() == ["total", "1", "passed", "1", "failed", "1", "skipped"]


def test_success_ends_with_status_0(command: list[str]) -> None:
    """Skipped cases do not fail a run."""
    assert main([*command, "--case", "a-1", "--case", "b-*"]) == 0


def test_vectors_takes_several_folders(command: list[str], vectors: Path) -> None:
    """In either manner of writing."""
    one, other = str(vectors / "a.json"), str(vectors / "b.json")
    for words in (["--vectors", one, other], ["--vectors", one, "--vectors", other]):
        assert main(["run", *words, *command[3:], "--case", "a-1", "--case", "b-1"]) == 0


def test_nothing_judged_is_no_success(command: list[str]) -> None:
    """A driver that offers nothing has proven nothing."""
    assert main([*command, "--op", "pull"]) == 1


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        (["--case", "nobody"], "there is no case nobody"),
        (["--op", "nothing"], "no case is left"),
        (["--edition", "libpod-1.3"], "no case is left"),
        (["--driver", ""], "names no command"),
        (["--vectors", "/no/such/place"], "does not exist"),
        (["--server", "REG9=x"], "NAME=HOST:PORT"),
        (["--clauses", "/no/such/file"], "no list of clauses"),
    ],
)
def test_wrong_usage_ends_with_status_2(
    command: list[str], capsys: Any, more: list[str], fault: str
) -> None:
    """One sentence says what was wrong."""
    assert main([*command, *more]) == 2
    assert fault in capsys.readouterr().err


def test_a_driver_that_does_not_start_ends_with_status_1(command: list[str], capsys: Any) -> None:
    """The run could not be done."""
    assert main([*command[:3], "--driver", "/no/such/driver"]) == 1
    assert "cannot start /no/such/driver" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ("a-2  # it lower-cases", 0),
        ("# why\n\na-[2-9]\nb-1", 0),
        ("a-1\na-2", 1),
        ("a-*", 1),
        ("a-2\nnobody", 2),
    ],
)
def test_expected_failures_are_strict(
    command: list[str], tmp_path: Path, lines: str, status: int
) -> None:
    """What is named must fail: an unexpected pass is a failure, an unknown id wrong usage."""
    known = tmp_path / "known"
    known.write_text(lines)
    assert main([*command, "--expected-failures", str(known)]) == status


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ("a-2  # NAME-001 since it says so", None),
        ("a-2  # NAME-001", "is not explained"),
        ("a-2  # since it says so", "is not explained"),
        (f"a-2  # {NO_CLAUSE} since it says so", "which is no clause"),
    ],
)
def test_expected_failures_may_have_to_be_explained(
    command: list[str], tmp_path: Path, capsys: Any, lines: str, fault: str | None
) -> None:
    """With --explained each line names a clause of the spec, and the report counts by it."""
    known, report = tmp_path / "known", tmp_path / "report.json"
    known.write_text(lines)
    words = ["--expected-failures", str(known), "--explained", "--json", str(report)]
    assert main([*command, *words]) == (2 if fault else 0)
    if fault:
        assert fault in capsys.readouterr().err
    else:
        assert "1 failed as NAME-001 explains" in capsys.readouterr().out
        told = json.loads(report.read_text())
        assert told["explained"] == {"NAME-001": 1}
        case = told["cases"][1]
        assert (case["clause"], case["reason"]) == ("NAME-001", "since it says so")


def test_expected_failures_may_name_what_is_not_chosen(command: list[str], tmp_path: Path) -> None:
    """One file serves runs of single cases too."""
    known = tmp_path / "known"
    known.write_text("a-2")
    assert main([*command, "--expected-failures", str(known), "--case", "a-1"]) == 0


def reports(command: list[str], folder: Path) -> list[Path]:
    files = [folder / name for name in ("report.json", "report.xml", "report.html")]
    clauses = folder / "clauses.json"
    clause = {"id": "NAME-001", "title": "A <clause>", "vectors": ["a-*"]}
    clauses.write_text(json.dumps({"clauses": [clause, {"id": "NAME-002"}]}))
    words = [
        word for pair in zip(("--json", "--junit", "--html"), files, strict=True) for word in pair
    ]
    assert main([*command, "--clauses", str(clauses), *map(str, words)]) == 1
    return files


def test_json_report(command: list[str], tmp_path: Path) -> None:
    """It is of its schema, counts by operation and clause, and holds every case."""
    report = json.loads(reports(command, tmp_path)[0].read_text())
    schema = json.loads((SPEC / "schemas" / "report.json").read_text())
    Draft202012Validator(schema).validate(report)
    half = {"passed": 1, "failed": 1, "expected": 0, "skipped": 0}
    none = {"passed": 0, "failed": 0, "expected": 0, "skipped": 1}
    assert report["operations"] == {"decompose": half, "pull": none}
    assert report["clauses"] == {"NAME-001": half}
    assert report["coverage"] == {"clauses": 2, "musts": 0, "with_vectors": 1, "judged": 1}
    verdicts = {case["id"]: case["verdict"] for case in report["cases"]}
    assert verdicts == {"a-1": "passed", "a-2": "failed", "b-1": "skipped"}
    failed = report["cases"][1]
    assert failed["differences"][0]["wanted"] == "<wanted> ${ROOT}"
    assert failed["repeat"].endswith("--case a-2")


def test_junit_report(command: list[str], tmp_path: Path) -> None:
    """It is XML even where a name is not, with one suite for each operation."""
    root = ElementTree.parse(reports(command, tmp_path)[1]).getroot()
    assert [suite.get("name") for suite in root] == ["decompose", "pull"]
    assert [suite.get("failures") for suite in root] == ["1", "0"]
    failure = root.find("./testsuite/testcase[@name='a-2']/failure")
    assert failure is not None
    assert "<wanted>" in (failure.text or "")


def test_html_report(command: list[str], tmp_path: Path) -> None:
    """It needs nothing from elsewhere, escapes what it shows, and has each failure in full."""
    page = reports(command, tmp_path)[2].read_text()
    assert "<i>half</i>" not in page
    assert "&lt;i&gt;half&lt;/i&gt; 2" in page
    for part in ("http:", "https:", "<script", "<link", "src="):
        assert part not in page
    for part in (
        "NAME-001",
        "A &lt;clause&gt;",
        "1 / 2",
        'id="a-2"',
        "&lt;wanted&gt;",
        "--case a-2",
    ):
        assert part in page


def test_reports_are_put_side_by_side(command: list[str], tmp_path: Path) -> None:
    """One column for each implementation."""
    report = reports(command, tmp_path)[0]
    other = tmp_path / "other.json"
    other.write_text(report.read_text().replace("half", "other"))
    page = tmp_path / "both.html"
    assert main(["compare", str(report), str(other), "--html", str(page)]) == 0
    for part in ("half", "other"):
        assert f"<th>&lt;i&gt;{part}&lt;/i&gt; 2</th>" in page.read_text()
    assert main(["compare", str(page), "--html", str(page)]) == 2


def test_list_names_every_case(capsys: Any) -> None:
    """One line for each: id, operation, why."""
    assert main(["list", "--vectors", str(VECTORS)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "pull-0001\tpull\tshort name found in the first registry" in lines


def test_fixtures_are_made_where_they_are_wanted(tmp_path: Path, command: list[str]) -> None:
    """And can then be given to a run, wherever they lie."""
    tree = tmp_path / "Fixtures"
    assert main(["fixtures", str(tree)]) == 0
    assert (tree / "cwd" / "layer.tar").is_file()
    assert main(["fixtures", str(tree)]) == 2
    assert main([*command, "--fixtures", str(tree), "--case", "a-1"]) == 0
    assert main([*command, "--fixtures", str(SPEC / "fixtures"), "--case", "a-1"]) == 0


def test_the_suite_imports_nothing_of_what_it_judges() -> None:
    """Only the rooms of the built-in driver do, and no other room imports those."""
    folder = Path(command_module.__file__).parent
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                judged = name.split(".")[0] == "towline"
                assert not judged or name.startswith("towline.conformance."), (file, name)
                assert not name.startswith("towline.conformance.driver"), (file, name)
