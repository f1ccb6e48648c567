"""The image of each ID; and names and digests resolve to the manifests pulled by them."""

from __future__ import annotations

import errno
import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import towline.store.layout.diff_ids
import towline.store.layout.proof
from tests.support.store_images import Made, blob_path, layer, make, put, state
from towline.cancel import CancelToken
from towline.errors import StoreError, TowlineError
from towline.frozen import replace
from towline.image.manifest import DOCKER_SCHEMA2, OCI_MANIFEST, RawManifest
from towline.store.layout.blobs import Blobs
from towline.store.layout.proof import prove
from towline.store.layout.records import Proof, StoredManifest
from towline.store.layout.store import LayoutStore, open_store

TRUSTED = "docker.io/library/trusted:1"
ENEMY = "evil.example.com/x:1"
_, DIFF_ID = layer(b"trusted")
GOOD = make(b"trusted", names=[TRUSTED])
RECOMPRESSED = make(b"trusted", names=["quay.io/trusted:1"], level=1)
EVIL = make(b"enemy", names=[ENEMY], diff_ids=[DIFF_ID])
OTHER_EVIL = make(b"other enemy", names=["evil.example.com/y:1"], diff_ids=[DIFF_ID])


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    return open_store(tmp_path / "store")


def assert_resolved(store: LayoutStore, *made: Made) -> None:
    """Assert that names, digests and index.json resolve to the pulled manifests."""
    entries = {
        entry["annotations"]["org.opencontainers.image.ref.name"]: entry["digest"]
        for entry in json.loads(Path(store.root, "index.json").read_bytes())["manifests"]
        if "org.opencontainers.image.ref.name" in entry["annotations"]
    }
    for each in made:
        for key in (*each.plan.names, str(each.plan.manifest.digest)):
            image = store.image(key)
            assert image.manifest == each.plan.manifest
            assert image.digest == each.plan.manifest.digest
            assert image.raw_config == each.plan.config
            assert image.layers == tuple(layer.descriptor for layer in each.plan.layers)
        for name in each.plan.names:
            assert entries[name] == str(each.plan.manifest.digest)
    ids = [image.id for image in store.images()]
    assert len(ids) == len(set(ids))


def assert_only_diff_ids_are_wrong(store: LayoutStore) -> None:
    """Assert that verify reports nothing but layers with wrong diff IDs."""
    assert {fault.code for fault in store.verify().faults} <= {"verify.diff_id"}


def test_the_test_images_share_a_config() -> None:
    """The images of this module have the same config and different layers."""
    assert EVIL.plan.config == GOOD.plan.config == RECOMPRESSED.plan.config
    assert len({str(each.plan.layers) for each in (GOOD, RECOMPRESSED, EVIL)}) == 3


@pytest.mark.clause("STORE-004", "STORE-024")
@pytest.mark.parametrize("order", list(itertools.permutations([GOOD, RECOMPRESSED, EVIL])))
def test_an_id_belongs_to_the_image_with_the_layers_of_its_config(
    store: LayoutStore, order: tuple[Made, ...]
) -> None:
    """In every order of pulls, the proven image has the ID."""
    for made in order:
        put(store, made)
    assert_resolved(store, *order)
    assert store.image(GOOD.plan.id).layers[0].digest != EVIL.plan.layers[0].descriptor.digest
    assert set(state(store)) == {GOOD.plan.id, EVIL.plan.manifest.digest.hex}
    assert store.image(TRUSTED).id == store.image("quay.io/trusted:1").id == GOOD.plan.id
    assert store.image(ENEMY).names == (ENEMY,)
    assert_only_diff_ids_are_wrong(store)
    store.remove(ENEMY)
    store.gc()
    assert_resolved(store, GOOD, RECOMPRESSED)
    assert store.verify().clean


