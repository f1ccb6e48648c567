"""The contract of `ImageStore`, `Ingest` and `BlobSink`, for every store.

A further store is added to `STORES`, and to nothing else.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.memory_store import MemoryStore
from tests.support.schema1 import signed
from tests.support.store_images import Made, blob_path, layer, make
from towline.cancel import CancelToken
from towline.errors import PullCancelledError, SourceError, StoreError, VerificationError
from towline.frozen import replace
from towline.image.manifest import (
    DOCKER_SCHEMA1,
    DOCKER_SCHEMA1_SIGNED,
    OCI_INDEX,
    RawManifest,
)
from towline.image.schema1 import parse_schema1
from towline.name.digest import Digest, sha256_of
from towline.store.layout.store import LayoutStore, open_store
from towline.store.protocol import BlobSink, Image, ImagePlan, ImageStore, Ingest, LayerPlan

STORES: dict[str, Callable[[Path], ImageStore]] = {
    "embedded": lambda folder: open_store(folder / "store"),
    "memory": lambda folder: MemoryStore(),
}
HELLO = "localhost/hello:latest"


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ImageStore:
    """Each of the stores."""
    made: ImageStore = STORES[request.param](tmp_path)
    return made


def begin(store: ImageStore, plan: ImagePlan, *, diff_ids: bool = False) -> Ingest:
    return store.begin(plan, diff_ids=diff_ids, cancel=CancelToken())


def sink_of(ingest: Ingest, layer: LayerPlan) -> BlobSink:
    sink = ingest.sink(layer)
    assert sink is not None
    return sink


def put(store: ImageStore, made: Made) -> Image:
    """Store an image."""
    with begin(store, made.plan) as ingest:
        for wanted in ingest.missing():
            with sink_of(ingest, wanted) as sink:
                sink.writer.write(made.blobs[wanted.descriptor.digest_text][sink.writer.offset :])
                sink.commit()
        return ingest.publish()


def names(store: ImageStore) -> dict[str, tuple[str, ...]]:
    return {image.id: tuple(image.names) for image in store.images()}


@pytest.mark.parametrize("made", [make(b"1", b"2"), make(), make(b"1", docker=True)])
def test_a_stored_image_equals_its_plan(store: ImageStore, made: Made) -> None:
    """It is found by name, ID, prefix and digest, with all its bytes."""
    plan = made.plan
    put(store, made)
    assert [image.id for image in store.images()] == [plan.id]
    for name in (HELLO, plan.id, plan.id[:12], str(plan.manifest.digest)):
        image = store.image(name)
        assert (image.id, image.digest, image.names) == (plan.id, plan.manifest.digest, (HELLO,))
        assert (image.manifest, image.raw_config) == (plan.manifest, plan.config)
        assert image.layers == tuple(each.descriptor for each in plan.layers)
        for each in image.layers:
            with store.open_layer(each.digest) as reader:
                assert reader.read(7) + reader.read() == made.blobs[each.digest_text]
                assert reader.read(1) == b""
    assert store.find_id(plan.id[:5]) == plan.id
    assert store.holds(HELLO)
    assert store.holds(str(plan.manifest.digest))


def test_a_store_is_a_collection(store: ImageStore) -> None:
    """It can be iterated, has a length, answers `in`, and is a context manager."""
    made = make(b"1")
    with store as opened:
        assert opened is store
        assert (len(store), list(store), HELLO in store) == (0, [], False)
        put(store, made)
        assert [image.id for image in store] == [made.plan.id]
        assert len(store) == 1
        for name in (HELLO, made.plan.id, made.plan.id[:12], made.plan.manifest.digest):
            assert name in store
            assert str(name) in store
            assert store.image(name).id == made.plan.id
        for other in ("localhost/other:1", sha256_of(b"other"), 7, None):
            assert other not in store


def test_the_values_of_an_image(store: ImageStore) -> None:
    """Those of its config; an image whose config is not JSON has bytes only."""
    config = {
        "os": "linux",
        "architecture": "arm64",
        "variant": "v8",
        "created": "2026-01-02T03:04:05.123456789Z",
        "config": {
            "Labels": {"a": "b"},
            "Env": ["PATH=/bin"],
            "Entrypoint": ["/init"],
            "Cmd": ["run"],
            "User": "me",
            "WorkingDir": "/work",
        },
        "rootfs": {"type": "layers", "diff_ids": []},
    }
    image = put(store, make(config=json.dumps(config).encode()))
    assert json.loads(image.raw_config) == config
    assert image.labels == {"a": "b"}
    assert str(image.platform) == "linux/arm64/v8"
    assert image.created == datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)
    assert (image.config.env, image.config.user) == (("PATH=/bin",), "me")
    assert (*image.config.entrypoint, *image.config.cmd) == ("/init", "run")
    assert image.config.working_dir == "/work"
    odd = {**config, "created": 7, "config": {"Env": [1], "User": []}}
    assert put(store, make(config=json.dumps(odd).encode())).created is None
    text = put(store, make(config=b"not JSON"))
    assert text.raw_config == b"not JSON"
    with pytest.raises(SourceError):
        _ = text.labels


def damage(store: ImageStore, digest: Digest) -> None:
    """Change the bytes of a stored blob."""
    if isinstance(store, MemoryStore):
        store.blobs[digest] = bytes(len(store.blobs[digest]))
    else:
        assert isinstance(store, LayoutStore)
        path = Path(blob_path(store, digest))
        path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize("step", [-1, 7])
def test_a_damaged_layer_does_not_end(store: ImageStore, step: int) -> None:
    """Reading it raises an error instead of the end; `close` may be called twice."""
    made = make(b"1")
    digest = put(store, made).layers[0].digest
    damage(store, digest)
    with store.open_layer(digest) as reader:
        with pytest.raises(VerificationError) as caught:
            list(iter(lambda: reader.read(step), b""))
        assert caught.value.code == "verify.digest"
        reader.close()


def test_an_empty_store(store: ImageStore) -> None:
    """It has no images, and says so."""
    nothing = sha256_of(b"nothing")
    assert list(store.images()) == []
    assert store.find_id("a") is None
    assert not store.holds(HELLO)
    assert store.document(nothing, 1 << 20) is None
    with pytest.raises(StoreError) as caught:
        store.image("hello")
    assert caught.value.code == "store.unknown_image"
    with pytest.raises(StoreError) as caught:
        store.open_layer(nothing)
    assert caught.value.code == "store.blob_missing"
    assert str(store.identity).startswith("[")


def test_documents_are_returned_up_to_a_limit(store: ImageStore) -> None:
    """Manifest, list and config of a stored image."""
    listed = RawManifest(b'{"schemaVersion": 2, "manifests": []}', OCI_INDEX)
    made = make(b"1", listed=listed)
    put(store, made)
    for data in (made.plan.manifest.data, made.plan.config, listed.data):
        assert store.document(sha256_of(data), len(data)) == data
        assert store.document(sha256_of(data), len(data) - 1) is None
    assert store.image(str(listed.digest)).id == made.plan.id
    assert store.holds(str(listed.digest))


def test_missing_layers(store: ImageStore) -> None:
    """Each blob once, the lowest first, without the blobs that are stored."""
    put(store, make(b"stored", names=["localhost/other:1"]))
    made = make(b"lowest", b"stored", b"upper", b"lowest")
    with begin(store, made.plan) as ingest:
        layers = made.plan.layers
        assert list(ingest.missing()) == [layers[0], layers[2]]
        assert ingest.sink(layers[1]) is None
        with sink_of(ingest, layers[2]) as sink:
            data = made.blobs[layers[2].descriptor.digest_text]
            sink.writer.write(data)
            blob = sink.commit()
            assert (blob.digest, blob.size) == (layers[2].descriptor.digest, len(data))
        assert list(ingest.missing()) == [layers[0]]
        assert ingest.sink(layers[2]) is None


@pytest.mark.clause("STORE-012")
def test_an_incomplete_image_is_not_published(store: ImageStore) -> None:
    """Nothing is visible, and the names of other images stay."""
    put(store, make(b"old"))
    made = make(b"stored", b"missing")
    with begin(store, made.plan) as ingest:
        with sink_of(ingest, made.plan.layers[0]) as sink:
            sink.writer.write(made.blobs[made.plan.layers[0].descriptor.digest_text])
            sink.commit()
        with pytest.raises(StoreError) as caught:
            ingest.publish()
    assert caught.value.code == "store.incomplete"
    assert names(store) == {make(b"old").plan.id: (HELLO,)}


@pytest.mark.clause("STORE-012")
def test_wrong_bytes_are_dropped(store: ImageStore) -> None:
    """A wrong digest or size is refused; the sink can be restarted."""
    made = make(b"right")
    wanted = made.plan.layers[0]
    data = made.blobs[wanted.descriptor.digest_text]
    with begin(store, made.plan) as ingest:
        with sink_of(ingest, wanted) as sink:
            for wrong in (bytes(len(data)), data[:-1], data + b"!", b""):
                sink.writer.write(wrong)
                with pytest.raises(VerificationError) as caught:
                    sink.commit()
                assert caught.value.code == "verify.digest"
                assert caught.value.facts["size"] == len(wrong)
                sink.restart()
                assert sink.writer.offset == 0
            sink.writer.write(data)
            sink.commit()
        ingest.publish()


def test_a_wrong_size_is_refused(store: ImageStore) -> None:
    """A blob with the right digest and a wrong size is refused."""
    made = make(b"x")
    wanted = made.plan.layers[0]
    data = made.blobs[wanted.descriptor.digest_text]
    longer = LayerPlan(replace(wanted.descriptor, size=len(data) + 1))
    with begin(store, made.plan) as ingest, sink_of(ingest, longer) as sink:
        sink.writer.write(data)
        with pytest.raises(VerificationError) as caught:
            sink.commit()
    assert caught.value.code == "verify.size"


@pytest.mark.clause("STORE-014")
def test_an_abandoned_blob(store: ImageStore) -> None:
    """It is still missing; what is kept of it is a prefix, from which the next attempt goes on."""
    made = make(b"x" * 1000)
    wanted = made.plan.layers[0]
    data = made.blobs[wanted.descriptor.digest_text]
    with begin(store, made.plan) as ingest:
        with sink_of(ingest, wanted) as sink:
            sink.writer.write(data[:20])
        assert list(ingest.missing()) == [wanted]
    with begin(store, made.plan) as ingest:
        with sink_of(ingest, wanted) as sink:
            assert sink.writer.offset <= 20
            sink.writer.write(data[sink.writer.offset :])
            sink.commit()
        ingest.publish()


@pytest.mark.parametrize("alongside", [True, False])
def test_diff_ids(store: ImageStore, alongside: bool) -> None:
    """Arriving layers and those that were stored before have diff IDs."""
    put(store, make(b"here", names=["localhost/other:1"]))
    made = make(b"here", b"arrives")
    with begin(store, made.plan, diff_ids=alongside) as ingest:
        wanted = made.plan.layers[1]
        with sink_of(ingest, wanted) as sink:
            sink.writer.write(made.blobs[wanted.descriptor.digest_text])
            blob = sink.commit()
        if alongside:
            assert blob.diff_id == layer(b"arrives")[1]
        found = [ingest.diff_id(each) for each in made.plan.layers]
        assert found == [layer(b"here")[1], layer(b"arrives")[1]]
        ingest.publish()


def test_a_missing_layer_has_no_diff_id(store: ImageStore) -> None:
    """It is missing, and not damaged."""
    made = make(b"a")
    with begin(store, made.plan) as ingest, pytest.raises(StoreError) as caught:
        ingest.diff_id(made.plan.layers[0])
    assert caught.value.code == "store.blob_missing"


@pytest.mark.parametrize("alongside", [True, False])
@pytest.mark.parametrize("data", [b"no tar" * 500, b"\x1f\x8bnot gzip"])
def test_a_blob_that_is_not_a_layer(store: ImageStore, alongside: bool, data: bytes) -> None:
    """It can be stored; its diff ID is an error."""
    made = make(b"x")
    digest = str(sha256_of(data))
    old = made.plan.layers[0].descriptor
    planned = LayerPlan(replace(old, digest_text=digest, size=len(data)))
    text = made.plan.manifest.data.replace(old.digest_text.encode(), digest.encode())
    text = text.replace(f'"size": {old.size}'.encode(), f'"size": {len(data)}'.encode())
    manifest = replace(made.plan.manifest, data=text)
    plan = replace(made.plan, manifest=manifest, layers=(planned,))
    with begin(store, plan, diff_ids=alongside) as ingest:
        with sink_of(ingest, planned) as sink:
            sink.writer.write(data)
            assert sink.commit().diff_id is None
        with pytest.raises(SourceError) as caught:
            ingest.diff_id(planned)
        assert caught.value.code == "core.layer"
        ingest.publish()


@pytest.mark.clause("STORE-021")
@pytest.mark.parametrize("form", [DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED])
def test_an_image_of_schema_1(store: ImageStore, form: str) -> None:
    """Publishing makes its config of the layers, and its ID of the config."""
    contents = [layer(b"bottom"), layer(b""), layer(b"top")]
    blobs = {str(sha256_of(data)): data for data, _ in contents}
    entries = (
        {"id": "c" * 64, "parent": "b" * 64, "os": "linux", "architecture": "amd64"},
        {"id": "b" * 64, "parent": "a" * 64, "throwaway": True},
        {"id": "a" * 64},
    )
    document = {
        "schemaVersion": 1,
        "fsLayers": [{"blobSum": digest} for digest in reversed(blobs)],
        "history": [{"v1Compatibility": json.dumps(entry)} for entry in entries],
    }
    plain = json.dumps(document).encode()
    raw = RawManifest(plain if form == DOCKER_SCHEMA1 else signed(plain), form)
    manifest = parse_schema1(raw)
    plan = ImagePlan("", raw, b"", tuple(map(LayerPlan, manifest.layers)), (HELLO,))
    image = put(store, Made(plan, blobs))
    config = manifest.config_with([contents[0][1], contents[2][1]])
    assert (image.id, image.raw_config, image.manifest) == (sha256_of(config).hex, config, raw)
    assert image.digest == sha256_of(plain)
    assert store.image(HELLO).id == image.id
    assert store.image(HELLO).layers == manifest.content


def test_names_belong_to_one_image(store: ImageStore) -> None:
    """A name moves to the image that was pulled last; an image collects names."""
    old, new = make(b"old"), make(b"new")
    put(store, old.named("localhost/a:1", "localhost/moving:1"))
    put(store, new.named("localhost/moving:1"))
    assert names(store) == {old.plan.id: ("localhost/a:1",), new.plan.id: ("localhost/moving:1",)}
    put(store, old.named("localhost/b:1"))
    assert store.image(old.plan.id).names == ("localhost/b:1", "localhost/a:1")
    put(store, make(b"nameless", names=()))
    assert store.image(make(b"nameless").plan.id).names == ()


def test_an_id_that_is_not_unique(store: ImageStore) -> None:
    """A prefix of several IDs finds none of them."""
    for end in "01":
        put(store, make(b"x", names=()).under("a" * 63 + end))
    assert store.find_id("a" * 63) is None
    assert store.find_id("a" * 63 + "0") == "a" * 63 + "0"
    with pytest.raises(StoreError) as caught:
        store.image("a" * 20)
    assert caught.value.code == "store.ambiguous_id"


@pytest.mark.clause("STORE-013")
def test_threads_fetch_each_blob_once(store: ImageStore) -> None:
    """A task waits for a blob that another one fetches."""
    made = make(b"x" * 1000)
    wanted = made.plan.layers[0]
    barrier, fetched = threading.Barrier(6), []

    def pull(number: int) -> str:
        with begin(store, made.plan) as ingest:
            barrier.wait(30)
            sink = ingest.sink(wanted)
            if sink is not None:
                with sink:
                    fetched.append(number)
                    sink.writer.write(made.blobs[wanted.descriptor.digest_text])
                    sink.commit()
            return ingest.publish().id

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(pull, range(6))) == {made.plan.id}
    assert len(fetched) == 1


def test_a_wait_is_cancelled(store: ImageStore) -> None:
    """A task that waits for the blob of another one ends; so does a late decompression."""
    made, cancel = make(b"x"), CancelToken()
    wanted = made.plan.layers[0]
    with (
        begin(store, made.plan) as first,
        store.begin(made.plan, diff_ids=False, cancel=cancel) as second,
        ThreadPoolExecutor(1) as pool,
    ):
        with sink_of(first, wanted) as sink:
            waiting = pool.submit(second.sink, wanted)
            with pytest.raises(TimeoutError):
                waiting.result(0.05)
            cancel.cancel()
            with pytest.raises(PullCancelledError):
                waiting.result(30)
            sink.writer.write(made.blobs[wanted.descriptor.digest_text])
            sink.commit()
        with pytest.raises(PullCancelledError):
            second.diff_id(wanted)
        first.publish()
