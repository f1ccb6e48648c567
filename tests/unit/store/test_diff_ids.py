"""Diff IDs of layers: computed while a layer is written, or when one is asked for."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

import towline.store.layout.diff_ids
from tests.support.store_images import Made, blob_path, layer, make, put
from towline.core import CoreError, Stop, diff_id_of
from towline.errors import SourceError, StoreError, VerificationError
from towline.frozen import replace
from towline.image.descriptor import Descriptor
from towline.name.digest import sha256_of
from towline.store.layout.sink import LayoutSink
from towline.store.layout.store import LayoutStore, open_store
from towline.store.protocol import LayerPlan

NOT_A_TAR = b"not a tar, and not compressed" * 40


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    return open_store(tmp_path / "store")


@pytest.fixture
def decompressed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The digests of the stored blobs that are decompressed."""
    seen: list[str] = []

    def count(path: str, digest: str, stop: Stop) -> str:
        seen.append(digest)
        return diff_id_of(path, digest, stop)

    monkeypatch.setattr(towline.store.layout.diff_ids, "diff_id_of", count)
    return seen


def with_layer(data: bytes, size: int | None = None) -> Made:
    """An image whose only layer has these bytes."""
    digest = str(sha256_of(data))
    made = make(b"x")
    old = made.plan.layers[0].descriptor
    document = made.plan.manifest.data.replace(old.digest_text.encode(), digest.encode())
    plan = replace(
        made.plan,
        manifest=replace(made.plan.manifest, data=document),
        layers=(LayerPlan(replace(old, digest_text=digest, size=size or len(data))),),
    )
    return Made(plan, {digest: data})


def test_a_layer_is_decompressed_while_it_is_written(
    store: LayoutStore, decompressed: list[str]
) -> None:
    """The commit returns the diff ID; a layer that was there before is read."""
    made = make(b"a", b"b")
    for second in (False, True):
        with store.begin(made.plan, diff_ids=True) as ingest:
            for wanted in ingest.missing():
                sink = ingest.sink(wanted)
                assert sink is not None
                with sink:
                    data = made.blobs[wanted.descriptor.digest_text]
                    for offset in range(0, len(data), 50):
                        sink.writer.write(data[offset : offset + 50])
                    assert sink.commit().diff_id == ingest.diff_id(wanted)
            found = [ingest.diff_id(each) for each in made.plan.layers]
            assert found == [layer(b"a")[1], layer(b"b")[1]]
            assert [ingest.diff_id(each) for each in made.plan.layers] == found
        assert len(decompressed) == (2 if second else 0)


def test_diff_ids_are_computed_only_if_they_are_asked_for(store: LayoutStore) -> None:
    """Without `diff_ids`, no layer is decompressed while it is written."""
    made = make(b"a")
    with store.begin(made.plan) as ingest:
        sink = ingest.sink(made.plan.layers[0])
        assert sink is not None
        with sink:
            assert not [each for each in threading.enumerate() if each.name == "towline-diff-id"]
            sink.writer.write(made.blobs[made.plan.layers[0].descriptor.digest_text])
            assert sink.commit().diff_id is None
        assert ingest.diff_id(made.plan.layers[0]) == layer(b"a")[1]


@pytest.mark.clause("STORE-004")
def test_a_diff_id_of_an_earlier_attempt_is_dropped(store: LayoutStore) -> None:
    """The bytes of a rejected attempt prove nothing about the bytes of the next one."""
    trusted, trusted_id = layer(b"trusted", 0)
    enemy, enemy_id = layer(b"enemy!!", 0)
    made = with_layer(enemy)
    assert len(enemy) == len(trusted)
    with store.begin(made.plan, diff_ids=True) as ingest:
        sink = ingest.sink(made.plan.layers[0])
        assert sink is not None
        with sink:
            sink.writer.write(trusted)
            with pytest.raises(VerificationError):
                sink.commit()
            sink.restart()
            sink.writer.write(trusted[:40])
            sink.restart()
            sink.writer.write(enemy[:40])
        sink = ingest.sink(made.plan.layers[0])  # as after a connection that broke off
        assert sink is not None
        with sink:
            assert sink.writer.offset == 40
            sink.writer.write(enemy[40:])
            sink.commit()
        assert ingest.diff_id(made.plan.layers[0]) == enemy_id != trusted_id


def test_a_resumed_layer_has_the_diff_id_of_all_its_bytes(
    store: LayoutStore, decompressed: list[str]
) -> None:
    """The bytes of an earlier pull are decompressed too."""
    made = make(b"resumed" * 1000)
    data = made.blobs[made.plan.layers[0].descriptor.digest_text]
    for part in (data[:30], data[30:]):
        with store.begin(made.plan, diff_ids=True) as ingest:
            sink = ingest.sink(made.plan.layers[0])
            assert sink is not None
            with sink:
                sink.writer.write(part)
                if part != data[:30]:
                    assert sink.commit().diff_id == layer(b"resumed" * 1000)[1]
    assert decompressed == []


