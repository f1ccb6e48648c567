"""Fetching blobs: resuming, checking, and one fetch among many tasks."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.store_images import Made, make, put
from towline.cancel import CancelToken
from towline.errors import PullCancelledError, StoreError, VerificationError
from towline.store.layout import LayoutIngest, LayoutSink, LayoutStore, open_store
from towline.store.layout.locks import acquire


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    return open_store(tmp_path / "store")


def opened(ingest: LayoutIngest, made: Made) -> tuple[LayoutSink, bytes]:
    """The sink of the only layer, and its bytes."""
    layer = made.plan.layers[0]
    sink = ingest.sink(layer)
    assert sink is not None
    return sink, made.blobs[layer.descriptor.digest_text]


@pytest.mark.clause("STORE-014", "CORE-003")
def test_a_fetch_goes_on_where_it_ended(store: LayoutStore) -> None:
    """What arrived of a blob is kept as its prefix and taken up by the next attempt."""
    made = make(b"x")
    with store.begin(made.plan) as ingest:
        sink, data = opened(ingest, made)
        with sink:
            assert sink.offset == 0
            sink.writer.write(data[:20])
        with pytest.raises(StoreError):
            ingest.publish()
    with open_store(store.root).begin(made.plan) as ingest:
        sink, data = opened(ingest, made)
        with sink:
            assert sink.offset == sink.writer.offset == 20
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
def test_wrong_bytes_are_dropped_and_a_restart_begins_anew(store: LayoutStore) -> None:
    """A digest that differs drops the bytes; the same sink can take the blob from zero."""
    made = make(b"x")
    with store.begin(made.plan) as ingest:
        sink, data = opened(ingest, made)
        with sink:
            sink.writer.write(bytes(len(data)))
            with pytest.raises(VerificationError) as caught:
                sink.commit()
            assert caught.value.code == "verify.digest"
            assert caught.value.facts["size"] == len(data)
            assert os.listdir(f"{store.root}/towline/partial/sha256") == []
            sink.restart()
            assert sink.offset == 0
            sink.writer.write(data)
            sink.commit()
        ingest.publish()
    assert store.verify().clean


def test_a_size_that_differs_is_refused(store: LayoutStore) -> None:
    """Right bytes are not taken under a descriptor that gives another size."""
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


def test_an_unknown_size_is_no_fault(store: LayoutStore) -> None:
    """Where the descriptor does not say a size, the digest decides alone."""
    made = make(b"x")
    layer = made.plan.layers[0]
    plan = replace(
        made.plan, layers=(replace(layer, descriptor=replace(layer.descriptor, size=-1)),)
    )
    assert put(store, replace(made, plan=plan)).id == made.plan.id


def test_a_partial_that_is_too_long_is_dropped(store: LayoutStore) -> None:
    """More bytes than the blob has are no prefix of it."""
    made = make(b"x")
    digest = made.plan.layers[0].descriptor.digest
    Path(store.root, "towline/partial/sha256", digest.hex).write_bytes(bytes(100_000))
    with store.begin(made.plan) as ingest:
        sink, _ = opened(ingest, made)
        with sink:
            assert sink.offset == 0


def test_a_blob_cut_short_on_the_disk_is_fetched_again(store: LayoutStore) -> None:
    """A file whose size is not the blob's, as a loss of power may leave, counts as missing."""
    made = make(b"x")
    image = put(store, made)
    Path(store.blob_path(image.layers[0].digest)).write_bytes(b"")
    Path(store.blob_path(image.digest)).write_bytes(b"")
    assert not store.verify().clean
    put(store, made)
    assert store.verify().clean


@pytest.mark.clause("STORE-013")
def test_threads_fetch_each_blob_once(store: LayoutStore) -> None:
    """Whoever waits for a blob that another thread fetches gets it without fetching."""
    made = make(b"x" * 1000)
    at_once, fetched = threading.Barrier(8), []

    def pull(number: int) -> str:
        with store.begin(made.plan) as ingest:
            at_once.wait(30)
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


