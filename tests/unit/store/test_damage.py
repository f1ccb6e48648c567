"""Damaged stores: what verify reports, what still works, and how the damage is repaired."""

from __future__ import annotations

import errno
import itertools
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.store_images import blob_path, layer, make, put, state
from towline.cancel import CancelToken
from towline.errors import PathError, PullCancelledError, StoreError
from towline.name.digest import sha256_of
from towline.store.layout.stamps import Stamps
from towline.store.layout.store import LayoutStore, open_store

SYNTAX = "{"


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    return open_store(tmp_path / "store")


def record(store: LayoutStore, image_id: str) -> Path:
    return Path(store.root, "towline/images", f"{image_id}.json")


def codes(store: LayoutStore) -> list[str]:
    """The codes of the faults that verify finds; each fault has a message and can be pickled."""
    faults = store.verify().faults
    for fault in faults:
        assert str(fault)
        assert str(pickle.loads(pickle.dumps(fault))) == str(fault)
    return sorted(fault.code for fault in faults)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 3},
        {"schema": True},
        {"extra": 1},
        {"id": "0" * 64},
        {"names": "localhost/x:1"},
        {"names": ["a"]},
        {"names": [{"name": "a", "manifest": 0}, {"name": "a", "manifest": 0}]},
        {"names": [{"name": 1, "manifest": 0}]},
        {"names": [{"name": "a", "manifest": 1}]},
        {"names": [{"name": "a", "manifest": -1}]},
        {"named": -1},
        {"named": True},
        {"manifests": []},
        {"manifests": [{}]},
        {"lists": [{"digest": "sha256:../../x", "manifest": 0}]},
        {"schema": 1, "names": [], "manifests": []},
    ],
)
def test_records_are_parsed_strictly(store: LayoutStore, change: dict[str, object]) -> None:
    """A record that differs from the schema is reported as damaged."""
    image = put(store, make(b"x"))
    path = record(store, image.id)
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **change}))
    with pytest.raises(StoreError) as caught:
        store.image(image.id)
    assert caught.value.code == "store.record_damaged"


def test_a_damaged_record_does_not_affect_other_images(store: LayoutStore) -> None:
    """Other images are listed; verify and a lookup of the image report the damage."""
    bad = put(store, make(b"bad", names=["localhost/bad:1"]))
    good = put(store, make(b"good"))
    record(store, bad.id).write_text(SYNTAX)
    assert [image.id for image in store.images()] == [good.id]
    assert "store.record_damaged" in codes(store)
    with pytest.raises(StoreError) as caught:
        store.image("bad:1")
    assert caught.value.code == "store.record_damaged"
    with pytest.raises(StoreError) as caught:
        store.gc()
    assert caught.value.code == "store.record_damaged"
    put(store, make(b"another", names=["localhost/another:1"]))


@pytest.mark.parametrize("way", ["pulled", "removed", "name taken"])
def test_a_damaged_record_is_replaced_or_removed(store: LayoutStore, way: str) -> None:
    """Its image can be pulled again or removed by ID; its names can be moved to other images."""
    made = make(b"bad", names=["localhost/bad:1"])
    bad = put(store, made)
    record(store, bad.id).write_text(SYNTAX)
    if way == "pulled":
        put(store, made)
        assert store.image("bad:1").id == bad.id
    elif way == "removed":
        assert store.remove(bad.id).image
    else:
        taker = put(store, make(b"taker", names=["localhost/bad:1"]))
        assert store.image("bad:1").id == taker.id
        store.remove(bad.id)
    assert codes(store) == []
    store.gc()
    assert store.verify().clean


@pytest.mark.clause("CORE-008")
def test_damaged_and_missing_blobs_are_found(store: LayoutStore) -> None:
    """Every blob is hashed, and each fault is reported once."""
    first = put(store, make(b"1", b"shared"))
    second = put(store, make(b"2", b"shared", names=["localhost/b:1"]))
    path = Path(blob_path(store, first.layers[1].digest))
    path.write_bytes(bytes(path.stat().st_size))
    Path(blob_path(store, second.layers[0].digest)).unlink()
    assert codes(store) == ["store.blob_damaged", "store.blob_missing"]


@pytest.mark.parametrize("kind", ["pipe", "link to a device", "link to a pipe", "folder"])
def test_a_layer_that_is_no_regular_file_is_found(store: LayoutStore, kind: str) -> None:
    """It is not read, since that might never end; the other blobs are verified."""
    image = put(store, make(b"1", b"2"))
    path = Path(blob_path(store, image.layers[0].digest))
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link to a device":
        path.symlink_to("/dev/zero")
    elif kind == "link to a pipe":
        os.mkfifo(path.with_name("pipe"))
        path.symlink_to("pipe")
    else:
        path.mkdir()
    report = store.verify()
    assert [fault.code for fault in report.faults] == ["store.blob_missing"]
    assert report.diff_ids == 1