@pytest.mark.parametrize("alongside", [True, False])
def test_a_blob_that_is_not_a_layer(
    store: LayoutStore, decompressed: list[str], alongside: bool
) -> None:
    """It is stored; its diff ID is an error, and the bytes are read only once."""
    made = with_layer(NOT_A_TAR)
    with store.begin(made.plan, diff_ids=alongside) as ingest:
        sink = ingest.sink(made.plan.layers[0])
        assert sink is not None
        with sink:
            sink.writer.write(NOT_A_TAR)
            assert sink.commit().diff_id is None
        with pytest.raises(SourceError) as caught:
            ingest.diff_id(made.plan.layers[0])
        assert (caught.value.code, caught.value.facts["code"]) == ("core.layer", "not_tar")
        assert len(decompressed) == (0 if alongside else 1)
        ingest.publish()


def test_a_layer_of_unknown_size_is_read_when_it_is_asked_for(store: LayoutStore) -> None:
    """While it is written, its end is unknown."""
    data, diff_id = layer(b"unknown")
    made = with_layer(data, -1)
    with store.begin(made.plan, diff_ids=True) as ingest:
        sink = ingest.sink(made.plan.layers[0])
        assert sink is not None
        with sink:
            sink.writer.write(data)
            assert sink.commit().diff_id is None
        assert ingest.diff_id(made.plan.layers[0]) == diff_id


def test_an_abandoned_layer_leaves_no_thread(store: LayoutStore) -> None:
    """The thread ends with the sink, also if it is left by an error."""
    made = make(b"a")
    with store.begin(made.plan, diff_ids=True) as ingest:
        sink = ingest.sink(made.plan.layers[0])
        assert sink is not None
        with pytest.raises(RuntimeError, match="broken"), sink:
            raise RuntimeError("broken")
    assert not [each for each in threading.enumerate() if each.name == "towline-diff-id"]


def test_an_interrupted_commit_leaves_no_thread(
    store: LayoutStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C during the wait for the thread; leaving the context ends it."""
    join, joined = threading.Thread.join, []

    def interrupt(thread: threading.Thread, timeout: float | None = None) -> None:
        joined.append(thread)
        if len(joined) == 1:
            raise KeyboardInterrupt
        join(thread, timeout)

    made = make(b"a")
    with store.begin(made.plan, diff_ids=True) as ingest:
        sink = ingest.sink(made.plan.layers[0])
        assert sink is not None
        monkeypatch.setattr(threading.Thread, "join", interrupt)
        sink.writer.write(b"incomplete")
        with pytest.raises(KeyboardInterrupt), sink:
            sink.commit()
    assert len(joined) == 2
    assert not joined[0].is_alive()


def test_an_open_sink_does_not_keep_the_process_alive(tmp_path: Path) -> None:
    """A program that ends without closing it exits, with and without a reference to it."""
    code = f"""
from tests.support.store_images import make
from towline.store.layout.store import open_store
made = make(b"a")
ingest = open_store({str(tmp_path / "store")!r}).begin(made.plan, diff_ids=True)
sink = ingest.sink(made.plan.layers[0])
sink.writer.write(b"some")
del sink  # its lock is released
sink = ingest.sink(made.plan.layers[0])
sink.writer.write(b"bytes")
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_only_errors_of_the_writer_are_errors_of_the_store(store: LayoutStore) -> None:
    """An error of the core that a source or a hook raises is not changed."""
    made = make(b"a")
    data = made.blobs[made.plan.layers[0].descriptor.digest_text]
    error = CoreError("io", 7, "another file")
    with store.begin(made.plan) as ingest:
        for commit in (False, True):
            sink = ingest.sink(made.plan.layers[0])
            assert sink is not None
            if commit:
                sink.writer.write(data)
                sink.commit()
            with pytest.raises(CoreError) as caught, sink:
                raise error
            assert caught.value is error


def test_without_a_thread_the_stored_layer_is_read(
    store: LayoutStore, monkeypatch: pytest.MonkeyPatch, decompressed: list[str]
) -> None:
    """A process that may start no more threads still gets its diff IDs."""

    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    made = make(b"a")
    assert put(store, made, diff_ids=True).id == made.plan.id
    assert decompressed == [made.plan.layers[0].descriptor.digest_text]


def test_an_error_of_the_writer_is_an_error_of_the_store(store: LayoutStore) -> None:
    """A context that is left with an error of the core raises a StoreError."""
    made = make(b"a")
    with store.begin(made.plan) as ingest:
        sink = ingest.sink(made.plan.layers[0])
        assert isinstance(sink, LayoutSink)
        sink.writer.abort()
        with pytest.raises(StoreError) as caught, sink:
            sink.writer.write(b"more")
        assert caught.value.code == "store.write_failed"
        assert str(caught.value) == "cannot write to the store: the writer is closed"


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_blob_with_other_bytes_has_no_diff_id(store: LayoutStore, algorithm: str) -> None:
    """A damaged blob is an error, whatever the algorithm of its digest is."""
    made = make(b"stored", algorithm=algorithm)
    put(store, made)
    wanted = made.plan.layers[0]
    data, _ = layer(b"damage")
    Path(blob_path(store, wanted.descriptor.digest)).write_bytes(data)
    with store.begin(make(b"x").plan) as ingest, pytest.raises(SourceError) as caught:
        ingest.diff_id(LayerPlan(Descriptor("", wanted.descriptor.digest_text, -1)))
    assert caught.value.facts["code"] == "changed"
