"""Storing, looking up, naming and removing images."""

from __future__ import annotations

import ctypes
import os
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

import towline
from tests.support.store_images import blob_path, make, put, state
from towline.errors import InvalidNameError, PathError, StoreError, VerificationError
from towline.frozen import replace
from towline.image.manifest import OCI_INDEX, RawManifest
from towline.name.digest import Digest, sha256_of
from towline.store.layout.sink import LayoutBlob
from towline.store.layout.store import LayoutStore, open_store
from towline.store.protocol import ImageStore

HELLO = "localhost/hello:latest"


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    return open_store(tmp_path / "store")


@pytest.mark.clause("STORE-020")
def test_the_embedded_store_implements_the_protocol(store: LayoutStore, tmp_path: Path) -> None:
    """It has the type of the protocol, and is printed as podman prints a store."""
    typed: ImageStore = store
    root = str(tmp_path / "store")
    assert str(typed.identity) == f"[vfs@{root}+{root}/towline/run]"


def test_a_stored_image_equals_its_plan(store: LayoutStore) -> None:
    """A stored image has the ID, digest, names, manifest, config and layers of the plan."""
    made = make(b"one", b"two")
    image = put(store, made)
    again = open_store(store.root).image(image.id)
    for found in (image, again):
        assert found.id == made.plan.id
        assert found.digest == made.plan.manifest.digest
        assert found.names == (HELLO,)
        assert found.manifest == made.plan.manifest
        assert found.raw_config == made.plan.config
        assert found.layers == tuple(layer.descriptor for layer in made.plan.layers)
    for digest, data in made.blobs.items():
        algorithm, _, encoded = digest.partition(":")
        path = blob_path(store, Digest(algorithm, encoded))
        assert Path(path).read_bytes() == data
        assert path == f"{store.root}/blobs/{algorithm}/{encoded}"


def test_an_image_without_layers_is_stored(store: LayoutStore) -> None:
    """A manifest with an empty list of layers is accepted."""
    image = put(store, make())
    assert image.layers == ()
    assert store.verify().clean


@pytest.mark.clause("PULL-019")
def test_a_repeated_layer_is_fetched_once(store: LayoutStore) -> None:
    """`missing` has each blob once, and the image has both layers."""
    made = make(b"same", b"same", b"other")
    with store.begin(made.plan) as ingest:
        assert len(ingest.missing()) == 2
    assert len(put(store, made).layers) == 3


def test_other_digest_algorithms_have_their_own_folders(store: LayoutStore) -> None:
    """A layer with a SHA-512 digest is verified with SHA-512 and stored in blobs/sha512."""
    image = put(store, make(b"x", algorithm="sha512"))
    assert os.listdir(f"{store.root}/blobs/sha512") == [image.layers[0].digest.hex]
    assert store.verify().diff_ids == 1
    assert store.verify().clean


@pytest.mark.clause("STORE-010")
def test_names_are_found_in_every_form(store: LayoutStore) -> None:
    """Lookup by a name, its completed form, localhost; by an ID, a prefix, a digest."""
    hub = put(store, make(b"hub", names=["docker.io/library/busybox:latest"]))
    local = put(store, make(b"local", listed=RawManifest(b"list", OCI_INDEX)))
    for text in ("busybox", "library/busybox", "docker.io/busybox", "busybox:latest"):
        assert store.image(text).id == hub.id
    for text in ("hello", "hello:latest", "localhost/hello", HELLO):
        assert store.image(text).id == local.id
    for text in (local.id, local.id[:12], str(local.digest), str(sha256_of(b"list"))):
        assert store.image(text).id == local.id
    assert store.image(f"localhost/hello@{local.digest}").id == local.id
    assert store.find_id(local.id[:10]) == local.id