def waits(begin: Callable[[CancelToken], object]) -> None:
    """Holds that `begin` waits, and stops waiting when it is cancelled."""
    token = CancelToken()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(begin, token)
        with pytest.raises(TimeoutError):
            waiting.result(0.05)
        token.cancel()
        with pytest.raises(PullCancelledError):
            waiting.result(30)


def test_waiting_for_a_blob_can_be_cancelled(store: LayoutStore) -> None:
    """A task that waits for another one's fetch lets itself be cancelled."""
    made = make(b"x")
    with store.begin(made.plan) as first, store.begin(made.plan) as second:
        sink, _ = opened(first, made)
        with sink:
            waits(lambda token: second.sink(made.plan.layers[0], token))


def test_waiting_for_the_store_can_be_cancelled(store: LayoutStore) -> None:
    """So does one that waits for the end of a gc."""
    with acquire(f"{store.root}/towline/locks/store"):
        waits(lambda token: store.begin(make(b"x").plan, cancel=token))


@pytest.mark.clause("STORE-017")
def test_gc_says_who_holds_the_store(store: LayoutStore) -> None:
    """While images are being taken gc does nothing, and tells by whom and which."""
    with store.begin(make(b"x").plan), pytest.raises(StoreError) as caught:
        store.gc()
    assert caught.value.code == "store.busy"
    (holder,) = caught.value.facts["holders"]
    assert (holder.pid, holder.purpose) == (os.getpid(), "pulling localhost/hello:latest")
    assert f"process {os.getpid()}" in str(caught.value)
    assert store.gc().bytes == 0


def test_readers_take_no_lock(store: LayoutStore) -> None:
    """Images are listed, found and verified while every lock is held by others."""
    image = put(store, make(b"x"))
    locks = f"{store.root}/towline/locks"
    with acquire(f"{locks}/store"), acquire(f"{locks}/index"):
        reader = open_store(store.root)
        assert [found.id for found in reader.images()] == [image.id]
        assert reader.image("hello").config
        assert reader.verify().clean


@pytest.mark.clause("STORE-017")
def test_gc_removes_what_nothing_reaches(store: LayoutStore) -> None:
    """Blobs of removed images, beginnings of blobs and leftovers of killed tasks go."""
    kept = put(store, make(b"kept", b"shared"))
    gone = make(b"gone", b"shared", names=["localhost/gone:1"])
    put(store, gone)
    store.remove("gone:1")
    other = make(b"other")
    with store.begin(other.plan) as ingest:
        sink, _ = opened(ingest, other)
        with sink:
            sink.writer.write(b"12345")
    Path(store.root, "towline/tmp/left").write_bytes(b"left by a killed task")
    Path(store.root, "blobs/sha256/not-a-blob").write_bytes(b"not ours")
    swept = store.gc()
    size = len(gone.plan.manifest.data) + len(gone.plan.config)
    size += len(gone.blobs[gone.plan.layers[0].descriptor.digest_text])
    assert (swept.blobs, swept.partials, swept.bytes) == (3, 1, size + 5)
    assert os.listdir(f"{store.root}/towline/tmp") == []
    assert Path(store.root, "blobs/sha256/not-a-blob").exists()
    assert store.gc().bytes == 0
    assert store.image("hello").id == kept.id
    assert store.verify().clean


def test_many_threads_change_one_store(store: LayoutStore) -> None:
    """Pulls, removals and readers at once: every reader sees whole images, and nothing is lost."""
    images = [make(bytes([n]), b"shared", names=[f"localhost/{n}:1"]) for n in range(6)]

    def work(number: int) -> None:
        made = images[number]
        for turn in range(6):
            put(store, made.named(f"localhost/{number}:1", "localhost/moving:1"))
            assert store.image(f"localhost/{number}:1").id == made.plan.id
            assert store.image("localhost/moving:1").config
            names = [name for image in store.images() for name in image.names]
            assert len(names) == len(set(names))
            assert store.verify().clean
            if turn % 3 == 1:
                store.remove(made.plan.id)

    with ThreadPoolExecutor(len(images)) as pool:
        for done in [pool.submit(work, number) for number in range(len(images))]:
            done.result()
    assert {image.id for image in store.images()} == {made.plan.id for made in images}
    store.gc()
    assert store.verify().clean
