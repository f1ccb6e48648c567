"""Stores of version 1, whose records do not have the manifest of each name."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import towline.store.layout.repair
from tests.support.store_images import Made, layer, make, put, state
from towline.errors import StoreError
from towline.image.manifest import OCI_INDEX, RawManifest
from towline.name.digest import Digest, sha256_of
from towline.store.layout.paths import StorePaths
from towline.store.layout.records import Proof
from towline.store.layout.store import LayoutStore, open_store
from towline.store.layout.version import read_version, unrepaired

TRUSTED, ENEMY = "docker.io/library/trusted:1", "evil.example.com/x:1"
_, DIFF_ID = layer(b"trusted")
GOOD = make(b"trusted")
RECOMPRESSED = make(b"trusted", level=1)
ANNOTATED = make(b"trusted", annotation="the same blobs")
EVIL = make(b"enemy", diff_ids=[DIFF_ID])

pytestmark = pytest.mark.clause("STORE-023")


def first_version(
    root: Path, *made: Made, names: Sequence[str], listed: RawManifest | None = None
) -> LayoutStore:
    """A store of version 1 with all images in one record; index.json has the first one."""
    store = open_store(root)
    for each in made:
        put(store, each.named())
    images = root / "towline/images"
    for path in images.iterdir():
        path.unlink()
    if listed is not None:
        (root / f"blobs/sha256/{listed.digest.hex}").write_bytes(listed.data)
    record = {
        "schema": 1,
        "id": made[0].plan.id,
        "names": list(names),
        "named": 5,
        "manifests": [_entry(each) for each in made],
        "lists": [] if listed is None else [str(listed.digest)],
    }
    (images / f"{made[0].plan.id}.json").write_text(json.dumps(record))
    entries = [
        {
            "mediaType": made[0].plan.manifest.media_type,
            "digest": str(made[0].plan.manifest.digest),
            "size": len(made[0].plan.manifest.data),
            "annotations": {
                "dev.towline.image": f"{made[0].plan.id} {name}",
                "org.opencontainers.image.ref.name": name,
            },
        }
        for name in names
    ]
    lines = ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in entries)
    index = f'{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[\n{lines}\n]}}\n'
    (root / "index.json").write_text(index)
    (root / "towline/index.sha256").write_text(sha256_of(index.encode()).hex)
    (root / "towline/store.json").write_text('{"version": 1}')
    for path in (root / "towline/lookup").iterdir():
        path.unlink()
    (root / "towline/lookup").rmdir()
    _lookups(root, record)
    return open_store(root)


def _lookups(root: Path, record: dict[str, object]) -> None:
    (root / "towline/lookup").mkdir()
    manifests, names, lists = record["manifests"], record["names"], record["lists"]
    assert isinstance(manifests, list)
    assert isinstance(names, list)
    assert isinstance(lists, list)
    for key in [*names, *lists, *(entry["digest"] for entry in manifests)]:
        path = root / f"towline/lookup/{sha256_of(key.encode()).hex}"
        path.write_text(json.dumps({"key": key, "ids": [record["id"]]}))


def _entry(made: Made) -> dict[str, object]:
    return {
        "mediaType": made.plan.manifest.media_type,
        "digest": str(made.plan.manifest.digest),
        "size": len(made.plan.manifest.data),
        "config": str(sha256_of(made.plan.config)),
        "layers": [layer.descriptor.digest_text for layer in made.plan.layers],
    }


def index_names(store: LayoutStore) -> dict[str, str]:
    """The digest of each name in index.json."""
    entries = json.loads(Path(store.root, "index.json").read_bytes())["manifests"]
    names = [entry["annotations"].get("org.opencontainers.image.ref.name") for entry in entries]
    return {
        name: entry["digest"]
        for name, entry in zip(names, entries, strict=True)
        if name is not None
    }


def refusals(store: LayoutStore, *keys: str) -> set[str]:
    """The error codes of the lookups of these keys."""
    codes = set()
    for key in keys:
        with pytest.raises(StoreError) as caught:
            store.image(key)
        assert str(caught.value)
        codes.add(caught.value.code)
    return codes


def test_a_record_with_one_image_is_decided(tmp_path: Path) -> None:
    """If all manifests have the same blobs, names are certain and no layer is decompressed."""
    exact = f"docker.io/library/trusted@{ANNOTATED.plan.manifest.digest}"
    store = first_version(tmp_path / "store", GOOD, ANNOTATED, names=[exact, TRUSTED])
    assert store.image(TRUSTED).digest == GOOD.plan.manifest.digest
    assert store.image(exact).digest == ANNOTATED.plan.manifest.digest
    paths = StorePaths.below(store.root)
    assert read_version(paths) == 1
    assert store.verify().clean
    put(store, make(b"other", names=["localhost/other:1"]))
    assert read_version(paths) == 2
    assert not unrepaired(paths)
    assert store.image(exact).digest == ANNOTATED.plan.manifest.digest
    assert store.verify().clean


def test_mixed_images_are_refused_and_reported(tmp_path: Path) -> None:
    """Until a repair, every lookup of the record's names, IDs and digests is an error."""
    store = first_version(tmp_path / "store", EVIL, GOOD, names=[TRUSTED, ENEMY])
    keys = [TRUSTED, "trusted:1", ENEMY, GOOD.plan.id, GOOD.plan.id[:12]]
    keys += [str(made.plan.manifest.digest) for made in (EVIL, GOOD)]
    assert refusals(store, *keys) == {"store.record_undecided"}
    assert store.images() == ()
    assert "store.record_undecided" in {fault.code for fault in store.verify().faults}
    assert not store.holds(TRUSTED)


