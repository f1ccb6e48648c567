"""The ways into the project say what is so: the Makefile, the locks, the README's commands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OWN_CODE = [
    path
    for folder in ("benchmarks", "python", "tests")
    for path in sorted((ROOT / folder).rglob("*.py*"))
    if path.suffix in (".py", ".pyi")
]


def requirements(name: str) -> list[str]:
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith(("#", "-"))]


def locked(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / name).read_text()
    return dict(re.findall(r"(?m)^([a-z0-9.-]+)==(\S+)", text))


def test_the_readme_names_the_two_first_commands() -> None:
    """The README says how to build and pull, and how to run every test."""
    readme = (ROOT / "README.md").read_text()
    assert "make hello" in readme
    assert "make test" in readme


def test_every_target_that_people_use_is_in_the_help() -> None:
    """Each phony target of the Makefile carries the text that `make help` shows."""
    makefile = (ROOT / "Makefile").read_text()
    phony = set(re.findall(r"(?m)^\.PHONY: (\S+)", makefile)) - {"missing-extension"}
    assert phony == set(re.findall(r"(?m)^([a-z-]+):.*## \S", makefile))


def test_the_extension_is_built_by_what_the_project_asks_for() -> None:
    """The build requirement that is locked has the bounds that pyproject.toml states."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert requirements("build.in") == project["build-system"]["requires"]


@pytest.mark.parametrize("lock", ["build.txt", "dev.txt"])
def test_every_locked_requirement_has_hashes(lock: str) -> None:
    """No requirement can be installed that is not the one that was locked."""
    blocks = re.split(r"(?m)^(?=[a-z])", (ROOT / "requirements" / lock).read_text())
    unsure = [block.split()[0] for block in blocks if block[:1].isalpha() and "--hash" not in block]
    assert not unsure


def test_the_locks_hold_everything_that_is_asked_for() -> None:
    """Run-time, build and development requirements are all locked, at one version each."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *requirements("build.in"), *requirements("dev.in")]
    names = {re.split(r"[\[<>=~!;]", line)[0].strip() for line in asked}
    build, dev = locked("build.txt"), locked("dev.txt")
    assert names <= dev.keys()
    assert build.items() <= dev.items()


def test_only_one_door_leaves_tests_out() -> None:
    """No test skips or expects to fail by itself: `tests/support/tools.py` decides for all."""
    door = ROOT / "tests" / "support" / "tools.py"
    words = re.compile(r"pytest\.(skip|xfail|importorskip|mark\.(skip|skipif|xfail))\b(?!\.Exc)")
    others = [path for path in OWN_CODE if path not in (door, Path(__file__))]
    assert [path for path in others if words.search(path.read_text())] == []


def test_no_check_is_switched_off() -> None:
    """No line of ours is exempt from ruff or mypy, unless it says of which rule, and why."""
    words = re.compile(r"#\s*(type:\s*ignore|noqa(?!: [A-Z]+\d+ - \w))")
    others = [path for path in OWN_CODE if path != Path(__file__)]
    assert [path for path in others if words.search(path.read_text())] == []
