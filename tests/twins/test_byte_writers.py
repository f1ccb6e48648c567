"""Both cores copy members into a byte writer in Python as into their own writer."""

from __future__ import annotations

import collections
import hashlib
import signal
import sys
import threading
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.byte_writers import MemoryWriter
from tests.support.twin_actions import CORES, Core, both, result_of
from tests.support.twin_strategies import COMPRESSIONS, block, damaged, entry
from towline.core.failure import CoreError

every_core = pytest.mark.parametrize("core", CORES)
FRAMINGS = ["", "gzip", "bzip2", "xz", "zstd"]
every_framing = pytest.mark.parametrize("framing", FRAMINGS)
LARGE = hashlib.shake_128(b"member").digest(400_000)  # several slices, compressed or not


@cache
def packed(data: bytes, name: str) -> bytes:
    """Data in a compression; as it is if the name is empty."""
    return COMPRESSIONS[name](data) if name else data


def archive_of(core: Core, path: Path, framing: str, *contents: bytes) -> tuple[Any, Any]:
    """An archive with members of these contents, and (offset, size) of each."""
    tar = b"".join(entry(b"%d" % at, data) for at, data in enumerate(contents)) + bytes(1024)
    path.write_bytes(packed(tar, framing))
    archive = core.Archive(str(path))
    members, failure = archive.index()
    assert failure is None
    return archive, [(member.offset, member.size) for member in members]


@every_core
@every_framing
@pytest.mark.parametrize("inner", FRAMINGS)
@pytest.mark.parametrize("decompress", [False, True])
def test_the_bytes_are_those_that_the_own_writer_gets(
    tmp_path: Path, core: Core, framing: str, inner: str, decompress: bool
) -> None:
    """Members in any order arrive as stored, or decompressed once; one method is called."""
    contents = (LARGE, b"small", b"")
    stored = [packed(data, inner) for data in contents]
    archive, ranges = archive_of(core, tmp_path / "tar", framing, *stored)
    for at in (1, 0, 2, 0):
        own = core.BlobWriter(str(tmp_path / "blob"))
        archive.copy_to(*ranges[at], own, decompress)
        own.finish()
        writer = MemoryWriter()
        archive.copy_to(*ranges[at], writer, decompress)
        assert writer.data == (contents if decompress else stored)[at]
        assert writer.data == (tmp_path / "blob").read_bytes()
        if framing or (decompress and inner):
            assert set(writer.calls) <= {"write"}
        else:
            assert writer.calls == ["copy_range"]


@pytest.mark.clause("CORE-001")
@settings(
    max_examples=4 * settings().max_examples,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    data=st.binary(max_size=2000),
    inner=st.sampled_from(["", *sorted(COMPRESSIONS)]),
    outer=st.lists(st.sampled_from(sorted(COMPRESSIONS)), max_size=2),
    damage=st.data(),
    decompress=st.booleans(),
    shift=st.tuples(st.integers(0, 600), st.integers(-600, 600)),
)
def test_any_range_of_a_damaged_archive(
    tmp_path: Path,
    data: bytes,
    inner: str,
    outer: list[str],
    damage: st.DataObject,
    decompress: bool,
    shift: tuple[int, int],
) -> None:
    """Both deliver the same bytes before the same error, to this writer and to their own."""
    tar = entry(b"before", b"x" * 700) + entry(b"it", packed(data, inner)) + bytes(1024)
    for name in outer:
        tar = COMPRESSIONS[name](tar)
    tar = damage.draw(st.one_of(st.just(tar), damaged(st.just(tar))))
    path = tmp_path / "tar"
    path.write_bytes(tar)
    offset, size = 512 + 1024 + 512 + shift[0], max(0, len(data) + shift[1])

    def act(core: Core) -> Any:
        archive = core.Archive(str(path))
        writer = MemoryWriter()
        result = result_of(partial(archive.copy_to, offset, size, writer, decompress))
        own = core.BlobWriter(str(tmp_path / "blob"))
        expected = result_of(partial(archive.copy_to, offset, size, own, decompress))
        own.abort()
        assert result == expected
        assert writer.data == (tmp_path / "blob").read_bytes()
        return result, bytes(writer.data)

    both(act)


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("other", CORES)
@pytest.mark.parametrize("framing", ["", "gzip"])
def test_the_writer_of_the_other_core(
    tmp_path: Path, core: Core, other: Core, framing: str
) -> None:
    """Each archive can be copied to each writer."""
    archive, ranges = archive_of(core, tmp_path / "tar", framing, LARGE)
    writer = other.BlobWriter(str(tmp_path / "blob"))
    archive.copy_to(*ranges[0], writer)
    assert writer.finish()[1] == len(LARGE)
    assert (tmp_path / "blob").read_bytes() == LARGE


class FullError(Exception):
    """The failure of a writer; not known to any core."""