@pytest.mark.parametrize(
    "text", ["", "no", "nothing", "0" * 64, "UPPER", "a b", "../../x", f"other@sha256:{'0' * 64}"]
)
def test_an_unknown_name_is_an_error(store: LayoutStore, text: str) -> None:
    """A text without a stored image is unknown, whether it is a valid name or not."""
    put(store, make(b"x"))
    with pytest.raises(StoreError) as caught:
        store.image(text)
    assert caught.value.code == "store.unknown_image"
    assert str(caught.value)


@pytest.mark.clause("STORE-010")
def test_a_digest_of_another_repository_does_not_name_an_image(store: LayoutStore) -> None:
    """`repository@digest` matches only an image that has a name in that repository."""
    image = put(store, make(b"x"))
    with pytest.raises(StoreError):
        store.image(f"localhost/other@{image.digest}")


@pytest.mark.clause("STORE-010")
def test_the_prefix_of_several_ids_is_ambiguous(store: LayoutStore) -> None:
    """A prefix is accepted if exactly one ID has it."""
    first, second = "abc" + "0" * 61, "abc" + "1" * 61
    put(store, make(b"1").under(first))
    put(store, make(b"2").under(second))
    with pytest.raises(StoreError) as caught:
        store.image("abc")
    assert caught.value.code == "store.ambiguous_id"
    assert store.find_id("abc") is None
    assert store.find_id("abc0") == first


@pytest.mark.clause("STORE-003")
def test_a_name_moves_to_the_image_pulled_last(store: LayoutStore) -> None:
    """The previous image of a name stays without the name."""
    old = put(store, make(b"old"))
    new = put(store, make(b"new"))
    assert state(store) == {new.id: (HELLO,), old.id: ()}
    assert [image.id for image in store.images()] == [new.id, old.id]
    assert store.image("hello").id == new.id
    assert store.image(old.id).names == ()


@pytest.mark.clause("STORE-002", "STORE-004", "STORE-001")
def test_a_second_pull_puts_its_name_first(store: LayoutStore) -> None:
    """The newest name comes first, and each name resolves to the manifest pulled by it."""
    first = put(store, make(b"x", names=["localhost/a:1"]))
    second = put(store, make(b"x", names=["localhost/b:1"], annotation="another manifest"))
    assert second.id == first.id
    assert second.digest != first.digest
    assert store.image("a:1").digest == store.image(first.id).digest == first.digest
    assert store.image("b:1").digest == second.digest
    digests = store.image("b:1").digests
    assert len(digests) == 2
    assert second.names == ("localhost/b:1", "localhost/a:1")
    again = put(store, make(b"x", names=["localhost/a:1"]))
    assert again.names == ("localhost/a:1", "localhost/b:1")
    for digest in digests:
        assert store.image(str(digest)).id == first.id
        assert store.image(str(digest)).digest == digest


@pytest.mark.clause("STORE-007")
def test_an_image_can_have_no_name(store: LayoutStore) -> None:
    """An image of an archive without names has no name; a later pull can add one."""
    image = put(store, make(b"x", names=[]))
    assert image.names == ()
    assert put(store, make(b"x")).names == (HELLO,)


@pytest.mark.clause("STORE-005")
def test_a_name_with_a_digest_is_stored_with_the_digest(store: LayoutStore) -> None:
    """`repository@sha256:...` is stored as a name."""
    made = make(b"x")
    name = f"localhost/hello@{made.plan.manifest.digest}"
    assert put(store, made.named(name)).names == (name,)
    assert store.image(name).names == (name,)


@pytest.mark.clause("STORE-006")
def test_a_requested_id_is_refused_for_another_image(store: LayoutStore) -> None:
    """A requested ID that differs from the config's digest is used for one image only."""
    requested = "0123456789abcdef" * 4
    assert put(store, make(b"x").under(requested)).id == requested
    assert put(store, make(b"x").under(requested)).id == requested
    before = state(store)
    with pytest.raises(StoreError) as caught:
        put(store, make(b"y").under(requested))
    assert caught.value.code == "store.id_in_use"
    assert state(store) == before
    assert store.verify().clean


