"""Modules import only from floors below their own."""

from __future__ import annotations

import pytest

from tests.architecture.source_tree import Module, modules

# From the ground up.  A module stands on the floor of the longest name that fits it.
FLOORS: list[set[str]] = [
    {"towline.wording", "towline.core"},
    {"towline.errors"},
    {
        "towline.name.digest",
        "towline.go.go_json",
        "towline.cancel",
        "towline.events",
        "towline.timeouts",
    },
    {"towline.name.reference", "towline.rules", "towline.progress", "towline.image.platform"},
    {"towline.name.parts", "towline.image.descriptor", "towline.image.config"},
    {"towline.image.manifest", "towline.transport.facts"},
    {"towline.transport", "towline.image.schema1"},
    {"towline.goal", "towline.config"},
    {"towline.trust", "towline.runtime.options", "towline.store.protocol"},
    {"towline.source.protocol", "towline.source.checks"},
    {"towline.registry", "towline.store", "towline.copying.reading", "towline.copying.diff_ids"},
    {
        "towline.source",
        "towline.copying.layers",
        "towline.copying.label",
        "towline.runtime.results",
    },
    {"towline.runtime.explain", "towline.runtime.sources", "towline.runtime.registry_access"},
    {"towline.runtime.disk_facts", "towline.copying.copy_image"},
    {"towline.pull"},
    {"towline.api"},
    {"towline"},
    {"towline.conformance"},
    {"towline.cli"},
    {"towline.__main__"},
]


def floor(module: str) -> int:
    """The number of a module's floor, 0 for the ground."""
    candidates = [
        (len(name), number)
        for number, names in enumerate(FLOORS)
        for name in names
        if module == name or (module.startswith(f"{name}.") and name != "towline")
    ]
    assert candidates, f"{module} stands on no floor: give it one in {__file__}"
    return max(candidates)[1]


def room(module: str) -> str:
    """The package directly below towline that a module belongs to."""
    return ".".join(module.split(".")[:2])


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_imports_come_from_below(module: Module) -> None:
    """What a module imports stands below it, or in the same package."""
    wrong = {
        name
        for name in module.imports()
        if floor(name) >= floor(module.name) and room(name) != room(module.name)
    }
    assert not wrong


def test_only_the_driver_knows_towline() -> None:
    """The conformance suite judges towline like anyone else: only its driver imports it."""
    driver = "towline.conformance.driver"
    for module in modules():
        if room(module.name) == "towline.conformance" and not module.name.startswith(driver):
            outside = {name for name in module.imports() if room(name) != "towline.conformance"}
            assert not outside, module.name


def test_deciding_does_no_input_or_output() -> None:
    """Nothing up to the goal imports what reads a clock, a disk or a network."""
    effects = {"os", "pathlib", "socket", "subprocess", "time", "urllib3", "shutil", "tempfile"}
    for module in modules():
        if floor(module.name) <= floor("towline.goal") and room(module.name) not in (
            "towline.config",  # reads its files in places.py
            "towline.core",
            "towline.wording",  # os.strerror
        ):
            names = {name.split(".")[0] for name in imported(module)}
            assert not names & effects, module.name


def imported(module: Module) -> set[str]:
    """Every module imported, towline's or not."""
    import ast

    names: set[str] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names