@every_core
@every_framing
@pytest.mark.parametrize("decompress", [False, True])
@pytest.mark.parametrize(
    "failure",
    [
        FullError("full"),
        CoreError("io", 7, "full"),
        CoreError("cancelled", 7, "stopped"),
        KeyboardInterrupt(),
        SystemExit(3),
    ],
    ids=repr,
)
def test_the_exception_of_a_writer(
    tmp_path: Path, core: Core, framing: str, decompress: bool, failure: BaseException
) -> None:
    """It comes out as the same object, at once; the archive can be used again."""
    archive, ranges = archive_of(core, tmp_path / "tar", framing, packed(LARGE, "gzip"), b"next")
    writer = MemoryWriter(300_000, failure)
    with pytest.raises(type(failure)) as caught:
        archive.copy_to(*ranges[0], writer, decompress)
    assert caught.value is failure
    assert failure.__cause__ is None
    assert failure.__context__ is None
    names = [frame.name for frame in caught.traceback]
    assert names[-1] == "_append"  # the traceback is that of the writer
    assert writer.data == (LARGE if decompress else packed(LARGE, "gzip"))[:300_000]
    calls = len(writer.calls)
    with pytest.raises(type(failure)) as caught:
        archive.copy_to(*ranges[1], writer)
    assert caught.value is failure
    assert len(writer.calls) == calls + 1
    for at in (1, 0):
        again = MemoryWriter()
        archive.copy_to(*ranges[at], again, True)
        assert again.data == (LARGE, b"next")[at]
    assert archive.measure(*ranges[0]) == len(LARGE)


@every_core
@pytest.mark.parametrize("framing", ["", "gzip"])
def test_a_writer_without_the_methods(tmp_path: Path, core: Core, framing: str) -> None:
    """It is an AttributeError with the name of the method; the archive can be used."""
    archive, ranges = archive_of(core, tmp_path / "tar", framing, b"data")
    with pytest.raises(AttributeError, match="write" if framing else "copy_range"):
        archive.copy_to(*ranges[0], None)
    assert archive.read(ranges) == [b"data"]


@every_core
@pytest.mark.parametrize("framing", ["", "gzip"])
def test_a_source_that_fails_is_told_from_the_writer(
    tmp_path: Path, core: Core, framing: str
) -> None:
    """After an error of the archive, the writer accepts further bytes."""
    archive, ranges = archive_of(core, tmp_path / "tar", framing, b"data")
    end = ranges[0][0] + 512 + 1024
    writer = MemoryWriter()
    failed = result_of(partial(archive.copy_to, end - 2, 3, writer))
    assert failed == ("failed", "truncated", end)
    writer.write(b"")
    assert writer.data == bytes(2)


@every_core
@pytest.mark.parametrize(
    ("framing", "inner", "decompress"),
    [("gzip", "", False), ("gzip", "gzip", True), ("", "gzip", True)],
)
def test_a_writer_that_uses_the_archive(
    tmp_path: Path, core: Core, framing: str, inner: str, decompress: bool
) -> None:
    """It gets a RuntimeError instead of waiting for itself; another archive can be used."""
    data = packed(LARGE, inner)
    archive, ranges = archive_of(core, tmp_path / "tar", framing, data)
    other, _ = archive_of(core, tmp_path / "other", framing, data)

    class Calling(MemoryWriter):
        def write(self, data: bytes, /) -> None:
            assert other.read(ranges) == [packed(LARGE, inner)]
            for call in (
                archive.index,
                partial(archive.read, ranges),
                partial(archive.measure, *ranges[0]),
                partial(archive.copy_to, *ranges[0], MemoryWriter()),
                partial(archive.copy_to, *ranges[0], core.BlobWriter(str(tmp_path / "blob"))),
            ):
                with pytest.raises(RuntimeError, match="in use by an outer call of this thread"):
                    call()
            super().write(data)

    writer = Calling()
    archive.copy_to(*ranges[0], writer, decompress)
    assert writer.data == LARGE
    with pytest.raises(RuntimeError, match="outer call"):
        archive.copy_to(*ranges[0], ArchiveReader(archive), decompress)
    assert archive.read(ranges) == [data]


class ArchiveReader(MemoryWriter):
    """A writer that reads the archive whose bytes it gets."""

    def __init__(self, archive: Any) -> None:
        super().__init__()
        self.archive = archive

    def write(self, data: bytes, /) -> None:
        self.archive.read([(512, 1)])


@every_core
def test_copy_range_may_use_the_archive(tmp_path: Path, core: Core) -> None:
    """Stored bytes of a plain archive are copied without the lock."""
    archive, ranges = archive_of(core, tmp_path / "tar", "", b"data")

    class Reading(MemoryWriter):
        def copy_range(self, fd: int, offset: int, size: int, /) -> None:
            self.write(archive.read([(offset, size)])[0])

    writer = Reading()
    archive.copy_to(*ranges[0], writer)
    assert writer.data == b"data"