@pytest.mark.clause("STORE-012", "STORE-008")
def test_an_incomplete_image_is_not_published(store: LayoutStore) -> None:
    """An image with a missing blob does not become visible."""
    with store.begin(make(b"x").plan) as ingest:
        with pytest.raises(StoreError) as caught:
            ingest.publish()
        assert caught.value.code == "store.incomplete"
    assert store.images() == ()
    assert store.verify().clean


def test_a_config_with_another_digest_is_refused(store: LayoutStore) -> None:
    """The config is verified with the digest in the manifest."""
    made = make()
    with (
        store.begin(replace(made.plan, config=b"{}")) as ingest,
        pytest.raises(VerificationError) as caught,
    ):
        ingest.publish()
    assert caught.value.code == "verify.digest"
    assert store.images() == ()


@pytest.mark.parametrize("image_id", ["", "abc", "../" * 21 + "x", "A" * 64, "0" * 63 + "\n"])
def test_an_invalid_id_is_refused(store: LayoutStore, image_id: str) -> None:
    """An ID must be the hex of a digest."""
    with pytest.raises(StoreError) as caught:
        store.begin(make(b"x").under(image_id).plan)
    assert caught.value.code == "store.invalid_id"


def test_an_invalid_name_or_digest_is_refused(store: LayoutStore) -> None:
    """Names are parsed, and digests are validated before they become paths."""
    with pytest.raises(InvalidNameError):
        store.begin(make(b"x").named("../x").plan)
    made = make(b"x")
    data = made.plan.manifest.data.replace(b"sha256:", b"sha256:../")
    plan = replace(made.plan, manifest=replace(made.plan.manifest, data=data))
    with pytest.raises(InvalidNameError):
        store.begin(plan)


@pytest.mark.clause("STORE-018")
def test_an_image_larger_than_the_free_space_is_refused(store: LayoutStore) -> None:
    """The free space is checked before the first byte is fetched."""
    made = make(b"x")
    huge = replace(made.plan.layers[0].descriptor, size=1 << 60)
    plan = replace(made.plan, layers=(replace(made.plan.layers[0], descriptor=huge),))
    with pytest.raises(StoreError) as caught:
        store.begin(plan)
    assert caught.value.code == "store.no_space"
    assert caught.value.facts["needed"] == 1 << 60
    assert caught.value.facts["free"] > 0
    assert store.gc().blobs == 0  # the shared lock was released


