"""Other tools write to the layout at the same time, and take no lock."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.store_images import Made, blob_path, make, put
from towline.cancel import CancelToken
from towline.errors import PullCancelledError, StoreError
from towline.image.oci_layout import REF_NAME
from towline.name.digest import parse_digest
from towline.store.layout import files, oci_index
from towline.store.layout.oci_index import OciIndex
from towline.store.layout.store import LayoutStore, open_store

pytestmark = pytest.mark.clause("STORE-015")

THEIRS = make(b"theirs", names=["theirs"])


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    """A store with one image."""
    opened = open_store(tmp_path / "store")
    put(opened, make(b"ours", names=["localhost/ours:1"]))
    return opened


def copy_blobs(store: LayoutStore, made: Made = THEIRS) -> list[Path]:
    """Write the blobs of an image as another tool does; return their paths."""
    manifest = made.plan.manifest
    blobs = {
        str(manifest.digest): manifest.data,
        f"sha256:{made.plan.id}": made.plan.config,
        **made.blobs,
    }
    paths = []
    for digest, data in blobs.items():
        paths.append(Path(blob_path(store, parse_digest(digest))))
        paths[-1].write_bytes(data)
    return paths


def with_entry(data: bytes, made: Made = THEIRS) -> bytes:
    """An index.json to which another tool has added an image, in its own format."""
    document = json.loads(data)
    manifest = made.plan.manifest
    entry = {
        "mediaType": manifest.media_type,
        "digest": str(manifest.digest),
        "size": len(manifest.data),
        "annotations": {REF_NAME: made.plan.names[0]},
    }
    document["manifests"].append(entry)
    return json.dumps(document).encode()


def index_of(store: LayoutStore) -> Path:
    return Path(store.root, "index.json")


def names(store: LayoutStore) -> set[str]:
    """The names in index.json."""
    entries = json.loads(index_of(store).read_bytes())["manifests"]
    return {entry["annotations"][REF_NAME] for entry in entries}


@pytest.mark.parametrize("links", [True, False])
def test_a_layout_that_is_created_at_the_same_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """Its index.json is not replaced by an empty one, also without hard links."""
    theirs = b'{"schemaVersion":2,"manifests":[]}'
    prepare = files.prepare

    def preparing(*args: Any, **kwargs: Any) -> files.Prepared:
        (tmp_path / "index.json").write_bytes(theirs)
        return prepare(*args, **kwargs)

    def refuse(*args: object) -> None:
        raise PermissionError

    monkeypatch.setattr(files, "prepare", preparing)
    if not links:
        monkeypatch.setattr(os, "link", refuse)
    store = open_store(tmp_path)
    assert (tmp_path / "index.json").read_bytes() == theirs
    assert store.images() == ()


def add_before_the_rename(
    store: LayoutStore, monkeypatch: pytest.MonkeyPatch, made: Made = THEIRS
) -> list[bool]:
    """Add an entry when towline compares index.json before it is replaced or blobs are removed.

    Returns:
        A list that is empty as long as the entry was not added.
    """
    changed_since = OciIndex.changed_since
    added: list[bool] = []

    def adding(self: OciIndex, base: bytes | None) -> bool:
        if not added:
            added.append(True)
            path = index_of(store)
            path.write_bytes(with_entry(path.read_bytes(), made))
        return changed_since(self, base)

    monkeypatch.setattr(OciIndex, "changed_since", adding)
    return added


def in_a_week(monkeypatch: pytest.MonkeyPatch) -> None:
    """All files are old."""
    later = time.time() + 7 * 24 * 3600
    monkeypatch.setattr(time, "time", lambda: later)


def test_an_index_that_is_being_written_is_not_damaged(
    store: LayoutStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pull waits until the other tool has written the rest."""
    copy_blobs(store)
    path = index_of(store)
    data = with_entry(path.read_bytes())
    path.write_bytes(data[: len(data) // 2])
    waits: list[float] = []

    def finish(self: CancelToken, seconds: float) -> None:
        waits.append(seconds)
        path.write_bytes(data)

    monkeypatch.setattr(CancelToken, "wait", finish)
    monkeypatch.setattr(oci_index, "is_settled", lambda found: False)
    put(store, make(b"more", names=["localhost/more:1"]))
    assert len(waits) == 1
    assert names(store) == {"localhost/ours:1", "localhost/more:1", "theirs"}
    assert not Path(store.root, "towline/index.damaged.json").exists()


def test_an_index_that_is_written_without_end_fails_the_pull(
    store: LayoutStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is left to the other tool, and the images are unchanged."""
    path = index_of(store)
    path.write_bytes(b"{")
    monkeypatch.setattr(oci_index, "_LONGEST_WAIT", 0.0)
    monkeypatch.setattr(oci_index, "is_settled", lambda found: False)
    with pytest.raises(StoreError) as caught:
        put(store, make(b"more", names=["localhost/more:1"]))
    assert caught.value.code == "store.index_busy"
    assert path.read_bytes() == b"{"
    assert [image.names for image in store.images()] == [("localhost/ours:1",)]


def test_the_wait_for_another_tool_is_cancelled(
    store: LayoutStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The images are unchanged."""
    index_of(store).write_bytes(b"{")
    monkeypatch.setattr(oci_index, "is_settled", lambda found: False)
    made, token = make(b"ours", names=["localhost/more:1"]), CancelToken()

    def cancelled(self: CancelToken, seconds: float) -> None:
        self.cancel()
        self.raise_if_cancelled()

    with store.begin(made.plan, cancel=token) as ingest:
        monkeypatch.setattr(CancelToken, "wait", cancelled)
        with pytest.raises(PullCancelledError):
            ingest.publish()
    assert [image.names for image in store.images()] == [("localhost/ours:1",)]


def test_a_pulled_name_is_taken_from_an_entry_of_that_moment(
    store: LayoutStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another tool adds an entry with the name of the pull just before the rename."""
    theirs = make(b"theirs", names=["localhost/more:1"])
    copy_blobs(store, theirs)
    added = add_before_the_rename(store, monkeypatch, theirs)
    made = make(b"more", names=["localhost/more:1"])
    put(store, made)
    assert added
    entries = json.loads(index_of(store).read_bytes())["manifests"]
    found = [
        each["digest"] for each in entries if each["annotations"][REF_NAME] == made.plan.names[0]
    ]
    assert found == [str(made.plan.manifest.digest)]
    assert store.verify().clean


@pytest.mark.parametrize("operation", ["pull", "remove", "rebuild"])
def test_an_entry_that_is_added_before_the_rename_is_kept(
    store: LayoutStore, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    """The file is compared just before it is replaced."""
    copy_blobs(store)
    added = add_before_the_rename(store, monkeypatch)
    if operation == "pull":
        put(store, make(b"more", names=["localhost/more:1"]))
    elif operation == "remove":
        store.remove("localhost/ours:1")
    else:
        Path(store.root, "towline/unfinished").touch()
        open_store(store.root)
    assert added
    assert "theirs" in names(store)
    assert store.verify().clean


def test_an_entry_that_is_added_during_gc_keeps_its_blobs(
    store: LayoutStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index is read again before the first blob is removed."""
    paths = copy_blobs(store)
    added = add_before_the_rename(store, monkeypatch)
    assert store.gc().blobs == 0
    assert added
    assert all(path.exists() for path in paths)


def test_gc_keeps_the_young_blobs_of_an_unfinished_copy(store: LayoutStore) -> None:
    """Where other tools have entries; old ones, and those that towline stored, are removed."""
    first = make(b"first", names=["first"])
    copy_blobs(store, first)
    path = index_of(store)
    path.write_bytes(with_entry(path.read_bytes(), first))
    paths = copy_blobs(store)
    put(store, make(b"dropped", names=["localhost/dropped:1"]))
    store.remove("localhost/dropped:1")
    collected = store.gc()
    assert (collected.blobs, collected.kept_blobs) == (3, 3)
    assert all(path.exists() for path in paths)


@pytest.mark.parametrize("seconds", [-10_000_000, 10_000], ids=["future", "old"])
def test_gc_removes_blobs_with_odd_times(
    store: LayoutStore, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """An old copy was given up, and a time in the future is no reason to keep a blob forever."""
    path = index_of(store)
    path.write_bytes(with_entry(path.read_bytes(), make(b"first", names=["first"])))
    copy_blobs(store)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + seconds)
    assert store.gc().blobs == 3


def damage(store: LayoutStore, data: bytes) -> None:
    """Leave an index.json that cannot be parsed, some time ago, and have it rebuilt."""
    path = index_of(store)
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(oci_index, "is_settled", lambda found: True)
        put(store, make(b"more", names=["localhost/more:1"]))


def test_gc_keeps_what_a_damaged_index_reaches(
    store: LayoutStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entries of other tools are unknown; but images that the store removed are collected."""
    paths = copy_blobs(store)
    ours = store.image("localhost/ours:1")
    own = index_of(store).read_bytes()
    theirs = json.dumps(json.loads(with_entry(own))["manifests"][-1]).encode()
    damage(store, own.replace(b"\n]}\n", b",\n" + theirs))
    store.remove(ours.id)
    collected = store.gc()
    assert (collected.blobs, collected.kept_blobs) == (3, 0)
    assert collected.damaged_indexes == (f"{store.root}/towline/index.damaged.json",)
    assert all(path.exists() for path in paths)
    Path(store.root, "towline/index.damaged.json").unlink()
    in_a_week(monkeypatch)
    assert store.gc().blobs == 3


def test_each_damaged_index_is_kept(store: LayoutStore) -> None:
    """A second one, such as an empty file, does not replace the first."""
    paths = copy_blobs(store)
    whole = with_entry(index_of(store).read_bytes())
    damage(store, whole[:-2])
    damage(store, b"")
    damage(store, whole[:-2])
    kept = sorted(path.name for path in Path(store.root, "towline").glob("index.damaged*"))
    assert kept == ["index.damaged-2.json", "index.damaged.json"]
    store.gc()
    assert all(path.exists() for path in paths)


@pytest.mark.parametrize("kind", ["missing", "link"])
def test_gc_without_an_index_keeps_what_it_has_not_hashed(
    store: LayoutStore, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Another tool may be about to replace the file."""
    paths = copy_blobs(store)
    path = index_of(store)
    path.unlink()
    if kind == "link":
        path.symlink_to("nowhere")
    in_a_week(monkeypatch)
    collected = store.gc()
    assert (collected.blobs, collected.kept_blobs) == (0, 3)
    assert all(each.exists() for each in paths)
