"""The package: exports, module sizes, loaded modules, dependencies."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import towline
from tests.support.source_tree import PACKAGE, Module, modules

MOST_LINES = 400
MOST_MODULES = 12  # directly in towline
REPOSITORY = Path(__file__).parents[2]
LOADED = Path(__file__).with_name("loaded_modules.json")


def test_the_public_names() -> None:
    """``towline.__all__`` is sorted, and every name in it exists."""
    assert list(towline.__all__) == sorted(towline.__all__)
    assert all(hasattr(towline, name) for name in towline.__all__)


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_modules_are_small(module: Module) -> None:
    """A module has at most 400 lines."""
    assert len(module.path.read_text().splitlines()) <= MOST_LINES


def test_few_modules_are_directly_in_the_package() -> None:
    """At most 12; all other modules are in packages."""
    assert len([module for module in modules() if module.path.parent == PACKAGE]) <= MOST_MODULES


def test_importing_towline_loads_the_listed_modules() -> None:
    """`import towline` loads the listed modules of towline and no heavy module.

    HTTP, the command line and progress bars are imported when they are used.
    """
    code = "import json, sys, towline; print(json.dumps(sorted(sys.modules)))"
    found = json.loads(subprocess.check_output([sys.executable, "-I", "-c", code]))
    cores = ("towline.core._native", "towline.core.twin")  # TOWLINE_CORE selects one
    ours = [n for n in found if n.split(".")[0] == "towline" and not n.startswith(cores)]
    assert ours == json.loads(LOADED.read_text())
    others = {name.split(".")[0].lstrip("_") for name in found} - {"towline"}
    heavy = {"urllib3", "click", "rich", "hypothesis", "asyncio", "ssl", "http", "email"}
    assert not others & heavy


def test_every_dependency_has_its_reason() -> None:
    """Each dependency is listed in CONTRIBUTING.md."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    crate = tomllib.loads((REPOSITORY / "rust/Cargo.toml").read_text())
    reasons = (REPOSITORY / "CONTRIBUTING.md").read_text()
    names = [text.split(">")[0].split("<")[0] for text in project["dependencies"]]
    for name in [*names, *crate["dependencies"]]:
        assert name in reasons, name
