"""The suite in an installed wheel, without the checkout."""

from __future__ import annotations

import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.support.distribution import Distribution, Installed, built_once, install
from tests.support.recorded_cases import ALL
from towline.conformance.fixtures import SPEC

# If `rust/target` is not up to date, the extension is compiled.
pytestmark = pytest.mark.timeout(600)

DATA = "towline/conformance/spec/"
LARGEST = 3_000_000  # bytes
#: Operations that take little time and use the fixtures.
OPERATIONS = ("decompose", "find_registry", "get_image_digest")


@pytest.fixture(scope="module")
def distribution(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Distribution:
    """The wheel and the sdist, built once for all processes of the run."""
    run = tmp_path_factory.getbasetemp()
    shared = run if worker_id == "master" else run.parent
    return built_once(shared / "distribution")


@pytest.fixture(scope="module")
def installed(distribution: Distribution, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel in an environment with a space and upper case in its path.

    The programs run in a directory with a module that must not be imported.
    """
    directory = tmp_path_factory.mktemp("elsewhere")
    install(distribution.wheel, directory / "The Environment")
    (directory / "towline").mkdir()
    (directory / "towline" / "__init__.py").write_text("raise SystemExit('the wrong towline')\n")
    return Installed(directory / "The Environment", directory)


def published() -> dict[str, bytes]:
    """The files of ``spec/`` that are published, with their content."""
    files = [SPEC / "clauses.json", SPEC / "driver.md", SPEC / "drivers" / "towline.expected"]
    files += [SPEC / "fixtures" / "FIXTURES.md", *(SPEC / "fixtures").rglob("*.py")]
    files += [SPEC / "vectors" / "README.md", *(SPEC / "vectors").rglob("*.json")]
    files += (SPEC / "schemas").glob("*.json")
    return {str(file.relative_to(SPEC)): file.read_bytes() for file in files}


def test_the_wheel_has_the_vectors_and_the_fixtures(distribution: Distribution) -> None:
    """They are those of ``spec/`` byte for byte; nothing else of it is in the wheel."""
    with zipfile.ZipFile(distribution.wheel) as wheel:
        names = wheel.namelist()
        found = {name: wheel.read(name) for name in names if name.startswith(DATA)}
    assert found == {DATA + name: content for name, content in published().items()}
    assert [name for name in names if "__pycache__" in name or name.endswith(".pyc")] == []
    assert distribution.wheel.stat().st_size < LARGEST


def test_the_sdist_has_the_same_data(distribution: Distribution) -> None:
    """A wheel that is built from the sdist has the suite too."""
    found = {}
    with tarfile.open(distribution.sdist) as sdist:
        for member in sdist:
            _, _, name = member.name.partition("/python/" + DATA)
            if name:
                file = sdist.extractfile(member)
                assert file is not None, f"{name} is no file"
                found[name] = file.read()
    assert found == published()


def test_every_case_is_listed(installed: Installed) -> None:
    """Without options, the commands use all vectors of the package."""
    done = installed.run("conformance", "list")
    assert done.returncode == 0, done.stderr
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == [c.id for c in ALL]


def test_towline_passes(installed: Installed) -> None:
    """The exit status is 0, clauses are counted, and nothing is written next to the data."""
    before = sorted(installed.spec.rglob("*"))
    operations = [part for name in OPERATIONS for part in ("--op", name)]
    done = installed.run("conformance", "run", *operations, "--json", "report.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"expected failures: {installed.spec}/drivers/towline.expected" in done.stdout
    report = json.loads((installed.directory / "report.json").read_text())
    wanted = [case for case in ALL if case.operation in OPERATIONS]
    assert report["totals"]["passed"] + report["totals"]["expected"] == len(wanted)
    assert report["coverage"]["judged"] > 0
    assert sorted(installed.spec.rglob("*")) == before


def test_another_driver_and_other_vectors(installed: Installed) -> None:
    """Both options take a path of the user; the fixtures and the scripts are those of the package.

    The case requires the faulty registry, and is skipped by the driver.
    """
    driver = installed.directory / "driver.sh"
    answers = [
        {"implementation": {"name": "mine"}, "ops": ["decompose", "pull"]},
        {"seq": 1, "skipped": "not today"},
        {"seq": 2, "ok": {"path": "x"}},
    ]
    lines = [f"read -r line; echo '{json.dumps(answer)}'\n" for answer in answers]
    driver.write_text("".join(["#!/bin/sh\n", *lines, "read -r line\n"]))
    driver.chmod(0o755)
    cases = [
        ("pull", {"id": "a-1", "input": {}, "expect": {"ok": {}}, "servers": ["FAKE"]}),
        ("decompose", {"id": "b-1", "input": {"name": "x"}, "expect": {"ok": {"path": "x"}}}),
    ]
    vectors = installed.directory / "vectors"
    vectors.mkdir()
    for operation, case in cases:
        document = {"schema": 1, "op": operation, "edition": "current", "cases": [case]}
        (vectors / f"{case['id']}.json").write_text(json.dumps(document))
    done = installed.run("conformance", "run", "--vectors", "vectors", "--driver", "./driver.sh")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 skipped: not today" in done.stdout
    assert done.stdout.splitlines()[-1].split()[:2] == ["total", "1"]


def test_the_other_commands(installed: Installed, tmp_path: Path) -> None:
    """`fixtures` makes the tree, and `compare` finds the clauses."""
    tree, report, page = tmp_path / "tree", tmp_path / "report.json", tmp_path / "page.html"
    done = installed.run("conformance", "fixtures", tree)
    assert done.returncode == 0, done.stderr
    run = ("conformance", "run", "--fixtures", tree, "--op", "find_registry", "--json", report)
    assert installed.run(*run).returncode == 0
    done = installed.run("conformance", "compare", report, report, "--html", page)
    assert done.returncode == 0, done.stderr
    assert "CONF-" in page.read_text()
