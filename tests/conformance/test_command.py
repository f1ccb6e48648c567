"""The command line of the suite: selection of cases, reports, exit status."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from jsonschema import Draft202012Validator

from tests.support.recorded_cases import ALL, VECTORS
from towline.conformance import command as command_module
from towline.conformance.command import main
from towline.conformance.expected import read_expected
from towline.conformance.fixtures import SPEC
from towline.conformance.servers import NO_REGISTRY

ECHO_DRIVER = """
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message["cmd"] == "start":
        answer = {"implementation": {"name": "<i>half</i>", "version": "2"}, "ops": ["decompose"]}
    else:
        answer = {"seq": message["seq"], "ok": {"path": message["input"]["name"]}}
    print(json.dumps(answer), flush=True)
"""

NO_CLAUSE = "NAME-" + "999"  # in two parts, so that it does not count as a citation


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    """Vector files with one case that passes, one that fails, and one that is not offered."""
    directory = tmp_path / "vectors"
    directory.mkdir()
    write(directory / "a.json", "decompose", passing("a-1", "x"), passing("a-2", "x\x01\udcff"))
    document = json.loads((directory / "a.json").read_text())
    document["cases"][1]["expect"]["ok"]["path"] = "<wanted> ${ROOT}"
    (directory / "a.json").write_text(json.dumps(document))
    write(directory / "b.json", "pull", {"id": "b-1", "input": {}, "expect": {"ok": {}}})
    return directory


def passing(name: str, path: str) -> dict[str, Any]:
    return {"id": name, "input": {"name": path}, "expect": {"ok": {"path": path}}}


def write(file: Path, operation: str, *cases: dict[str, Any]) -> None:
    head = {"schema": 1, "op": operation, "edition": "current", "recorded": "by hand"}
    file.write_text(json.dumps({**head, "cases": cases}))


@pytest.fixture
def command(vectors: Path, tmp_path: Path) -> list[str]:
    """The arguments of a run with these vectors."""
    program = tmp_path / "driver.py"
    program.write_text(ECHO_DRIVER)
    return ["run", "--vectors", str(vectors), "--driver", f"{sys.executable} {program}"]


def test_a_failure_ends_with_status_1(command: list[str], capsys: Any) -> None:
    """The output has the counts, and for each failure the difference and the repeat command."""
    assert main(command) == 1
    output = capsys.readouterr().out
    assert "FAILED a-2" in output
    assert 'wanted "<wanted> ${ROOT}"' in output
    assert f"repeat  towline conformance {' '.join(command[:3])} --driver" in output
    total = output.splitlines()[-1].split()
    assert total == ["total", "1", "passed", "1", "failed", "1", "skipped"]


def test_success_ends_with_status_0(command: list[str]) -> None:
    """Skipped cases do not fail a run."""
    assert main([*command, "--case", "a-1", "--case", "b-*"]) == 0


def test_vectors_takes_several_paths(command: list[str], vectors: Path) -> None:
    """Several values after ``--vectors``, or the option several times."""
    one, other = str(vectors / "a.json"), str(vectors / "b.json")
    for options in (["--vectors", one, other], ["--vectors", one, "--vectors", other]):
        assert main(["run", *options, *command[3:], "--case", "a-1", "--case", "b-1"]) == 0


def test_a_run_that_tests_no_case_fails(command: list[str]) -> None:
    """A driver that offers no selected operation fails the run."""
    assert main([*command, "--op", "pull"]) == 1


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        (["--case", "nobody"], "there is no case nobody"),
        (["--op", "nothing"], "there is no operation nothing"),
        (["--edition", "libpod-1.3"], "there is no edition libpod-1.3; the vectors have current"),
        (["--driver", ""], "names no command"),
        (["--vectors", "/no/such/place"], "does not exist"),
        (["--server", "REG9=x"], "NAME=HOST:PORT"),
        (["--clauses", "/no/such/file"], "not a list of clauses"),
    ],
)
def test_wrong_usage_ends_with_status_2(
    command: list[str], capsys: Any, more: list[str], fault: str
) -> None:
    """The error message has the fault."""
    assert main([*command, *more]) == 2
    assert fault in capsys.readouterr().err


def test_a_driver_that_does_not_start_ends_with_status_1(command: list[str], capsys: Any) -> None:
    """The error message has the command."""
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
    """Listed cases must fail: an unexpected pass is a failure, an unknown id wrong usage."""
    known = tmp_path / "known"
    known.write_text(lines)
    assert main([*command, "--expected-failures", str(known)]) == status


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ("a-2  # NAME-001 since it says so", None),
        ("a-2  # NAME-001", "is not explained"),
        ("a-2  # since it says so", "is not explained"),
        (f"a-2  # {NO_CLAUSE} since it says so", "which is not a clause"),
    ],
)
def test_explained_requires_a_clause_for_each_expected_failure(
    command: list[str], tmp_path: Path, capsys: Any, lines: str, fault: str | None
) -> None:
    """Each line must have a clause of the spec, and the report counts failures by clause."""
    known, report = tmp_path / "known", tmp_path / "report.json"
    known.write_text(lines)
    options = ["--expected-failures", str(known), "--explained", "--json", str(report)]
    assert main([*command, *options]) == (2 if fault else 0)
    if fault:
        assert fault in capsys.readouterr().err
    else:
        assert "1 failed as explained by NAME-001" in capsys.readouterr().out
        document = json.loads(report.read_text())
        assert document["explained"] == {"NAME-001": 1}
        case = document["cases"][1]
        assert (case["clause"], case["reason"]) == ("NAME-001", "since it says so")


def test_expected_failures_may_list_unselected_cases(command: list[str], tmp_path: Path) -> None:
    """The same file can be used for runs of single cases."""
    known = tmp_path / "known"
    known.write_text("a-2")
    assert main([*command, "--expected-failures", str(known), "--case", "a-1"]) == 0


def test_the_repeat_command_has_the_expected_failures(
    command: list[str], tmp_path: Path, capsys: Any
) -> None:
    """The list decides how the case is judged, so a repetition uses the same."""
    known = tmp_path / "known"
    known.write_text("a-1")
    assert main([*command, "--expected-failures", str(known)]) == 1
    assert f"--expected-failures {known} --case a-1" in capsys.readouterr().out


def test_the_expected_failures_of_towline_are_the_default(capsys: Any) -> None:
    """The built-in driver is judged with the list of the suite; another list replaces it."""
    listed = {line.pattern for line in read_expected(SPEC / "drivers" / "towline.expected").lines}
    operation = "get_image_digest"
    count = sum(case.operation == operation and case.id in listed for case in ALL)
    assert count > 0
    assert main(["run", "--op", operation]) == 0
    output = capsys.readouterr().out
    assert f"expected failures: {SPEC / 'drivers' / 'towline.expected'}" in output
    assert f"{count} failed as expected" in output.splitlines()[-1]
    assert main(["run", "--op", operation, "--expected-failures", "/dev/null"]) == 1
    output = capsys.readouterr().out
    assert output.splitlines()[-1].split()[3:5] == [str(count), "failed"]


def test_the_default_list_may_name_cases_that_other_vectors_lack(vectors: Path) -> None:
    """The built-in driver can run vectors of the user."""
    assert main(["run", "--vectors", str(vectors), "--case", "a-1"]) == 0


def test_cases_with_a_registry_are_skipped_without_its_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """The summary and the report have the count and what to install; nothing counts as passed."""
    monkeypatch.setattr("towline.conformance.servers._SEARCH", str(tmp_path))
    report = tmp_path / "report.json"
    options = ["--case", "pull-0001", "--case", "decompose-0003", "--json", str(report)]
    assert main(["run", *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"     1 skipped: {NO_REGISTRY}" in lines
    assert lines[-1].split() == ["total", "1", "passed", "0", "failed", "1", "skipped"]
    document = json.loads(report.read_text())
    assert document["totals"] == {"passed": 1, "failed": 0, "expected": 0, "skipped": 1}
    cases = {case["id"]: (case["verdict"], case["reason"]) for case in document["cases"]}
    assert cases["pull-0001"] == ("skipped", NO_REGISTRY)
    assert main(["run", "--case", "pull-0001"]) == 1


def reports(command: list[str], directory: Path) -> list[Path]:
    files = [directory / name for name in ("report.json", "report.xml", "report.html")]
    clauses = directory / "clauses.json"
    clause = {"id": "NAME-001", "title": "A <clause>", "vectors": ["a-*"]}
    clauses.write_text(json.dumps({"clauses": [clause, {"id": "NAME-002"}]}))
    options = ["--json", str(files[0]), "--junit", str(files[1]), "--html", str(files[2])]
    assert main([*command, "--clauses", str(clauses), *options]) == 1
    return files


def test_json_report(command: list[str], tmp_path: Path) -> None:
    """The JSON report is valid, counts by operation and clause, and contains every case."""
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
    """The report is valid XML for any characters, and has one suite per operation."""
    root = ElementTree.parse(reports(command, tmp_path)[1]).getroot()
    assert [suite.get("name") for suite in root] == ["decompose", "pull"]
    assert [suite.get("failures") for suite in root] == ["1", "0"]
    failure = root.find("./testsuite/testcase[@name='a-2']/failure")
    assert failure is not None
    assert "<wanted>" in (failure.text or "")


def test_html_report(command: list[str], tmp_path: Path) -> None:
    """The page is self-contained, escapes all values, and has each failure in full."""
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


def test_compare_writes_one_column_per_report(command: list[str], tmp_path: Path) -> None:
    """A file that is not a report is wrong usage."""
    report = reports(command, tmp_path)[0]
    other = tmp_path / "other.json"
    other.write_text(report.read_text().replace("half", "other"))
    page = tmp_path / "both.html"
    assert main(["compare", str(report), str(other), "--html", str(page)]) == 0
    for part in ("half", "other"):
        assert f"<th>&lt;i&gt;{part}&lt;/i&gt; 2</th>" in page.read_text()
    assert main(["compare", str(page), "--html", str(page)]) == 2


def test_list_prints_every_case(capsys: Any) -> None:
    """One line per case: id, operation and purpose."""
    assert main(["list", "--vectors", str(VECTORS)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "pull-0001\tpull\tshort name found in the first registry" in lines


def test_fixtures_creates_a_tree_that_a_run_accepts(tmp_path: Path, command: list[str]) -> None:
    """An existing directory is wrong usage; a run accepts the tree or the generator's directory."""
    tree = tmp_path / "Fixtures"
    assert main(["fixtures", str(tree)]) == 0
    assert (tree / "cwd" / "layer.tar").is_file()
    assert main(["fixtures", str(tree)]) == 2
    assert main([*command, "--fixtures", str(tree), "--case", "a-1"]) == 0
    assert main([*command, "--fixtures", str(SPEC / "fixtures"), "--case", "a-1"]) == 0


def test_the_suite_imports_nothing_else_of_towline() -> None:
    """Only the built-in driver does, and no other module imports the driver."""
    directory = Path(command_module.__file__).parent
    for file in directory.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                own = name.split(".")[0] == "towline"
                assert not own or name.startswith("towline.conformance."), (file, name)
                assert not name.startswith("towline.conformance.driver"), (file, name)