def test_gc_repairs_mixed_images(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each image gets its own record; names without a certain image are reported and removed."""
    exact = f"docker.io/library/trusted@{GOOD.plan.manifest.digest}"
    store = first_version(tmp_path / "store", EVIL, GOOD, names=[TRUSTED, exact, ENEMY])
    with caplog.at_level(logging.WARNING):
        collected = store.gc()
    assert collected.names == (TRUSTED, ENEMY)
    assert TRUSTED in caplog.text
    assert collected.blobs == 0
    assert state(store) == {GOOD.plan.id: (exact,), EVIL.plan.manifest.digest.hex: ()}
    assert store.image(exact).manifest == GOOD.plan.manifest
    assert store.image(GOOD.plan.id).manifest == GOOD.plan.manifest
    assert store.image(str(EVIL.plan.manifest.digest)).manifest == EVIL.plan.manifest
    assert index_names(store) == {exact: str(GOOD.plan.manifest.digest)}
    assert refusals(store, TRUSTED, ENEMY) == {"store.unknown_image"}
    assert {fault.code for fault in store.verify().faults} == {"verify.diff_id"}
    assert store.gc().names == ()


def test_a_pull_repairs_mixed_images(tmp_path: Path) -> None:
    """The pulled name has its image, and index.json no longer has the other image for it."""
    store = first_version(tmp_path / "store", EVIL, GOOD, names=[TRUSTED, ENEMY])
    assert index_names(store)[TRUSTED] == str(EVIL.plan.manifest.digest)
    put(store, GOOD.named(TRUSTED))
    assert store.image(TRUSTED).manifest == GOOD.plan.manifest
    assert index_names(store) == {TRUSTED: str(GOOD.plan.manifest.digest)}
    assert state(store)[GOOD.plan.id] == (TRUSTED,)


def test_a_pull_repairs_mixed_images_after_verify(tmp_path: Path) -> None:
    """verify may write the new version of the store; the next pull examines the images."""
    store = first_version(tmp_path / "store", EVIL, GOOD, names=[TRUSTED, ENEMY])
    store.verify()
    put(store, make(b"other", names=["localhost/other:1"]))
    assert store.image(GOOD.plan.id).manifest == GOOD.plan.manifest


@pytest.mark.parametrize("way", ["pull", "gc"])
def test_names_are_kept_if_all_manifests_belong_to_one_image(tmp_path: Path, way: str) -> None:
    """Two manifests of one image from two registries are proven, and no name is lost."""
    listed = RawManifest(
        json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": OCI_INDEX,
                "manifests": [{"digest": str(RECOMPRESSED.plan.manifest.digest), "size": 1}],
            }
        ).encode(),
        OCI_INDEX,
    )
    by_list = f"quay.io/trusted@{listed.digest}"
    store = first_version(
        tmp_path / "store", GOOD, RECOMPRESSED, names=[by_list, TRUSTED], listed=listed
    )
    assert refusals(store, TRUSTED) == {"store.record_undecided"}
    if way == "gc":
        assert store.gc().names == ()
    else:
        put(store, make(b"other", names=["localhost/other:1"]))
    assert store.image(TRUSTED).manifest == GOOD.plan.manifest
    assert store.image(by_list).manifest == RECOMPRESSED.plan.manifest
    assert store.image(str(listed.digest)).manifest == RECOMPRESSED.plan.manifest
    assert store.image(GOOD.plan.id).names == (by_list, TRUSTED)
    assert store.verify().clean


def test_a_read_error_leaves_the_record_undecided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a transient read error the record stays undecided, and its blobs are kept."""
    store = first_version(tmp_path / "store", EVIL, GOOD, names=[TRUSTED, ENEMY])
    with monkeypatch.context() as patch:
        patch.setattr(towline.store.layout.repair, "prove", lambda *_: Proof.UNREADABLE)
        collected = store.gc()
        put(store, make(b"other", names=["localhost/other:1"]))
    assert collected.names == ()
    assert collected.blobs == 0
    assert TRUSTED not in index_names(store)
    assert refusals(store, TRUSTED) == {"store.record_undecided"}
    assert store.gc().names == (TRUSTED, ENEMY)
    assert store.image(GOOD.plan.id).manifest == GOOD.plan.manifest


def test_a_pull_while_a_record_stays_undecided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pulled image gets a separate record, and its name no longer belongs to the other."""
    store = first_version(tmp_path / "store", EVIL, GOOD, names=[TRUSTED, ENEMY])
    with monkeypatch.context() as patch:
        patch.setattr(towline.store.layout.repair, "prove", lambda *_: Proof.UNREADABLE)
        put(store, GOOD.named(TRUSTED))
    assert store.image(TRUSTED).manifest == GOOD.plan.manifest
    assert store.gc().names == (ENEMY,)
    assert store.image(TRUSTED).manifest == GOOD.plan.manifest
    assert {fault.code for fault in store.verify().faults} == {"verify.diff_id"}


def test_an_undecided_image_can_be_removed(tmp_path: Path) -> None:
    """It is removed by its ID, or by a prefix of it."""
    store = first_version(tmp_path / "store", EVIL, GOOD, names=[TRUSTED, ENEMY])
    assert store.remove(GOOD.plan.id[:12]).image
    assert refusals(store, TRUSTED, GOOD.plan.id) == {"store.unknown_image"}
    assert store.gc().names == ()
    assert store.verify().clean


def test_a_record_with_one_manifest_keeps_its_list(tmp_path: Path) -> None:
    """The lists in a record of version 1 are kept."""
    listed = RawManifest(b'{"schemaVersion":2,"manifests":[]}', OCI_INDEX)
    store = first_version(tmp_path / "store", GOOD, names=[TRUSTED], listed=listed)
    digest: Digest = listed.digest
    assert store.image(str(digest)).names == (TRUSTED,)
    put(store, GOOD.named("localhost/again:1"))
    assert store.image(str(digest)).manifest == GOOD.plan.manifest


def test_pulls_try_again_until_every_record_is_repaired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pull that could not read a layer leaves the repair to the next pull."""
    store = first_version(tmp_path / "store", EVIL, GOOD, names=[TRUSTED, ENEMY])
    with monkeypatch.context() as patch:
        patch.setattr(towline.store.layout.repair, "prove", lambda *_: Proof.UNREADABLE)
        put(store, make(b"other", names=["localhost/other:1"]))
    assert refusals(store, GOOD.plan.id) == {"store.record_undecided"}
    put(store, GOOD.named(TRUSTED))
    assert store.image(TRUSTED).id == GOOD.plan.id
    assert not unrepaired(StorePaths.below(store.root))


def test_gc_keeps_the_blobs_of_a_record_that_it_cannot_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If an undecided record cannot be read after all others were, gc ends and deletes nothing."""
    store = first_version(tmp_path / "store", EVIL, GOOD, names=[TRUSTED, ENEMY])
    blobs = sorted(path.name for path in Path(store.root, "blobs/sha256").iterdir())
    record = f"{GOOD.plan.id}.json"
    real = os.open
    for at in itertools.count(1):
        opened = itertools.count(1)

        def failing(
            path: str, *rest: int, at: int = at, opened: Iterator[int] = opened, **kw: int
        ) -> int:
            if str(path).endswith(record) and next(opened) == at:
                raise OSError(errno.EIO, os.strerror(errno.EIO), path)
            return real(path, *rest, **kw)

        with monkeypatch.context() as patch:
            patch.setattr(towline.store.layout.repair, "prove", lambda *_: Proof.UNREADABLE)
            patch.setattr(os, "open", failing)
            with contextlib.suppress(StoreError):
                store.gc()
        assert blobs == sorted(path.name for path in Path(store.root, "blobs/sha256").iterdir())
        if next(opened) <= at:
            break


def test_a_transient_error_is_no_reason_to_remove_a_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """rm of a name whose record cannot be read at this moment changes nothing."""
    store = open_store(tmp_path / "store")
    image = put(store, make(b"x", names=["localhost/a:1", "localhost/b:1"]))
    real = os.open

    def failing(path: str, *rest: int, **kw: int) -> int:
        if str(path).endswith(f"{image.id}.json"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return real(path, *rest, **kw)

    for name in ("a:1", image.id, image.id[:12], image.id[:3]):
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", failing)
            assert refusals_of_rm(store, name) == "store.record_unreadable"
        assert store.image("a:1").names == ("localhost/a:1", "localhost/b:1")


def refusals_of_rm(store: LayoutStore, name: str) -> str:
    """The code with which a removal fails."""
    with pytest.raises(StoreError) as caught:
        store.remove(name)
    return caught.value.code