@pytest.mark.clause("STORE-018")
def test_preallocated_space_is_not_counted_again(
    store: LayoutStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next pull uses the preallocated space of partial blobs of a killed pull."""
    made = make(b"x")
    (layer,) = made.plan.layers
    plan = replace(
        made.plan, layers=(replace(layer, descriptor=replace(layer.descriptor, size=1 << 20)),)
    )
    path = Path(store.root, "towline/partial", *str(layer.descriptor.digest).split(":"))
    path.write_bytes(b"begun")
    keep_size = 1
    with path.open("r+b") as file:
        offset, size = ctypes.c_int64(0), ctypes.c_int64(1 << 20)
        assert ctypes.CDLL(None).fallocate64(file.fileno(), keep_size, offset, size) == 0
    full = os.statvfs(store.root)
    fields = {name: getattr(full, name) for name in dir(full) if name.startswith("f_")}
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(**{**fields, "f_bavail": 0}))
    with store.begin(plan):
        pass


@pytest.mark.clause("STORE-016")
def test_removing_a_name_and_an_image(store: LayoutStore) -> None:
    """One of several names is removed; the last name, an ID or a digest removes the image."""
    image = put(store, make(b"x", names=["localhost/a:1", "localhost/b:1"]))
    assert not store.remove("a:1").image
    assert state(store) == {image.id: ("localhost/b:1",)}
    removed = store.remove("b:1")
    assert removed.image
    assert removed.names == ("localhost/b:1",)
    assert store.images() == ()
    with pytest.raises(StoreError):
        store.image("b:1")
    put(store, make(b"x", names=["localhost/a:1", "localhost/b:1"]))
    assert store.remove(image.id).image
    assert store.images() == ()
    assert store.verify().clean


def test_a_missing_store_is_not_created(tmp_path: Path) -> None:
    """Without `create` nothing is created."""
    with pytest.raises(StoreError) as caught:
        open_store(tmp_path / "none", create=False)
    assert caught.value.code == "store.missing"
    assert not (tmp_path / "none").exists()


@pytest.mark.clause("STORE-019")
def test_a_store_of_a_newer_version_is_refused(store: LayoutStore) -> None:
    """A version that this towline does not support is an error."""
    Path(store.root, "towline/store.json").write_text('{"version": 3}')
    with pytest.raises(StoreError) as caught:
        open_store(store.root)
    assert caught.value.code == "store.newer"


def test_a_root_that_cannot_be_created(tmp_path: Path) -> None:
    """A root below a regular file is an error."""
    (tmp_path / "file").touch()
    with pytest.raises(PathError):
        open_store(tmp_path / "file" / "store")


def test_modes_follow_the_umask(tmp_path: Path) -> None:
    """Files and folders of the store have the modes that the umask gives."""
    before = os.umask(0o027)
    try:
        store = open_store(tmp_path / "store")
        image = put(store, make(b"x"))
    finally:
        os.umask(before)
    record = Path(store.root, "towline/images", f"{image.id}.json")
    blob = Path(blob_path(store, image.layers[0].digest))
    for path in (record, blob, Path(store.root, "index.json")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert stat.S_IMODE(Path(store.root, "blobs").stat().st_mode) == 0o750


def test_nothing_is_written_through_a_symbolic_link(store: LayoutStore, tmp_path: Path) -> None:
    """A link at a path that the store writes is replaced or refused, never followed."""
    target = tmp_path / "precious"
    target.write_text("precious")
    made = make(b"x")
    digest = made.plan.layers[0].descriptor.digest
    for name in (
        f"towline/partial/sha256/{digest.hex}",
        f"towline/images/{made.plan.id}.json",
        "towline/unfinished",
        "towline/index.sha256",
    ):
        Path(store.root, name).symlink_to(target)
    Path(store.root, "index.json").unlink()
    Path(store.root, "index.json").symlink_to(target)
    put(store, made)
    assert target.read_text() == "precious"
    assert store.verify().clean


def test_a_hard_link_is_not_used_as_a_partial_blob(store: LayoutStore, tmp_path: Path) -> None:
    """A hard link among the partial blobs is removed, so that the other file is unchanged."""
    target = tmp_path / "precious"
    target.write_text("p")
    made = make(b"x")
    digest = made.plan.layers[0].descriptor.digest
    os.link(target, f"{store.root}/towline/partial/sha256/{digest.hex}")
    put(store, made)
    assert target.read_text() == "p"


def test_a_folder_that_is_a_link_is_refused(store: LayoutStore, tmp_path: Path) -> None:
    """The folders of a store are checked when it is opened."""
    images = Path(store.root, "towline/images")
    images.rmdir()
    images.symlink_to(tmp_path)
    with pytest.raises(StoreError) as caught:
        open_store(store.root)
    assert caught.value.code == "store.not_a_folder"


@pytest.mark.clause("STORE-012")
def test_only_a_commit_makes_a_stored_blob() -> None:
    """The constructor raises an error for other callers."""
    with pytest.raises(TypeError):
        LayoutBlob(sha256_of(b""), 0, None, object())


def test_durability_against_loss_of_power(tmp_path: Path) -> None:
    """All operations work if blobs are flushed."""
    store = towline.open_store(tmp_path / "store", durability="power")
    put(store, make(b"x"))
    store.remove("hello")
    assert store.gc().blobs == 3
    assert store.verify().clean
