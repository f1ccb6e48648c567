"""The package: exports, module sizes, loaded modules, dependencies."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import towline
from tests.support.docker_images import DIGEST, MANIFEST, SCHEMA2, Registry
from tests.support.scripted_server import Connection, Request, scripted
from tests.support.source_tree import PACKAGE, Module, modules
from towline import core
from towline.transport import TRANSPORTS, transport_named

MOST_LINES = 400
MOST_MODULES = 12  # directly in towline
REPOSITORY = Path(__file__).parents[2]
MODULE_OF: dict[str, str] = vars(towline)["_MODULE_OF"]
LOADED = Path(__file__).with_name("loaded_modules.json")


def test_the_public_names() -> None:
    """They are those that the stub types; each exists, and ``dir`` shows no other."""
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text())
    listed = next(
        ast.literal_eval(node.value)
        for node in stub.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    typed = {
        (node.module, alias.name)
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert towline.__all__ == listed == sorted(listed) == dir(towline)
    given = {(f"towline.{module}", name) for name, module in MODULE_OF.items()}
    assert given == typed
    assert all(hasattr(towline, name) for name in towline.__all__)
    with pytest.raises(AttributeError):
        vars(towline)["__getattr__"]("nothing")


def annotations_of(definition: ast.stmt) -> Iterator[ast.expr]:
    """The annotations of a public function, or of the public attributes and methods of a class."""
    if isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef):
        arguments = definition.args
        for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            if each.annotation is not None:
                yield each.annotation
        if definition.returns is not None:
            yield definition.returns
    if isinstance(definition, ast.AnnAssign):
        yield definition.annotation
    if isinstance(definition, ast.ClassDef):
        for member in definition.body:
            target = getattr(member, "target", None)
            name = getattr(member, "name", getattr(target, "id", ""))
            if name == "__init__" or not name.startswith("_"):
                yield from annotations_of(member)


def test_every_type_in_a_public_signature_is_public() -> None:
    """A caller can import each name of towline that a signature or an attribute mentions."""
    missing, unseen = set(), []
    # The tables of a wording are not for callers, who only pass it to `TowlineError.render`.
    for name, module in MODULE_OF.items() - {("Wording", "wording")}:
        tree = ast.parse((PACKAGE / Path(*module.split("."))).with_suffix(".py").read_text())
        imported = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("towline")
            for alias in node.names
        }
        own = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
        found = [node for node in tree.body if getattr(node, "name", "") == name]
        if not found:
            unseen.append(name)
        for annotation in (each for node in found for each in annotations_of(node)):
            used = {n.id for n in ast.walk(annotation) if isinstance(n, ast.Name)}
            missing |= {
                f"{each}, in {module}.{name}"
                for each in used & (imported | own) - set(towline.__all__)
            }
    # Aliases of types; and a function that type checkers know as that of `dataclasses`.
    assert sorted(unseen) == ["Auth", "Durability", "StrPath", "replace"]
    assert sorted(missing) == []


def test_the_version() -> None:
    """It is that of the distribution, and no module has the name of a function."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    crate = tomllib.loads((REPOSITORY / "rust/Cargo.toml").read_text())["package"]
    assert towline.__version__ == project["version"] == crate["version"]
    assert not set(towline.__all__) & {path.stem for path in PACKAGE.iterdir()} - {"__init__"}


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_modules_are_small(module: Module) -> None:
    """A module has at most 400 lines."""
    assert len(module.path.read_text().splitlines()) <= MOST_LINES


def test_few_modules_are_directly_in_the_package() -> None:
    """At most 12; all other modules are in packages."""
    assert len([module for module in modules() if module.path.parent == PACKAGE]) <= MOST_MODULES


def loaded(code: str) -> list[str]:
    """The modules that are loaded after a program."""
    code += "\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    printed = subprocess.check_output([sys.executable, "-I", "-c", code])
    modules: list[str] = json.loads(printed.splitlines()[-1])
    # TOWLINE_CORE selects one; only the twin needs the formats of compression at once.
    cores = ("towline.core._native", "towline.core.twin", "towline.core.compression")
    return [name for name in modules if not name.startswith(cores)]


