"""The Makefile, the lock files and the README's commands are consistent."""

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
    """Each phony target has the text that `make help` shows, except those that others need."""
    makefile = (ROOT / "Makefile").read_text()
    phony = set(re.findall(r"(?m)^\.PHONY: (\S+)", makefile)) - {"missing-extension", "test-plan"}
    assert phony == set(re.findall(r"(?m)^([a-z-]+):.*## \S", makefile))


def test_the_build_requirements_match_pyproject() -> None:
    """build.in has the build requirements of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert requirements("build.in") == project["build-system"]["requires"]


@pytest.mark.parametrize("lock", ["build.txt", "dev.txt"])
def test_every_locked_requirement_has_hashes(lock: str) -> None:
    """A requirement without a hash could be installed from another file than the locked one."""
    blocks = re.split(r"(?m)^(?=[a-z])", (ROOT / "requirements" / lock).read_text())
    unlocked = [
        block.split()[0] for block in blocks if block[:1].isalpha() and "--hash" not in block
    ]
    assert not unlocked


def test_the_locks_contain_every_requirement() -> None:
    """Run-time, build and development requirements are all locked, at one version each."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = [*project["dependencies"], *requirements("build.in"), *requirements("dev.in")]
    names = {re.split(r"[\[<>=~!;]", line)[0].strip() for line in required}
    build, dev = locked("build.txt"), locked("dev.txt")
    assert names <= dev.keys()
    assert build.items() <= dev.items()


def test_only_one_module_skips_tests() -> None:
    """No test skips or xfails directly: only `tests/support/tools.py` skips tests."""
    skipping = ROOT / "tests" / "support" / "tools.py"
    pattern = re.compile(r"pytest\.(skip|xfail|importorskip|mark\.(skip|skipif|xfail))\b(?!\.Exc)")
    others = [path for path in OWN_CODE if path not in (skipping, Path(__file__))]
    assert [path for path in others if pattern.search(path.read_text())] == []


def test_checks_are_disabled_only_with_a_reason() -> None:
    """No line has `type: ignore`, or a `noqa` without a rule and a reason."""
    pattern = re.compile(r"#\s*(type:\s*ignore|noqa(?!: [A-Z]+\d+ - \w))")
    others = [path for path in OWN_CODE if path != Path(__file__)]
    assert [path for path in others if pattern.search(path.read_text())] == []