@pytest.mark.clause("STORE-004")
def test_nothing_is_decompressed_without_a_conflict(
    store: LayoutStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Layers are decompressed only if a config has different layers, and only once."""
    examined: list[StoredManifest] = []

    def counted(blobs: Blobs, manifest: StoredManifest, cancel: CancelToken) -> Proof:
        examined.append(manifest)
        return prove(blobs, manifest, cancel)

    monkeypatch.setattr(towline.store.layout.proof, "prove", counted)
    put(store, GOOD)
    put(store, GOOD)
    put(store, make(b"trusted", names=["localhost/noted:1"], annotation="same layers"))
    put(store, make(b"another", names=["localhost/another:1"]))
    assert not examined
    put(store, EVIL)
    assert len(examined) == 1  # it is refuted, so the other image need not be examined
    put(store, EVIL)
    assert len(examined) == 1  # its own record has the proof
    put(store, RECOMPRESSED)
    assert len(examined) == 3
    put(store, RECOMPRESSED)
    put(store, GOOD)
    assert len(examined) == 3  # the record has the proofs
    put(store, OTHER_EVIL)
    assert len(examined) == 4


@pytest.mark.clause("STORE-004")
def test_diff_ids_of_the_pull_are_not_computed_again(
    store: LayoutStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store uses the diff IDs that a pull has computed."""
    monkeypatch.setattr(towline.store.layout.proof, "prove", None)
    monkeypatch.setattr(towline.store.layout.diff_ids, "diff_id_of", None)
    for made in (GOOD, RECOMPRESSED):
        put(store, made, diff_ids=True)
    assert state(store) == {GOOD.plan.id: (*RECOMPRESSED.plan.names, TRUSTED)}


@pytest.mark.clause("STORE-004")
def test_each_layer_is_compared_with_its_own_diff_id(store: LayoutStore) -> None:
    """A repeated layer, swapped layers or too many diff IDs refute the manifest."""
    lower, upper = (layer(content)[1] for content in (b"lower", b"upper"))
    good = make(b"lower", b"upper", names=[TRUSTED])
    for number, contents in enumerate([(b"lower", b"lower"), (b"upper", b"lower"), (b"lower",)]):
        evil = make(*contents, names=[f"evil.example.com/{number}:1"], diff_ids=[lower, upper])
        assert evil.plan.config == good.plan.config
        put(store, evil, diff_ids=True)
        put(store, good)
        assert_resolved(store, evil, good)
        assert store.image(TRUSTED).id == good.plan.id
        assert store.image(evil.plan.names[0]).id == evil.plan.manifest.digest.hex


@pytest.mark.clause("STORE-004")
def test_artifacts_with_one_config_are_separate_images(store: LayoutStore) -> None:
    """Artifacts have the same empty config; each keeps its own layers."""
    artifacts = [
        make(content, names=[f"localhost/{content.decode()}:1"], config=b"{}")
        for content in (b"chart", b"signature", b"sbom")
    ]
    for made in artifacts:
        put(store, made)
    assert_resolved(store, *artifacts)
    assert len(store.images()) == 3
    assert store.verify().clean


@pytest.mark.clause("STORE-006")
def test_a_requested_id_does_not_replace_the_image_of_that_config(store: LayoutStore) -> None:
    """An archive that requests a trusted ID is refused, or moves when that image is pulled."""
    config = GOOD.plan.config.replace(b"amd64", b"enemy")
    squatter = make(b"trusted", names=[ENEMY], config=config).under(GOOD.plan.id)
    put(store, squatter)
    assert store.image(ENEMY).id == GOOD.plan.id
    put(store, GOOD)
    assert_resolved(store, squatter, GOOD)
    assert store.image(TRUSTED).id == store.image(GOOD.plan.id).id == GOOD.plan.id
    assert store.image(GOOD.plan.id).raw_config == GOOD.plan.config
    assert store.image(ENEMY).id == squatter.plan.manifest.digest.hex
    before = state(store)
    with pytest.raises(StoreError) as caught:
        put(store, squatter.named("evil.example.com/again:1"))
    assert caught.value.code == "store.id_in_use"
    assert state(store) == before
    assert store.verify().clean


@pytest.mark.clause("STORE-006")
def test_a_refuted_image_does_not_take_a_requested_id(store: LayoutStore) -> None:
    """A refuted image neither replaces an archive's image nor keeps it from its ID."""
    archive = make(b"archive", names=[TRUSTED]).under(GOOD.plan.id)
    put(store, archive)
    put(store, EVIL)
    assert_resolved(store, archive, EVIL)
    assert store.image(TRUSTED).id == GOOD.plan.id
    store.remove(TRUSTED)
    store.remove(ENEMY)
    put(store, EVIL)
    assert store.image(ENEMY).id == GOOD.plan.id
    put(store, archive)
    assert_resolved(store, archive, EVIL)
    assert store.image(TRUSTED).id == GOOD.plan.id


@pytest.mark.clause("STORE-006")
def test_images_under_requested_ids_are_moved_in_turn(store: LayoutStore) -> None:
    """An image with the requested ID to which another one must move is moved as well."""
    last = make(b"last", names=["evil.example.com/last:1"])
    middle = make(b"middle", names=["evil.example.com/middle:1"])
    chain = [
        last.under(middle.plan.manifest.digest.hex),
        middle.under(EVIL.plan.manifest.digest.hex),
        EVIL,
    ]
    for made in chain:
        put(store, made)
    put(store, GOOD)
    assert_resolved(store, *chain, GOOD)
    assert {name: image.id for image in store.images() for name in image.names} == {
        TRUSTED: GOOD.plan.id,
        **{made.plan.names[0]: made.plan.manifest.digest.hex for made in chain},
    }
    assert_only_diff_ids_are_wrong(store)


@pytest.mark.clause("STORE-006")
def test_the_id_of_a_manifest_belongs_to_it(store: LayoutStore) -> None:
    """An image whose config is the manifest of another image does not get that image's ID."""
    for made in (EVIL, GOOD):
        put(store, made)
    forged = make(b"forged", names=["evil.example.com/forged:1"], config=EVIL.plan.manifest.data)
    assert forged.plan.id == EVIL.plan.manifest.digest.hex == store.image(ENEMY).id
    put(store, forged)
    assert_resolved(store, EVIL, GOOD, forged)
    assert store.image(forged.plan.id).raw_config == EVIL.plan.config


@pytest.mark.clause("STORE-006")
def test_the_id_of_a_manifest_that_is_also_a_config_belongs_to_it(store: LayoutStore) -> None:
    """A proven image whose config is the manifest of another image does not get its ID."""
    rootfs = {"type": "layers", "diff_ids": [str(layer(b"forged")[1])]}
    document = json.loads(EVIL.plan.manifest.data) | {"rootfs": rootfs}
    both = RawManifest(json.dumps(document).encode(), OCI_MANIFEST)
    owner = replace(EVIL, plan=replace(EVIL.plan, manifest=both))
    forged = make(b"forged", names=["evil.example.com/forged:1"], config=both.data)
    for made in (GOOD, owner, forged):
        put(store, made)
    assert_resolved(store, GOOD, owner, forged)
    assert store.image(ENEMY).id == store.image(forged.plan.id).id == both.digest.hex
    assert store.image(both.digest.hex).raw_config == owner.plan.config


@pytest.mark.clause("STORE-024")
def test_one_manifest_under_two_media_types(store: LayoutStore) -> None:
    """Each name has the media type with which its registry served the same bytes."""
    document = json.loads(GOOD.plan.manifest.data)
    del document["mediaType"]
    plain = RawManifest(json.dumps(document).encode(), OCI_MANIFEST)
    docker = replace(plain, media_type=DOCKER_SCHEMA2)
    put(store, replace(GOOD, plan=replace(GOOD.plan, manifest=docker, names=(ENEMY,))))
    put(store, replace(GOOD, plan=replace(GOOD.plan, manifest=plain)))
    assert store.image(TRUSTED).manifest.media_type == OCI_MANIFEST
    assert store.image(ENEMY).manifest.media_type == docker.media_type


@pytest.mark.parametrize("way", ["missing", "damaged", "closed"])
def test_an_image_that_cannot_be_proven_now(store: LayoutStore, way: str) -> None:
    """Names resolve correctly if the layer of the present image is missing or unreadable."""
    put(store, RECOMPRESSED)
    path = Path(blob_path(store, RECOMPRESSED.plan.layers[0].descriptor.digest))
    if way == "missing":
        path.unlink()
    elif way == "damaged":
        path.write_bytes(bytes(path.stat().st_size))
    else:
        path.chmod(0)
    root = os.geteuid() == 0  # root can read it in spite of its mode
    put(store, GOOD)
    separate = way == "closed" and not root
    assert store.image(TRUSTED).manifest == GOOD.plan.manifest
    assert (store.image(TRUSTED).id == GOOD.plan.id) == (not separate)
    assert store.image("quay.io/trusted:1").digest == RECOMPRESSED.plan.manifest.digest
    path.unlink(missing_ok=True)
    put(store, RECOMPRESSED)
    assert_resolved(store, GOOD, RECOMPRESSED)
    assert_only_diff_ids_are_wrong(store)


def test_a_separate_image_is_merged_once_it_is_proven(store: LayoutStore) -> None:
    """When it is proven, its names are added to the other record, and no name is lost."""
    put(store, RECOMPRESSED)
    path = Path(blob_path(store, RECOMPRESSED.plan.layers[0].descriptor.digest))
    path.unlink()
    put(store, GOOD)
    assert len(store.images()) == 2
    put(store, RECOMPRESSED.named("localhost/again:1"), diff_ids=True)
    assert set(state(store)) == {GOOD.plan.id}
    assert_resolved(store, GOOD, RECOMPRESSED, RECOMPRESSED.named("localhost/again:1"))
    assert store.verify().clean


@pytest.mark.clause("STORE-006")
def test_images_that_have_each_others_ids(store: LayoutStore) -> None:
    """A requested digest of a stored manifest is refused; a requested one gives way to it."""
    first, second = (
        make(b"first", names=["localhost/a:1"]),
        make(b"second", names=["localhost/b:1"]),
    )
    put(store, first.under(second.plan.manifest.digest.hex))
    with pytest.raises(StoreError) as caught:
        put(store, second.under(first.plan.manifest.digest.hex))
    assert caught.value.code == "store.id_in_use"
    assert store.image(second.plan.manifest.digest.hex).names == first.plan.names
    put(store, second)
    assert store.image("localhost/a:1").id == first.plan.manifest.digest.hex
    third = first.under(first.plan.manifest.digest.hex).named("localhost/c:1")
    put(store, third)
    assert_resolved(store, first, second, third)
    with pytest.raises(StoreError):
        store.image(second.plan.manifest.digest.hex)
    assert store.verify().clean
    assert store.gc().blobs == 0


@pytest.mark.clause("STORE-004")
def test_a_trusted_image_under_a_requested_id_gets_its_id(store: LayoutStore) -> None:
    """An unproven image under its manifest's ID is proven when it is pulled again."""
    put(store, EVIL)
    parked = GOOD.under(GOOD.plan.manifest.digest.hex).named("localhost/parked:1")
    put(store, parked)
    put(store, GOOD)
    assert_resolved(store, EVIL, parked, GOOD)
    assert store.image(TRUSTED).id == store.image("parked:1").id == GOOD.plan.id


@pytest.mark.clause("STORE-006")
def test_an_unprovable_image_keeps_its_id(store: LayoutStore) -> None:
    """An archive's image replaces only a refuted image."""
    artifact = make(b"chart", names=[TRUSTED], config=b"{}")
    put(store, artifact)
    with pytest.raises(StoreError) as caught:
        put(store, make(b"enemy", names=[ENEMY]).under(artifact.plan.id))
    assert caught.value.code == "store.id_in_use"
    assert_resolved(store, artifact)
    assert store.image(artifact.plan.id).names == (TRUSTED,)


@pytest.mark.clause("STORE-006")
def test_one_document_that_is_parsed_as_two_images(store: LayoutStore) -> None:
    """A manifest with two meanings under two media types does not block a trusted image."""
    document = json.loads(EVIL.plan.manifest.data)
    del document["mediaType"]
    raw = RawManifest(json.dumps(document).encode(), OCI_MANIFEST)
    as_oci = replace(EVIL, plan=replace(EVIL.plan, manifest=raw))
    put(store, GOOD)
    put(store, as_oci)
    path = Path(store.root, "towline/images", f"{raw.digest.hex}.json")
    record = json.loads(path.read_bytes())
    record["manifests"][0] |= {"layers": [], "mediaType": DOCKER_SCHEMA2}  # as if parsed so
    path.write_text(json.dumps(record))
    store.remove(GOOD.plan.id)
    put(store, as_oci.named("evil.example.com/again:1"))
    put(store, GOOD)
    assert store.image(TRUSTED).id == GOOD.plan.id
    assert store.image(TRUSTED).manifest == GOOD.plan.manifest
    assert store.image("evil.example.com/again:1").manifest == raw
    assert store.image("evil.example.com/again:1").id != raw.digest.hex
    assert len(store.images()) == 3


@pytest.mark.parametrize("call", ["open", "lstat", "listdir", "replace"])
@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.ENOSPC])
def test_a_transient_error_never_mixes_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    """If any one system call of a publish with a conflict fails, the state is old or new."""
    real = getattr(os, call)
    for at in itertools.count(1):
        store = open_store(tmp_path / f"{at}")
        put(store, EVIL)
        put(store, make(b"x", names=["localhost/x:1"]))
        calls = itertools.count(1)

        def failing(*args: Any, at: int = at, calls: Iterator[int] = calls, **kw: Any) -> Any:
            if next(calls) == at:
                raise OSError(number, os.strerror(number), args[0])
            return real(*args, **kw)

        failed = False
        with monkeypatch.context() as patch:
            patch.setattr(os, call, failing)
            try:
                put(store, GOOD)
            except TowlineError:
                failed = True
        assert store.image(ENEMY).manifest == EVIL.plan.manifest
        assert store.image("localhost/x:1").names == ("localhost/x:1",)
        if not failed:
            assert_resolved(store, GOOD, EVIL)
        put(store, GOOD)
        assert_resolved(store, GOOD, EVIL)
        assert store.image(TRUSTED).id == GOOD.plan.id
        assert_only_diff_ids_are_wrong(store)
        if next(calls) <= at:
            break