def test_a_diff_id_that_differs_is_found(store: LayoutStore) -> None:
    """Layers are decompressed and compared with the diff IDs in the config."""
    put(store, make(b"1", b"2", diff_ids=[sha256_of(b"wrong"), sha256_of(b"too")]))
    assert codes(store) == ["verify.diff_id", "verify.diff_id"]
    assert store.verify("hello").diff_ids == 2


def test_another_number_of_diff_ids_is_found(store: LayoutStore) -> None:
    """The layers cannot be compared then; the config of an artifact has none."""
    put(store, make(b"1", diff_ids=[layer(b"1")[1], layer(b"1")[1]]))
    put(store, make(b"2", names=["localhost/artifact:1"], config=b"{}"))
    assert codes(store) == ["store.diff_id_count"]


def test_verify_counts_images_blobs_and_bytes(store: LayoutStore) -> None:
    """The report has the numbers of images, blobs (each once), bytes and decompressed layers."""
    first, second = make(b"1", b"shared"), make(b"2", b"shared", names=["localhost/b:1"])
    put(store, first)
    put(store, second)
    report = store.verify()
    assert (report.images, report.blobs, report.diff_ids) == (2, 7, 3)
    blobs = {**first.blobs, **second.blobs}
    documents = [
        data for made in (first, second) for data in (made.plan.config, made.plan.manifest.data)
    ]
    assert report.bytes == sum(map(len, [*blobs.values(), *documents]))
    assert store.verify("localhost/b:1").blobs == 4


def test_verify_can_be_cancelled(store: LayoutStore) -> None:
    """The token is checked before each blob."""
    put(store, make(b"1"))
    token = CancelToken()
    token.cancel()
    with pytest.raises(PullCancelledError):
        store.verify(cancel=token)


@pytest.mark.clause("STORE-001")
def test_damaged_lookup_files_are_ignored(store: LayoutStore) -> None:
    """A lookup whose file is empty, as after a loss of power, reads the records."""
    image = put(store, make(b"x"))
    for path in Path(store.root, "towline/lookup").iterdir():
        path.write_bytes(b"")
    assert store.image("hello").id == image.id
    put(store, make(b"y"))
    assert store.image("hello").id != image.id
    assert store.image(image.id).names == ()


def test_an_unfinished_change_is_finished(store: LayoutStore) -> None:
    """If the marker exists and the lock is free, lookup files and index.json are rebuilt."""
    image = put(store, make(b"x"))
    Path(store.root, "towline/unfinished").touch()
    Path(store.root, "index.json").unlink()
    for path in Path(store.root, "towline/lookup").iterdir():
        path.unlink()
    again = open_store(store.root)
    assert again.image("hello").id == image.id
    assert not Path(store.root, "towline/unfinished").exists()
    assert again.verify().clean


@pytest.mark.clause("STORE-008")
def test_a_name_in_two_records_belongs_to_the_newer_one(store: LayoutStore) -> None:
    """After a kill between two renames the new state is read, and the change finished later."""
    old = put(store, make(b"old"))
    before = record(store, old.id).read_bytes()
    new = put(store, make(b"new"))
    record(store, old.id).write_bytes(before)
    Path(store.root, "towline/lookup").joinpath(
        sha256_of(b"localhost/hello:latest").hex
    ).write_text(json.dumps({"key": "localhost/hello:latest", "ids": [new.id, old.id]}))
    names = {image.id: image.names for image in store.images()}
    assert names == {new.id: ("localhost/hello:latest",), old.id: ()}
    assert store.image("hello").id == new.id
    Path(store.root, "towline/unfinished").touch()
    open_store(store.root).remove(new.id)
    assert {image.id: image.names for image in store.images()} == {old.id: ()}
    assert store.verify().clean


def failing_once(number: int) -> Callable[[int, bytes], int]:
    """`os.write`, of which the call with this number fails with a full disk."""
    write, calls = os.write, itertools.count(1)

    def failing_write(descriptor: int, data: bytes) -> int:
        if next(calls) == number:
            raise OSError(errno.ENOSPC, "full")
        return write(descriptor, data)

    return failing_write


@pytest.mark.clause("STORE-008", "PULL-011")
def test_a_full_disk_leaves_the_store_unchanged(
    store: LayoutStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If any write fails, images and names are unchanged: all writes precede the renames."""
    monkeypatch.setattr(Stamps, "write", lambda *_: None)  # it is no error if one cannot be written
    put(store, make(b"old"))
    made = make(b"new")
    with store.begin(made.plan) as ingest:
        sink = ingest.sink(made.plan.layers[0])
        assert sink is not None
        with sink:
            sink.writer.write(made.blobs[made.plan.layers[0].descriptor.digest_text])
            sink.commit()
        before, reasons = state(store), set()
        for failing in itertools.count(1):
            with monkeypatch.context() as patch:
                patch.setattr(os, "write", failing_once(failing))
                try:
                    ingest.publish()
                except PathError as error:
                    reasons.add(error.facts["errno"])
                else:
                    break
            assert state(store) == before
            assert store.verify().clean
            assert os.listdir(f"{store.root}/towline/tmp") == []
        assert failing > 6
        assert reasons == {errno.ENOSPC}
    assert store.image("hello").id == made.plan.id
