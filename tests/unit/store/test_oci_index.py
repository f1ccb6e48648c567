"""index.json, which other tools read and write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import skopeo, tools
from tests.support.store_images import blob_path, make, put
from towline.image.oci_layout import is_layout_name
from towline.store.layout.store import LayoutStore, open_store

REF_NAME = "org.opencontainers.image.ref.name"


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    return open_store(tmp_path / "store")


def index(store: LayoutStore) -> dict[str, Any]:
    """index.json as other tools read it."""
    document = json.loads(Path(store.root, "index.json").read_bytes())
    assert isinstance(document, dict)
    return document


def names(store: LayoutStore) -> dict[str, str]:
    """The digest of each name in index.json, with `""` for no name; no name occurs twice."""
    entries = index(store)["manifests"]
    found = {entry["annotations"].get(REF_NAME, ""): entry["digest"] for entry in entries}
    assert len(found) == len(entries)
    return found


def add(store: LayoutStore, *entries: dict[str, Any]) -> None:
    """Add entries as another tool does, in another format."""
    document = index(store)
    document["manifests"] += entries
    Path(store.root, "index.json").write_text(json.dumps(document, indent=4))


def test_an_empty_store_is_an_oci_layout(store: LayoutStore) -> None:
    """A new store has the layout file and an index without entries."""
    assert json.loads(Path(store.root, "oci-layout").read_bytes()) == {
        "imageLayoutVersion": "1.0.0"
    }
    assert index(store)["schemaVersion"] == 2
    assert index(store)["manifests"] == []


@pytest.mark.clause("STORE-015")
def test_every_valid_name_has_an_entry(store: LayoutStore) -> None:
    """The index has the names and their digests after every change.

    An image without a valid name has an entry without a name, so that no tool removes its blobs.
    """
    old = put(store, make(b"old", names=["localhost/a:1", "localhost/b__c:1"]))
    first, second = str(old.digest), str(make(b"new").plan.manifest.digest)
    assert names(store) == {"localhost/a:1": first}
    new = put(store, make(b"new", names=["localhost/b:1", "localhost/a:1"]))
    assert names(store) == {"": first, "localhost/a:1": second, "localhost/b:1": second}
    put(store, make(b"old", names=["localhost/c:1"]))
    assert names(store)["localhost/c:1"] == first
    assert "" not in names(store)
    store.remove("localhost/c:1")
    store.remove("localhost/a:1")
    assert names(store) == {"": first, "localhost/b:1": second}
    store.remove(new.id)
    assert names(store) == {"": first}
    store.remove(old.id)
    assert names(store) == {}


@pytest.mark.clause("TRANS-033")
@pytest.mark.parametrize(
    ("name", "legal"),
    [
        ("localhost:5000/a-b_c.d/e--f:v1.0_x", True),
        (f"localhost/a@sha256:{'0' * 64}", True),
        ("EXAMPLE.COM/a:B", True),
        ("localhost/a__b:1", False),
        ("localhost/a---b:1", False),
        ("localhost/a:_x", False),
        ("localhost/a:x.", False),
        ("localhost/a:x.-y", False),
        ("localhost/a:1\n", False),
    ],
)
def test_names_that_are_valid_in_a_layout(store: LayoutStore, name: str, legal: bool) -> None:
    """A name has groups of letters and digits, separated by one separator or two hyphens."""
    assert is_layout_name(name) is legal


@pytest.mark.clause("STORE-015")
def test_entries_of_other_tools_are_kept(store: LayoutStore) -> None:
    """Entries of other tools are kept, including unknown fields."""
    put(store, make(b"1", names=["localhost/a:1"]))
    theirs = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": f"sha256:{'0' * 64}",
        "size": 2,
        "annotations": {REF_NAME: "theirs", "x": "ü"},
        "unknown": [1, {"a": None}],
    }
    nameless = {"mediaType": "x/y", "digest": f"sha256:{'1' * 64}", "size": 3}
    add(store, theirs, nameless)
    put(store, make(b"2", names=["localhost/b:1"]))
    store.remove("a:1")
    entries = index(store)["manifests"]
    assert theirs in entries
    assert nameless in entries
    assert len(entries) == 3
    assert store.verify().clean


def test_an_entry_of_another_tool_has_precedence_until_the_name_is_pulled(
    store: LayoutStore,
) -> None:
    """The entry of the other tool hides ours; a pull of the name replaces it."""
    image = put(store, make(b"1", names=["localhost/a:1"]))
    theirs = {"mediaType": "x/y", "digest": f"sha256:{'0' * 64}", "size": 2}
    theirs_named = {**theirs, "annotations": {REF_NAME: "localhost/a:1"}}
    document = index(store)
    document["manifests"] = [theirs_named]
    Path(store.root, "index.json").write_text(json.dumps(document))
    put(store, make(b"2", names=["localhost/b:1"]))
    assert names(store)["localhost/a:1"] == theirs["digest"]
    assert store.image("a:1").id == image.id
    assert store.verify().clean
    put(store, make(b"1", names=["localhost/a:1"]))
    assert names(store)["localhost/a:1"] == str(image.digest)


@pytest.mark.clause("STORE-015", "STORE-017")
def test_gc_keeps_blobs_of_other_entries(store: LayoutStore) -> None:
    """Manifests, configs, layers and nested indexes of other tools are kept."""
    made = make(b"theirs")
    image = put(store, made)
    document = index(store)
    entry = document["manifests"][0]
    nested = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
    put(store, make(b"ours", names=["localhost/ours:1"]))
    store.remove(image.id)
    from towline.name.digest import sha256_of

    digest = sha256_of(nested)
    Path(blob_path(store, digest)).write_bytes(nested)
    add(store, {"mediaType": "x/index", "digest": str(digest), "size": len(nested)})
    assert store.gc().blobs == 0
    assert Path(blob_path(store, image.layers[0].digest)).exists()


@pytest.mark.clause("STORE-001")
def test_a_damaged_index_is_rebuilt_and_a_copy_is_kept(store: LayoutStore) -> None:
    """The records are authoritative, so the store works with an invalid index."""
    image = put(store, make(b"1", names=["localhost/a:1"]))
    Path(store.root, "index.json").write_text("not json")
    assert store.image("a:1").id == image.id
    assert [fault.code for fault in store.verify().faults] == ["store.index_damaged"]
    put(store, make(b"2", names=["localhost/b:1"]))
    assert set(names(store)) == {"localhost/a:1", "localhost/b:1"}
    assert Path(store.root, "towline/index.damaged.json").read_text() == "not json"


def test_a_layout_of_another_tool_becomes_a_store(tmp_path: Path) -> None:
    """Opening a store in an OCI layout keeps its content."""
    blobs = tmp_path / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    content = {"schemaVersion": 2, "manifests": [], "annotations": {"x": "y"}}
    (tmp_path / "index.json").write_text(json.dumps(content))
    (tmp_path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    store = open_store(tmp_path)
    put(store, make(b"x"))
    assert index(store)["annotations"] == {"x": "y"}


@pytest.mark.clause("STORE-015", "STORE-009")
def test_skopeo_finds_oci_images_by_name(store: LayoutStore) -> None:
    """`oci:ROOT:NAME` resolves to the stored manifest."""
    tools.require("skopeo")
    made = make(b"x", names=["localhost/hello:latest", "docker.io/library/b_c:v1.0"])
    image = put(store, made)
    put(store, make(b"y", names=["localhost/other:1"]))
    for name in image.names:
        location = f"oci:{store.root}:{name}"
        assert skopeo.raw_manifest(location) == made.plan.manifest.data
        assert skopeo.inspect(location)["Digest"] == str(image.digest)


@pytest.mark.clause("STORE-009")
def test_skopeo_finds_a_single_schema_2_image(store: LayoutStore) -> None:
    """A Docker manifest is found as `oci:ROOT` if the layout has one image."""
    tools.require("skopeo")
    made = make(b"x", docker=True)
    put(store, made)
    assert skopeo.raw_manifest(f"oci:{store.root}") == made.plan.manifest.data


@pytest.mark.clause("STORE-015")
def test_skopeo_can_write_to_the_store(store: LayoutStore, tmp_path: Path) -> None:
    """An image that skopeo adds is kept by pulls and gc, and our images are kept too."""
    tools.require("skopeo")
    policy = skopeo.write_policy(tmp_path / "policy.json")
    put(store, make(b"x"))
    ours, theirs = f"oci:{store.root}:localhost/hello:latest", f"oci:{store.root}:theirs"
    skopeo.copy(ours, theirs, policy=policy)
    before = skopeo.raw_manifest(theirs)
    store.remove("hello")
    put(store, make(b"y", names=["localhost/other:1"]))
    assert store.gc().blobs == 0
    skopeo.copy(theirs, f"dir:{tmp_path / 'copy'}", policy=policy)
    assert skopeo.raw_manifest(theirs) == before
    assert store.verify().clean
