"""Blobs: resuming, verification, locking and garbage collection."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import towline.store.layout.blobs
import towline.store.layout.stamps
from tests.support.privileges import bound_by_file_modes
from tests.support.store_images import Made, blob_path, make, put, write_missing
from towline.cancel import CancelToken
from towline.errors import PathError, PullCancelledError, StoreError, VerificationError
from towline.frozen import replace
from towline.name.digest import parse_digest
from towline.store.layout import locks as store_locks
from towline.store.layout.locks import acquire
from towline.store.layout.paths import StorePaths
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


def plant(store: LayoutStore, digest: str, data: bytes) -> Path:
    """Put a file into the layout, as another tool would, some time ago."""
    path = Path(blob_path(store, parse_digest(digest)))
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    os.utime(path, (1, 1))
    return path


def fetched(store: LayoutStore, made: Made) -> list[str]:
    """The digests of the layers that a pull of an image fetches; the blobs are right afterwards."""
    with store.begin(made.plan) as ingest:
        written = write_missing(ingest, made)
        ingest.publish()
    for digest, data in made.blobs.items():
        assert Path(blob_path(store, parse_digest(digest))).read_bytes() == data
    return written


@pytest.mark.clause("STORE-025")
def test_a_file_of_another_tool_is_hashed_before_it_counts(store: LayoutStore) -> None:
    """The right bytes are not fetched; other bytes of the same name and size are replaced."""
    made = make(b"right", b"wrong")
    right, wrong = made.blobs
    plant(store, right, made.blobs[right])
    plant(store, wrong, bytes(len(made.blobs[wrong])))
    assert fetched(store, made) == [wrong]
    assert fetched(store, made) == []
    assert store.verify().clean


@pytest.mark.clause("STORE-025")
def test_a_blob_that_changed_is_fetched_again(store: LayoutStore) -> None:
    """The change is found even if the size and the time of modification are the old ones."""
    made = make(b"1", b"2")
    put(store, made)
    path = Path(blob_path(store, parse_digest(next(iter(made.blobs)))))
    times = path.stat()
    path.write_bytes(bytes(times.st_size))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert fetched(store, made) == [next(iter(made.blobs))]


@pytest.mark.clause("STORE-025")
def test_a_blob_that_verify_found_damaged_is_fetched_again(
    store: LayoutStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decay on the disk changes no time of the file, so only its bytes show it."""
    made = make(b"1")
    put(store, made)
    (digest,) = made.blobs
    path = Path(blob_path(store, parse_digest(digest)))
    path.write_bytes(bytes(path.stat().st_size))
    stamps = vars(towline.store.layout.stamps)
    monkeypatch.setattr(towline.store.layout.stamps, "_identity", lambda found: b"the same")
    stamps["Stamps"](StorePaths.below(store.root)).write(parse_digest(digest), path.stat())
    with store.begin(made.plan) as ingest:
        assert ingest.missing() == ()  # as after decay
    assert [fault.code for fault in store.verify().faults] == ["store.blob_damaged"]
    assert fetched(store, made) == [digest]


