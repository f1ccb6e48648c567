"""The pages in docs/ are current."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import towline

DOCS = Path(__file__).parents[2] / "docs"


def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_api", DOCS / "build_api.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_the_api_is_current() -> None:
    """It lists every public name once, with the first line of its docstring."""
    build = builder()
    listed = [name for names in build.GROUPS.values() for name in names]
    assert sorted([*listed, "__version__"]) == towline.__all__
    assert all(build.summary(name) for name in listed)
    assert (DOCS / "api.md").read_text() == build.page(), "run: python docs/build_api.py"
