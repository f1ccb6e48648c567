"""Blobs: resuming, verification, locking and garbage collection."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.store_images import Made, blob_path, make, put
from towline.cancel import CancelToken
from towline.errors import PullCancelledError, StoreError, VerificationError
from towline.frozen import replace
from towline.store.layout.locks import acquire
from towline.store.layout.store import LayoutStore, open_store
from towline.store.protocol import BlobSink, Ingest


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    return open_store(tmp_path / "store")


def open_sink(ingest: Ingest, made: Made) -> tuple[BlobSink, bytes]:
    """The sink of the only layer, and its bytes."""
    layer = made.plan.layers[0]
    sink = ingest.sink(layer)
    assert sink is not None
    return sink, made.blobs[layer.descriptor.digest_text]


@pytest.mark.clause("STORE-014", "CORE-003")
def test_a_fetch_is_resumed(store: LayoutStore) -> None:
    """Bytes of an incomplete blob are kept, and the next attempt resumes after them."""
    made = make(b"x")
    with store.begin(made.plan) as ingest:
        sink, data = open_sink(ingest, made)
        with sink:
            assert sink.writer.offset == 0
            sink.writer.write(data[:20])
        with pytest.raises(StoreError):
            ingest.publish()
    with open_store(store.root).begin(made.plan) as ingest:
        sink, data = open_sink(ingest, made)
        with sink:
            assert sink.writer.offset == 20
            sink.writer.write(data[20:])
            blob = sink.commit()
        assert (str(blob.digest), blob.size) == (
            made.plan.layers[0].descriptor.digest_text,
            len(data),
        )
        ingest.publish()
    assert store.verify().clean
    assert os.listdir(f"{store.root}/towline/partial/sha256") == []


@pytest.mark.clause("STORE-014", "STORE-012")
def test_wrong_bytes_are_dropped_and_the_sink_can_be_restarted(store: LayoutStore) -> None:
    """After a digest mismatch the bytes are dropped; the same sink can start at offset 0."""
    made = make(b"x")
    with store.begin(made.plan) as ingest:
        sink, data = open_sink(ingest, made)
        with sink:
            sink.writer.write(bytes(len(data)))
            with pytest.raises(VerificationError) as caught:
                sink.commit()
            assert caught.value.code == "verify.digest"
            assert caught.value.facts["size"] == len(data)
            assert os.listdir(f"{store.root}/towline/partial/sha256") == []
            sink.restart()
            assert sink.writer.offset == 0
            sink.writer.write(data)
            sink.commit()
        ingest.publish()
    assert store.verify().clean


def test_a_size_that_differs_is_refused(store: LayoutStore) -> None:
    """Bytes with the right digest are refused if the descriptor has another size."""
    made = make(b"x")
    layer = made.plan.layers[0]
    wrong = replace(layer.descriptor, size=layer.descriptor.size + 1)
    with store.begin(made.plan) as ingest:
        sink = ingest.sink(replace(layer, descriptor=wrong))
        assert sink is not None
        with sink:
            sink.writer.write(made.blobs[wrong.digest_text])
            with pytest.raises(VerificationError) as caught:
                sink.commit()
    assert caught.value.code == "verify.size"
    assert store.gc().partials == 0


def test_an_unknown_size_is_accepted(store: LayoutStore) -> None:
    """If the descriptor has no size, only the digest is verified."""
    made = make(b"x")
    layer = made.plan.layers[0]
    plan = replace(
        made.plan, layers=(replace(layer, descriptor=replace(layer.descriptor, size=-1)),)
    )
    assert put(store, replace(made, plan=plan)).id == made.plan.id


def test_a_partial_blob_that_is_too_long_is_dropped(store: LayoutStore) -> None:
    """A partial blob with more bytes than the blob cannot be a prefix of it."""
    made = make(b"x")
    digest = made.plan.layers[0].descriptor.digest
    Path(store.root, "towline/partial/sha256", digest.hex).write_bytes(bytes(100_000))
    with store.begin(made.plan) as ingest:
        sink, _ = open_sink(ingest, made)
        with sink:
            assert sink.writer.offset == 0


def test_a_truncated_blob_is_fetched_again(store: LayoutStore) -> None:
    """A file with another size than the blob, as after a loss of power, counts as missing."""
    made = make(b"x")
    image = put(store, made)
    Path(blob_path(store, image.layers[0].digest)).write_bytes(b"")
    Path(blob_path(store, image.digest)).write_bytes(b"")
    assert not store.verify().clean
    put(store, made)
    assert store.verify().clean


@pytest.mark.clause("STORE-013")
def test_threads_fetch_each_blob_once(store: LayoutStore) -> None:
    """A thread that waits for the fetch of another thread does not fetch the blob."""
    made = make(b"x" * 1000)
    barrier, fetched = threading.Barrier(8), []

    def pull(number: int) -> str:
        with store.begin(made.plan) as ingest:
            barrier.wait(30)
            sink = ingest.sink(made.plan.layers[0])
            if sink is not None:
                with sink:
                    fetched.append(number)
                    sink.writer.write(made.blobs[made.plan.layers[0].descriptor.digest_text])
                    sink.commit()
            return ingest.publish().id

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(pull, range(8))) == {made.plan.id}
    assert len(fetched) == 1
    assert os.listdir(f"{store.root}/towline/locks/blobs") == []
    assert store.verify().clean


def assert_waits(begin: Callable[[CancelToken], object]) -> None:
    """Assert that `begin` waits, and that it ends when it is cancelled."""
    token = CancelToken()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(begin, token)
        with pytest.raises(TimeoutError):
            waiting.result(0.05)
        token.cancel()
        with pytest.raises(PullCancelledError):
            waiting.result(30)


def test_waiting_for_a_blob_can_be_cancelled(store: LayoutStore) -> None:
    """A task that waits for the fetch of another task can be cancelled."""
    made = make(b"x")

    def wait(token: CancelToken) -> None:
        with store.begin(made.plan, cancel=token) as second:
            second.sink(made.plan.layers[0])

    with store.begin(made.plan) as first:
        sink, _ = open_sink(first, made)
        with sink:
            assert_waits(wait)


def test_waiting_for_the_store_can_be_cancelled(store: LayoutStore) -> None:
    """A task that waits for the end of a gc can be cancelled."""
    with acquire(f"{store.root}/towline/locks/store"):
        assert_waits(lambda token: store.begin(make(b"x").plan, cancel=token))


@pytest.mark.clause("STORE-017")
def test_gc_reports_the_holders_of_the_store(store: LayoutStore) -> None:
    """During a pull gc does nothing, and its error lists the process and the image."""
    with store.begin(make(b"x").plan), pytest.raises(StoreError) as caught:
        store.gc()
    assert caught.value.code == "store.busy"
    (holder,) = caught.value.facts["holders"]
    assert (holder.pid, holder.purpose) == (os.getpid(), "pulling localhost/hello:latest")
    assert f"process {os.getpid()}" in str(caught.value)
    assert store.gc().bytes == 0


def test_readers_acquire_no_lock(store: LayoutStore) -> None:
    """Images can be listed, looked up and verified while other tasks hold every lock."""
    image = put(store, make(b"x"))
    locks = f"{store.root}/towline/locks"
    with acquire(f"{locks}/store"), acquire(f"{locks}/index"):
        reader = open_store(store.root)
        assert [found.id for found in reader.images()] == [image.id]
        assert reader.image("hello").raw_config
        assert reader.verify().clean


@pytest.mark.clause("STORE-017")
def test_gc_removes_unreachable_files(store: LayoutStore) -> None:
    """Blobs of removed images, partial blobs and files of killed tasks are removed."""
    kept = put(store, make(b"kept", b"shared"))
    gone = make(b"gone", b"shared", names=["localhost/gone:1"])
    put(store, gone)
    store.remove("gone:1")
    other = make(b"other")
    with store.begin(other.plan) as ingest:
        sink, _ = open_sink(ingest, other)
        with sink:
            sink.writer.write(b"12345")
    Path(store.root, "towline/tmp/left").write_bytes(b"left by a killed task")
    Path(store.root, "blobs/sha256/not-a-blob").write_bytes(b"not ours")
    collected = store.gc()
    size = len(gone.plan.manifest.data) + len(gone.plan.config)
    size += len(gone.blobs[gone.plan.layers[0].descriptor.digest_text])
    assert (collected.blobs, collected.partials, collected.bytes) == (3, 1, size + 5)
    assert os.listdir(f"{store.root}/towline/tmp") == []
    assert Path(store.root, "blobs/sha256/not-a-blob").exists()
    assert store.gc().bytes == 0
    assert store.image("hello").id == kept.id
    assert store.verify().clean


def test_many_threads_change_one_store(store: LayoutStore) -> None:
    """During concurrent pulls and removals every reader sees complete images; none is lost."""
    images = [make(bytes([n]), b"shared", names=[f"localhost/{n}:1"]) for n in range(6)]

    def work(number: int) -> None:
        made = images[number]
        for iteration in range(6):
            put(store, made.named(f"localhost/{number}:1", "localhost/moving:1"))
            assert store.image(f"localhost/{number}:1").id == made.plan.id
            assert store.image("localhost/moving:1").raw_config
            names = [name for image in store.images() for name in image.names]
            assert len(names) == len(set(names))
            assert store.verify().clean
            if iteration % 3 == 1:
                store.remove(made.plan.id)

    with ThreadPoolExecutor(len(images)) as pool:
        for done in [pool.submit(work, number) for number in range(len(images))]:
            done.result()
    assert {image.id for image in store.images()} == {made.plan.id for made in images}
    store.gc()
    assert store.verify().clean