@pytest.mark.clause("STORE-025")
def test_a_second_pull_hashes_nothing(store: LayoutStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stamps of the first one are enough, also in another process."""
    made = make(b"1", b"2")
    put(store, made)
    monkeypatch.setattr(towline.store.layout.blobs, "hash_file", None)
    assert fetched(open_store(store.root), made) == []


@pytest.mark.clause("STORE-025")
def test_hard_links_made_during_a_pull(store: LayoutStore, tmp_path: Path) -> None:
    """A backup changes the times of the files; the pull still succeeds."""
    made = make(b"1", b"2")
    with store.begin(made.plan) as ingest:
        for missing in ingest.missing():
            digest = missing.descriptor.digest_text
            sink = ingest.sink(missing)
            assert sink is not None
            with sink:
                sink.writer.write(made.blobs[digest])
                sink.commit()
            os.link(blob_path(store, parse_digest(digest)), tmp_path / digest.partition(":")[2])
        ingest.publish()
    assert fetched(store, made) == []


@pytest.mark.clause("STORE-025")
@pytest.mark.parametrize("kind", ["pipe", "folder", "link", "garbage", "unreadable", "huge"])
def test_an_unusable_stamp_costs_one_hash(store: LayoutStore, kind: str) -> None:
    """It is no error, and no reason to fetch the blob."""
    made = make(b"1")
    put(store, made)
    (digest,) = made.blobs
    plant(store, digest, made.blobs[digest])
    stamp = Path(StorePaths.below(store.root).stamp(parse_digest(digest)))
    stamp.unlink()
    match kind:
        case "pipe":
            os.mkfifo(stamp)
        case "folder":
            stamp.mkdir()
        case "link":
            stamp.symlink_to("/dev/zero")
        case "garbage":
            stamp.write_bytes(b"\xff\n 1 1")
        case "unreadable":
            stamp.write_bytes(b"1 1 1 1")
            stamp.chmod(0)
        case _:
            with stamp.open("wb") as file:
                file.truncate(1 << 40)
    assert fetched(store, made) == []
    assert store.gc().blobs == 0


@pytest.mark.clause("STORE-025")
@given(
    layers=st.lists(
        st.tuples(
            st.sampled_from(["absent", "right", "wrong", "short", "long", "link", "folder"]),
            st.sampled_from(["none", "kept", "stale"]),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_pull_over_any_files_stores_the_right_bytes(
    tmp_path_factory: pytest.TempPathFactory, layers: list[tuple[str, str]]
) -> None:
    """Only the layers whose files are not the right ones are fetched."""
    store = open_store(tmp_path_factory.mktemp("pull") / "store")
    made = make(*(bytes([number]) * 1000 for number in range(len(layers))))
    put(store, made)
    wanted = []
    for (digest, data), (kind, stamp) in zip(made.blobs.items(), layers, strict=True):
        kept = Path(StorePaths.below(store.root).stamp(parse_digest(digest)))
        path = Path(blob_path(store, parse_digest(digest)))
        if kind == "right":
            plant(store, digest, data)
        elif kind in ("wrong", "short", "long"):
            sizes = {"wrong": len(data), "short": len(data) - 1, "long": len(data) + 1}
            plant(store, digest, bytes(sizes[kind]))
        else:
            path.unlink()
            if kind == "link":
                path.symlink_to("/dev/zero")
            elif kind == "folder":
                path.mkdir()
        if stamp == "none":
            kept.unlink()
        elif stamp == "stale":
            kept.write_bytes(b"1 2 3 4")
        if kind != "right":
            wanted.append(digest)
    if any(kind == "folder" for kind, _ in layers):
        with pytest.raises(PathError, match="directory"):
            fetched(store, made)
        return
    assert sorted(fetched(store, made)) == sorted(wanted)
    assert store.verify().clean


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


def test_a_partial_blob_longer_than_listed_is_kept(store: LayoutStore) -> None:
    """The listed size may be wrong (REG-027); the source begins again if the blob is shorter."""
    made = make(b"x")
    digest = made.plan.layers[0].descriptor.digest
    Path(store.root, "towline/partial/sha256", digest.hex).write_bytes(bytes(100_000))
    with store.begin(made.plan) as ingest:
        sink, _ = open_sink(ingest, made)
        with sink:
            assert sink.writer.offset == 100_000


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


@pytest.mark.clause("STORE-017")
def test_gc_reports_holders_whose_files_are_closed_to_it(store: LayoutStore) -> None:
    """The files of another user's pull need not be readable; a file that is left is no holder."""
    locks = Path(store.root, "towline/locks")
    with store.begin(make(b"x").plan):
        (locks / "holders" / "4194304-0123456789abcdef").touch()
        for file in (locks / "store", *(locks / "holders").iterdir()):
            file.chmod(0)
        with bound_by_file_modes(), pytest.raises(PathError):
            store.gc()
        (locks / "store").chmod(0o444)
        (locks / "holders").chmod(0o555)
        with bound_by_file_modes(), pytest.raises(StoreError) as caught:
            store.gc()
        (locks / "holders").chmod(0o755)
    assert caught.value.code == "store.busy"
    assert {holder.pid for holder in caught.value.facts["holders"]} == {os.getpid(), 4194304}
    processes = sorted(map(str, (os.getpid(), 4194304)))  # by the names of their files
    assert f"is in use by process {processes[0]}, process {processes[1]};" in str(caught.value)


@pytest.mark.clause("STORE-013")
def test_a_wait_for_another_process_is_logged(
    store: LayoutStore, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, with the process and what it does; a wait for a task of this process is not."""
    monkeypatch.setattr(store_locks, "_SILENT", 0.0)
    made = make(b"x")
    digest = made.plan.layers[0].descriptor.digest
    program = f"""
import os, signal, sys
from towline.store.layout.store import open_store
from tests.support.store_images import make
made = make(b"x")
with open_store({store.root!r}).begin(made.plan) as ingest, ingest.sink(made.plan.layers[0]):
    print("holding", flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-c", program]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True, cwd=root) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "holding\n"
        other.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, other.pid, os.WSTOPPED | os.WNOWAIT)
        with store.begin(made.plan) as ingest, ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(ingest.sink, made.plan.layers[0])
            while not caplog.messages:
                wait_for([waiting], 0.01)
            other.send_signal(signal.SIGCONT)
            other.stdin.close()
            sink = waiting.result(60)
            assert sink is not None
            with sink:
                pass
    pulling = f"process {other.pid} (pulling localhost/hello:latest)"
    (message,) = caplog.messages
    assert message == f"waiting for {pulling}, which uses the blob {digest} and is stopped"
    with store.begin(made.plan) as first, open_sink(first, made)[0]:
        assert_waits(lambda token: store.begin(made.plan, cancel=token).sink(made.plan.layers[0]))
    assert len(caplog.messages) == 1


@pytest.mark.clause("STORE-013")
def test_a_removal_that_waits_for_another_process_is_logged(
    store: LayoutStore, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A removal cannot be cancelled, and waits in the same way."""
    monkeypatch.setattr(store_locks, "_SILENT", 0.0)
    put(store, make(b"x"))
    program = f"""
import sys
from towline.store.layout.locks import acquire
with acquire("{store.root}/towline/locks/index"):
    print("holding", flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "holding\n"
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(store.remove, "localhost/hello")
            while not caplog.messages:
                wait_for([waiting], 0.01)
            other.stdin.close()
            assert waiting.result(60).image
    assert caplog.messages == [f"waiting for process {other.pid}, which uses index.json"]


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
