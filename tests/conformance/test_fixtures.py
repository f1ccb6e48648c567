"""The fixture tree and the servers: made alike each time, and where they can be used."""

from __future__ import annotations

import hashlib
import json
import re
import socket
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
    workplace,
)
from towline.conformance.servers import NAMES, ServerFiles, ServersError, serving

#: Their bytes come from the compressors of the machine.
VARYING = re.compile(r"\.(bz2|xz)$")


def tree_of(root: Path) -> dict[str, str]:
    """Every path below the root, and what is there."""
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
    """The vectors speak of these bytes: whoever changes the generator must not change them."""
    told = json.dumps(tree_of(tree), sort_keys=True).encode()
    assert (
        hashlib.sha256(told).hexdigest()
        == (Path(__file__).parent / "fixtures.sha256").read_text().strip()
    )


def test_two_trees_are_alike(tree: Path, tmp_path: Path) -> None:
    """Nothing in it depends on when or where it was made."""
    assert tree_of(generate(None, tmp_path / "again")) == tree_of(tree)


def test_the_root_can_be_part_of_a_name(tree: Path) -> None:
    """A path that cannot is copied to one that can, links as links; a good one is used as it is."""
    with workplace() as work:
        assert re.fullmatch(r"(/[a-z0-9]+([._-][a-z0-9]+)*)+", str(work))
        odd = work / "Odd"
        tree.rename(odd)
        copied = fixture_root(odd, work)
        odd.rename(tree)
        assert copied == work / "root"
        assert (copied / "misc" / "dangling").is_symlink()
        assert fixture_root(copied, work) == copied


def test_a_folder_with_the_generator_is_as_good_as_a_tree(tmp_path: Path) -> None:
    """Recordings may come with a generator of their own."""
    assert not is_tree(FIXTURES)
    assert is_tree(fixture_root(FIXTURES, tmp_path))
    own = tmp_path / "make_fixtures.py"
    own.write_text("import sys; sys.exit('out of order')")
    with pytest.raises(FixturesError, match="out of order"):
        fixture_root(tmp_path, tmp_path / "work")
    assert script("make_fixtures.py", tmp_path / "below") == own
    assert script("seed_registries.py", tmp_path) == FIXTURES / "seed_registries.py"
    with pytest.raises(FixturesError, match="neither in the folder"):
        script("no_such_script.py", tmp_path)


def test_only_what_is_needed_is_started(tree: Path, tmp_path: Path) -> None:
    """A server that runs already is taken as it is; nothing listens where nobody should."""
    with serving(
        {"REGDOWN", "REG1"}, ServerFiles(tree, None, tmp_path), {"REG1": "h:1"}
    ) as servers:
        assert servers.keys() == {"REGDOWN", "REG1"}
        assert servers["REG1"] == "h:1"
        host, _, port = servers["REGDOWN"].partition(":")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)), 10).close()
    assert list(tmp_path.iterdir()) == []


def test_the_servers_hold_what_the_vectors_speak_of(tree: Path, tmp_path: Path) -> None:
    """The two registries differ in what they have, the five fakes in how they answer a ping."""
    tools.require("docker-registry")
    with serving(NAMES, ServerFiles(tree, None, tmp_path), {}) as servers:
        assert servers.keys() == set(NAMES)
        catalogues = {name: names_in(servers[name]) for name in ("REG1", "REG2")}
        ports = [int(host.rpartition(":")[2]) for host in servers.values()]
    assert "multi" in catalogues["REG1"]
    assert catalogues["REG2"] == ["both", "labelled", "labelled2", "library/lib", "second"]
    assert len(set(ports)) == len(NAMES)


def names_in(host: str) -> list[str]:
    with urllib.request.urlopen(f"http://{host}/v2/_catalog", timeout=30) as answer:
        return list(json.load(answer)["repositories"])


def test_a_server_that_cannot_start_is_told(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence says what is missing and how to do without."""
    monkeypatch.setattr("towline.conformance.servers._SEARCH", str(tmp_path))
    places = ServerFiles(tree, None, tmp_path)
    with pytest.raises(ServersError, match="docker-registry"), serving({"REG1"}, places, {}):
        pass