def of_towline(found: Sequence[str]) -> list[str]:
    """The modules of towline."""
    return [name for name in found if name.split(".")[0] == "towline"]


def test_importing_towline_loads_nothing_else() -> None:
    """The public names are imported when they are used."""
    assert [name for name in loaded("import towline") if name.startswith("towline")] == ["towline"]
    assert len(loaded("import towline")) - len(loaded("")) < 20


def test_resolving_a_full_name_loads_the_listed_modules(tmp_path: Path) -> None:
    """It loads no module for sources, stores, HTTP, the command line or progress bars."""
    found = loaded(f"import towline; towline.resolve('a.example/x', {str(tmp_path / 'none')!r})")
    assert of_towline(found) == json.loads(LOADED.read_text())["resolve"]
    others = {name.split(".")[0].lstrip("_") for name in found} - {"towline"}
    heavy = {"urllib3", "click", "rich", "hypothesis", "asyncio", "ssl", "http", "email", "logging"}
    if core.NAME == "native":  # the twin imports sockets and dataclasses
        heavy |= {"concurrent", "dataclasses", "inspect", "socket", "subprocess", "tempfile"}
        heavy |= {"tomllib"}
    assert not others & heavy


def test_a_repeated_pull_loads_the_listed_modules(tmp_path: Path) -> None:
    """By command line, from a registry: none for blobs, tokens, archives, bars or dataclasses."""

    def announced(request: Request, connection: Connection) -> None:
        body = b"" if request.method == "HEAD" else MANIFEST
        connection.reply(200, body, Content_Type=SCHEMA2, Docker_Content_Digest=DIGEST)

    with scripted(Registry({"/v2/r/manifests/latest": announced})) as server:
        flags = [
            "pull",
            "--quiet",
            "--tls-verify=false",
            "--root",
            str(tmp_path),
            f"{server.host}/r",
        ]
        code = f"""
import sys
from towline.cli import main
sys.argv = ["towline", *{flags!r}]
try:
    main()
except SystemExit as end:
    assert not end.code
"""
        loaded(code)
        found = loaded(code)
    assert [each.method for each in server.requests][-1] == "HEAD"
    assert of_towline(found) == json.loads(LOADED.read_text())["repeated pull"]
    heavy = {"rich", "asyncio", "subprocess"}
    if core.NAME == "native":
        heavy |= {"concurrent.futures", "dataclasses"}
    assert not set(found) & heavy


def test_every_dependency_has_its_reason() -> None:
    """Each dependency is listed in CONTRIBUTING.md."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    crate = tomllib.loads((REPOSITORY / "rust/Cargo.toml").read_text())
    reasons = (REPOSITORY / "CONTRIBUTING.md").read_text()
    names = [text.split(">")[0].split("<")[0] for text in project["dependencies"]]
    for name in [*names, *crate["dependencies"]]:
        assert name in reasons, name


def test_the_readme_names_the_oldest_rust() -> None:
    """The version of Cargo.toml, which the toolchain of Debian 13 has."""
    crate = tomllib.loads((REPOSITORY / "rust/Cargo.toml").read_text())["package"]
    assert crate["rust-version"] == "1.85"
    assert f"({crate['rust-version']} or newer)" in (REPOSITORY / "README.md").read_text()


def test_each_transport_is_a_module() -> None:
    """The table of names and the modules agree."""
    for name in TRANSPORTS:
        module = transport_named(name)
        assert module is not None
        assert name == module.NAME
    others = {"__init__", "facts", "reference"}
    found = {path.stem for path in (PACKAGE / "transport").glob("*.py")} - others
    assert found == {name.replace("-", "_") for name in TRANSPORTS}
    assert transport_named("unknown") is None
