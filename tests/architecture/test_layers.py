"""Each package is on one layer and imports from lower layers only; no import cycles."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

import pytest

from tests.support.source_tree import Module, modules

# From the bottom up.  A name is a package or module directly in towline; "" is towline itself.
LAYERS: list[set[str]] = [
    {"go", "frozen"},
    {"timeouts"},
    {"core", "wording"},
    {"errors", "rules"},
    {"cancel", "events", "progress", "warning_log"},
    {"name"},
    {"image"},
    {"transport"},
    {"goal"},
    {"registry"},
    {"config"},
    {"trust"},
    {"store"},
    {"source"},
    {"copying"},
    {"runtime"},
    {"api"},
    {""},
    {"conformance"},
    {"cli"},
    {"__main__"},
]
LEVELS = {name: number for number, names in enumerate(LAYERS) for name in names}

#: The modules of `rules` that every package may import: they are no settings of one package.
SHARED = {"limits", "media_types"}
#: The other modules of `rules` that a package, or a module of it, may import.
#: The longest name applies.  A package that is not listed takes plain values.
SLICES: dict[str, set[str]] = {
    "transport": {"names"},
    "goal": {"names"},
    "registry": {"registry"},
    "config": {"config"},
    "trust": {"trust"},
    "source": {"archives"},
    "source.blob_requests": {"registry"},
    "source.docker": {"registry"},
    "copying": {"copying"},
}
#: The packages that may import `Rules`, with all settings.
WHOLE = {"runtime", "api", "", "conformance", "cli"}

#: Modules that code without I/O must not import: clocks, disks and networks.
EFFECTS = {"os", "pathlib", "shutil", "socket", "subprocess", "tempfile", "time", "urllib3"}
#: Of config, the modules that read files or run programs.
READERS = {"towline.config.load", "towline.config.credential_helper"}


def top(module: str) -> str:
    """The package or module directly in towline that a module is or belongs to."""
    return module.partition(".")[2].partition(".")[0]


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_imports_come_from_lower_layers(module: Module) -> None:
    """A module imports from lower layers, or from its own package."""
    wrong = {
        name
        for name in module.imports()
        if top(name) != top(module.name) and LEVELS[top(name)] >= LEVELS[top(module.name)]
    }
    assert not wrong


def test_every_layer_has_a_package() -> None:
    """The table lists nothing that does not exist."""
    assert {top(module.name) for module in modules()} == LEVELS.keys()


def cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """The groups of modules that import each other (strongly connected components, by Tarjan)."""
    numbers: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(name: str) -> None:
        numbers[name] = lowest[name] = len(numbers)
        stack.append(name)
        for other in graph.get(name, set()):
            if other not in numbers:
                visit(other)
                lowest[name] = min(lowest[name], lowest[other])
            elif other in stack:
                lowest[name] = min(lowest[name], numbers[other])
        if lowest[name] == numbers[name]:
            at = stack.index(name)
            group = stack[at:]
            del stack[at:]
            if len(group) > 1:
                found.append(sorted(group))

    for name in graph:
        if name not in numbers:
            visit(name)
    return found


def test_cycles_are_found() -> None:
    """The check itself finds direct and indirect cycles."""
    assert cycles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert cycles({"a": {"b"}, "b": {"a"}, "c": {"a"}}) == [["a", "b"]]
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"d2"}}) == [["a", "b", "c"]]


def test_no_modules_import_each_other() -> None:
    """No import cycle, not even for types or inside a function."""
    graph = {module.name: module.imports() - {module.name} for module in modules()}
    assert cycles(graph) == []


def slices_of(module: str) -> set[str]:
    """The modules of `rules` that a module may import."""
    name = module.partition(".")[2]
    while name and name not in SLICES:
        name = name.rpartition(".")[0]
    return SHARED | SLICES.get(name, set())


def test_a_package_imports_only_its_slice_of_the_rules() -> None:
    """No module imports the settings of another package, or all of them."""
    wrong = []
    for module in modules():
        if top(module.name) not in {"rules"} | WHOLE:
            allowed = {f"towline.rules.{name}" for name in slices_of(module.name)}
            found = {name for name in module.imports() if top(name) == "rules"}
            wrong += [f"{module.name} imports {name}" for name in sorted(found - allowed)]
    assert not wrong


def test_every_slice_has_its_readers() -> None:
    """The table lists every slice, and each row has a module that imports the slice."""
    own = {name.name.rpartition(".")[2] for name in modules() if top(name.name) == "rules"}
    assert set().union(*SLICES.values()) == own - {"rules", "editions"} - SHARED
    for name, slices in SLICES.items():
        for each in slices:
            readers = [m for m in modules() if f"towline.rules.{each}" in m.imports()]
            assert any(f"{m.name}.".startswith(f"towline.{name}.") for m in readers), (name, each)


def test_only_the_driver_imports_towline() -> None:
    """Only the driver of the conformance suite imports towline; the suite itself does not."""
    driver = "towline.conformance.driver"
    for module in modules():
        if top(module.name) == "conformance" and not module.name.startswith(driver):
            outside = {name for name in module.imports() if top(name) != "conformance"}
            assert not outside, module.name


def test_deciding_does_no_input_or_output() -> None:
    """No module up to the layer of `goal` imports a module for clocks, disks or networks."""
    for module in modules():
        if LEVELS[top(module.name)] <= LEVELS["goal"] and top(module.name) not in (
            "core",
            "wording",  # os.strerror
        ):
            names = {name.split(".")[0] for name in imported(module)}
            assert not names & EFFECTS, module.name


def test_only_some_modules_of_config_have_effects() -> None:
    """Parsers of configuration take text: they open no files and start no programs."""
    for module in modules():
        if top(module.name) == "config" and module.name not in READERS:
            assert not set(effects_of(module)), module.name


def effects_of(module: Module) -> Iterator[str]:
    """The calls in a module that use files, directories or programs."""
    files = {"listdir", "lstat", "makedirs", "mkdir", "open", "readlink", "scandir", "stat"}
    paths = {"exists", "getsize", "isdir", "isfile", "islink", "lexists", "realpath"}
    methods = {
        *("exists", "glob", "is_dir", "is_file", "iterdir", "open", "read_bytes", "read_text"),
        *("rglob", "stat", "touch", "unlink", "write_bytes", "write_text"),
    }
    programs = {"shutil", "socket", "subprocess", "tempfile"}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from programs & {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            yield from programs & {node.module or ""}
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            last = name.rpartition(".")[2]
            if (
                name == "open"
                or (name.startswith("os.") and last in files | paths)
                or last in methods
            ):
                yield name


def imported(module: Module) -> set[str]:
    """Every module imported, of towline or not."""
    names: set[str] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names
