"""The fixture tree and the servers of the suite."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import sys
import tempfile
import urllib.request
from pathlib import Path

import pytest

from tests.support import tools
from towline.conformance.fixtures import (
    FIXTURES,
    FixturesError,
    fixture_root,
    generate,
    is_tree,
    script,
    work_directory,
)
from towline.conformance.servers import (
    NAMES,
    NO_REGISTRY,
    ServerFiles,
    ServersError,
    missing_servers,
    needed_servers,
    serving,
)

#: Files whose bytes depend on the compressors of the host.
VARYING = re.compile(r"\.(bz2|xz)$")


def tree_of(root: Path) -> dict[str, str]:
    """Every path below the root, with its link target, digest or kind."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            varies = VARYING.search(name)
            found[name] = "varies" if varies else hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[name] = "folder"
    return found


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated tree."""
    return generate(None, tmp_path_factory.mktemp("fixtures") / "root")


def test_the_tree_is_as_recorded(tree: Path) -> None:
    """The vectors depend on these bytes, so the generator must not change them."""
    listing = json.dumps(tree_of(tree), sort_keys=True).encode()
    assert (
        hashlib.sha256(listing).hexdigest()
        == (Path(__file__).parent / "fixtures.sha256").read_text().strip()
    )


def test_two_trees_are_equal(tree: Path, tmp_path: Path) -> None:
    """The tree does not depend on the time or the path of its generation."""
    assert tree_of(generate(None, tmp_path / "again")) == tree_of(tree)


def test_the_root_can_be_part_of_a_name(tree: Path) -> None:
    """A tree at an unusable path is copied, links as links; a usable path is used in place."""
    with work_directory() as work:
        assert re.fullmatch(r"(/[a-z0-9]+([._-][a-z0-9]+)*)+", str(work))
        odd = work / "Odd"
        tree.rename(odd)
        copied = fixture_root(odd, work)
        odd.rename(tree)
        assert copied == work / "root"
        assert (copied / "misc" / "dangling").is_symlink()
        assert fixture_root(copied, work) == copied


@pytest.mark.parametrize("parent", ["Upper Case", "/proc"])
def test_an_unusable_temporary_directory_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parent: str
) -> None:
    """A path that cannot be part of a name, or in which nothing can be created."""
    (tmp_path / "Upper Case").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / parent))
    with work_directory() as work:
        assert work.parent in (Path("/tmp"), Path("/var/tmp"))
    assert not work.exists()


def test_the_generator_does_not_depend_on_variables_for_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scripts find their modules, and leave no bytecode next to them."""
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    program = tmp_path / "scripts" / "make_fixtures.py"
    program.parent.mkdir()
    program.write_text(
        "import json, pathlib, sys, near\n"
        "root = pathlib.Path(sys.argv[1])\n"
        "for name in ('cwd', 'registry'):\n"
        "    (root / name).mkdir(parents=True)\n"
        "(root / 'registry' / 'content.json').write_text('{}')\n"
    )
    (program.parent / "near.py").touch()
    assert is_tree(generate(program.parent, tmp_path / "tree"))
    assert sorted(file.name for file in program.parent.iterdir()) == ["make_fixtures.py", "near.py"]


def test_a_directory_with_a_generator_is_accepted(tmp_path: Path) -> None:
    """The generator in the given directory is used, otherwise that of the suite."""
    assert not is_tree(FIXTURES)
    assert is_tree(fixture_root(FIXTURES, tmp_path))
    own = tmp_path / "make_fixtures.py"
    own.write_text("import sys; sys.exit('out of order')")
    with pytest.raises(FixturesError, match="out of order"):
        fixture_root(tmp_path, tmp_path / "work")
    assert script("make_fixtures.py", tmp_path / "below") == own
    assert script("seed_registries.py", tmp_path) == FIXTURES / "seed_registries.py"
    with pytest.raises(FixturesError, match="neither in the --fixtures directory"):
        script("no_such_script.py", tmp_path)


def test_only_needed_servers_are_started(tree: Path, tmp_path: Path) -> None:
    """A running server is used as it is; REGDOWN refuses connections."""
    with serving(
        {"REGDOWN", "REG1"}, ServerFiles(tree, None, tmp_path), {"REG1": "h:1"}
    ) as servers:
        assert servers.keys() == {"REGDOWN", "REG1"}
        assert servers["REG1"] == "h:1"
        host, _, port = servers["REGDOWN"].partition(":")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)), 10).close()
    assert list(tmp_path.iterdir()) == []


def test_the_servers_have_the_content_of_the_vectors(tree: Path, tmp_path: Path) -> None:
    """The two registries have different content, and all servers have different ports."""
    tools.require("docker-registry")
    with serving(NAMES, ServerFiles(tree, None, tmp_path), {}) as servers:
        assert servers.keys() == set(NAMES)
        catalogues = {name: names_in(servers[name]) for name in ("REG1", "REG2")}
        ports = [int(host.rpartition(":")[2]) for host in servers.values()]
    assert "multi" in catalogues["REG1"]
    assert catalogues["REG2"] == ["both", "labelled", "labelled2", "library/lib", "second"]
    assert len(set(ports)) == len(NAMES)


def names_in(host: str) -> list[str]:
    with urllib.request.urlopen(f"http://{host}/v2/_catalog", timeout=30) as response:
        return list(json.load(response)["repositories"])


def test_a_missing_server_program_is_reported(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the missing program."""
    monkeypatch.setattr("towline.conformance.servers._SEARCH", str(tmp_path))
    files = ServerFiles(tree, None, tmp_path)
    with pytest.raises(ServersError) as failed, serving({"REG1"}, files, {}):
        pass
    assert str(failed.value) == NO_REGISTRY


@pytest.mark.parametrize(
    ("program", "version", "missing"),
    [
        ("docker-registry", "docker-registry github.com/docker/distribution 2.8.2+ds1", set()),
        ("registry", "registry github.com/docker/distribution v2.8.3", set()),
        # Its texts differ from the recorded ones.
        ("registry", "registry github.com/distribution/distribution/v3 v3.0.0", {"REG2"}),
        ("registry", "another program", {"REG2"}),
        ("nothing", "", {"REG2"}),
    ],
)
def test_a_registry_is_missing_without_distribution_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, version: str, missing: set[str]
) -> None:
    """A running registry is not missing, and the other servers need no program."""
    monkeypatch.setattr("towline.conformance.servers._SEARCH", str(tmp_path))
    (tmp_path / program).write_text(f"#!{sys.executable}\nprint({version!r})\n")
    (tmp_path / program).chmod(0o755)
    assert missing_servers(NAMES, {"REG1": "127.0.0.1:1"}) == missing
    assert missing_servers({"FAKE", "REGDOWN"}, {}) == set()


def test_a_port_in_a_case_means_its_server() -> None:
    """Other tokens, such as ``ROOT``, are no servers."""
    assert needed_servers({"REG2PORT", "FAKE", "ROOT"}) == {"REG2", "FAKE"}