@every_core
@every_framing
@pytest.mark.parametrize("decompress", [False, True])
def test_several_threads(tmp_path: Path, core: Core, framing: str, decompress: bool) -> None:
    """Threads share an archive: some copy to either writer, some fail, some read."""
    contents = [hashlib.shake_128(b"%d" % at).digest(300_000) for at in range(4)]
    stored = [packed(data, "gzip") for data in contents]
    expected = contents if decompress else stored
    archive, ranges = archive_of(core, tmp_path / "tar", framing, *stored)
    start = threading.Barrier(8)
    errors: list[BaseException] = []

    def to_memory(at: int) -> None:
        writer = MemoryWriter()
        archive.copy_to(*ranges[at], writer, decompress)
        assert writer.data == expected[at]

    def to_file(at: int) -> None:
        path = tmp_path / f"blob-{threading.get_ident()}"
        writer = core.BlobWriter(str(path))
        archive.copy_to(*ranges[at], writer, decompress)
        writer.finish()
        assert path.read_bytes() == expected[at]

    def to_full(at: int) -> None:
        full = FullError("full")
        with pytest.raises(FullError) as caught:
            archive.copy_to(*ranges[at], MemoryWriter(10, full), decompress)
        assert caught.value is full

    def read(at: int) -> None:
        assert archive.read([ranges[at]]) == [stored[at]]

    def work(action: Callable[[int], None], begin: int) -> None:
        start.wait()
        try:
            for at in range(4):
                action((begin + at) % 4)
        except BaseException as error:  # noqa: BLE001 - the test raises it
            errors.append(error)

    actions = [to_memory, to_memory, to_memory, to_file, to_file, to_full, to_full, read]
    threads = [
        threading.Thread(target=work, args=(action, at)) for at, action in enumerate(actions)
    ]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # the threads lose the GIL often
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert errors == []


@every_core
def test_a_thread_waits_for_the_archive_while_another_writes(tmp_path: Path, core: Core) -> None:
    """The writer can wait for Python code of another thread, which waits for the archive."""
    archive, ranges = archive_of(core, tmp_path / "tar", "gzip", LARGE)
    writing, about_to_read = threading.Event(), threading.Event()
    results: list[Any] = []

    def read() -> None:
        assert writing.wait(60)
        about_to_read.set()
        results.append(archive.read(ranges))

    class Waiting(MemoryWriter):
        def write(self, data: bytes, /) -> None:
            writing.set()
            assert about_to_read.wait(60)
            super().write(data)

    reader = threading.Thread(target=read)
    reader.start()
    writer = Waiting()
    archive.copy_to(*ranges[0], writer)
    reader.join()
    assert results == [[LARGE]]
    assert writer.data == LARGE


class Discarding:
    """A writer whose `write` is no Python code, so Python handles no signal in it."""

    def __init__(self) -> None:
        self.write = collections.deque[bytes](maxlen=0).append


@pytest.mark.clause("CORE-010")
@every_core
def test_an_interrupt_between_two_calls_of_a_writer(tmp_path: Path, core: Core) -> None:
    """Ctrl-C ends a long copy, and the archive can be used again."""
    size = 8 << 30
    header = block(b"endless", size=b"\x80" + size.to_bytes(11, "big"))
    gzip = COMPRESSIONS["gzip"]
    (tmp_path / "tar").write_bytes(gzip(header) + gzip(bytes(16 << 20)) * 512)
    archive = core.Archive(str(tmp_path / "tar"))
    main = threading.main_thread().ident or 0
    timer = threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        archive.copy_to(512, size, Discarding())
    timer.join()
    assert archive.read([(512, 3)]) == [bytes(3)]


@pytest.mark.clause("CORE-010")
@every_core
@pytest.mark.parametrize("framing", ["", "gzip"])
def test_an_interrupt_in_a_call_of_a_writer(tmp_path: Path, core: Core, framing: str) -> None:
    """Ctrl-C while the writer runs ends the copy, and the archive can be used again."""
    archive, ranges = archive_of(core, tmp_path / "tar", framing, LARGE)
    calls = []

    class Interrupted(MemoryWriter):
        def write(self, data: bytes, /) -> None:
            calls.append(len(data))
            signal.raise_signal(signal.SIGINT)

        def copy_range(self, fd: int, offset: int, size: int, /) -> None:
            self.write(b"")

    with pytest.raises(KeyboardInterrupt):
        archive.copy_to(*ranges[0], Interrupted())
    assert len(calls) == 1
    assert archive.read(ranges) == [LARGE]


@pytest.mark.clause("CORE-010")
@every_core
def test_a_stop_ends_the_copy_to_any_writer(tmp_path: Path, core: Core) -> None:
    """The stop of the archive is checked between two calls of the writer."""
    archive, ranges = archive_of(core, tmp_path / "tar", "gzip", LARGE)
    stop = core.Stop()
    archive = core.Archive(str(tmp_path / "tar"), stop=stop)

    class Stopping(MemoryWriter):
        def write(self, data: bytes, /) -> None:
            super().write(data)
            stop.set()

    writer = Stopping()
    assert result_of(partial(archive.copy_to, *ranges[0], writer))[1] == "cancelled"
    assert 0 < writer.offset < len(LARGE)
