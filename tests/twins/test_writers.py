"""Both writers write the same file and compute the same digest."""

from __future__ import annotations

import hashlib
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.twin_actions import CORES, Core, both, result_of
from tests.support.twin_strategies import COMPRESSIONS, entry
from towline.core.failure import CoreError

one_file = settings(
    max_examples=min(4 * settings().max_examples, 2_000),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
every_core = pytest.mark.parametrize("core", CORES)
pieces = st.lists(st.binary(max_size=3000), max_size=8)


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.mark.clause("CORE-001", "CORE-002")
@one_file
@given(before=st.binary(max_size=3000), some=pieces, resume=st.booleans(), sync=st.booleans())
def test_writing(
    tmp_path: Path, before: bytes, some: list[bytes], resume: bool, sync: bool
) -> None:
    """Digest, size, offsets and file are the same, with and without previous content."""

    def act(core: Core) -> Any:
        path = tmp_path / "blob"
        path.write_bytes(before)
        writer = core.BlobWriter(str(path), resume=resume)
        offsets = [writer.offset]
        for piece in some:
            writer.write(piece)
            offsets.append(writer.offset)
        return offsets, writer.finish(sync), path.read_bytes()

    whole = (before if resume else b"") + b"".join(some)
    assert both(act)[1:] == ((sha256(whole), len(whole)), whole)


@pytest.mark.clause("CORE-003")
@one_file
@given(some=pieces, cut=st.integers(0, 30_000))
def test_a_writer_that_stops_can_be_resumed_anywhere(
    tmp_path: Path, some: list[bytes], cut: int
) -> None:
    """The file of an aborted writer is a prefix, and so is every truncation of it."""
    whole = b"".join(some)

    def act(core: Core) -> Any:
        path = tmp_path / "blob"
        writer = core.BlobWriter(str(path))
        for piece in some:
            writer.write(piece)
        writer.abort()
        writer.abort()
        assert path.read_bytes() == whole
        os.truncate(path, min(cut, len(whole)))
        writer = core.BlobWriter(str(path), resume=True)
        writer.write(whole[writer.offset :])
        return writer.finish(), path.read_bytes()

    assert both(act) == ((sha256(whole), len(whole)), whole)


@one_file
@given(
    source=st.one_of(st.binary(max_size=5000), st.just(bytes(range(256)) * 20_000)),
    steps=st.lists(
        st.one_of(st.binary(max_size=50), st.tuples(st.integers(0, 6000), st.integers(0, 9000))),
        max_size=5,
    ),
)
def test_copying_ranges(
    tmp_path: Path, source: bytes, steps: list[bytes | tuple[int, int]]
) -> None:
    """Ranges are copied between writes; a range beyond the end of the source is an error."""
    (tmp_path / "source").write_bytes(source)

    def act(core: Core) -> Any:
        path = tmp_path / "blob"
        writer = core.BlobWriter(str(path))
        fd = os.open(tmp_path / "source", os.O_RDONLY)
        results = []
        for step in steps:
            if isinstance(step, bytes):
                writer.write(step)
            else:
                results.append(result_of(partial(writer.copy_range, fd, *step)))
        os.close(fd)
        return results, writer.finish(), path.read_bytes()

    results, (digest, size), written = both(act)
    assert (digest, size) == (sha256(written), len(written))
    ranges = [step for step in steps if not isinstance(step, bytes)]
    for (offset, wanted), result in zip(ranges, results, strict=True):
        if wanted and offset + wanted > len(source):
            assert result == ("failed", "truncated", max(offset, len(source)))
        else:
            assert result is None


@every_core
def test_a_whole_file_is_copied(tmp_path: Path, core: Core) -> None:
    """A large copy can use the shared blocks of a file system."""
    data = os.urandom(1 << 20) * 9
    (tmp_path / "source").write_bytes(data)
    with (tmp_path / "source").open("rb") as source:
        writer = core.BlobWriter(str(tmp_path / "blob"))
        writer.copy_range(source.fileno(), 0, len(data))
        assert writer.finish() == (sha256(data), len(data))
    assert (tmp_path / "blob").read_bytes() == data


@every_core
def test_copying_from_a_truncated_file(tmp_path: Path, core: Core) -> None:
    """An archive that was truncated after its index raises `truncated`."""
    path = tmp_path / "tar"
    path.write_bytes(entry(b"a", b"hello" * 2000))
    archive = core.Archive(str(path))
    (member,), failure = archive.index()
    assert failure is None
    os.truncate(path, 5000)
    writer = core.BlobWriter(str(tmp_path / "blob"))
    with pytest.raises(CoreError) as caught:
        archive.copy_to(member.offset, member.size, writer)
    assert (caught.value.code, caught.value.offset) == ("truncated", 5000)


@one_file
@given(
    data=st.binary(max_size=2000),
    inner=st.sampled_from(["", *sorted(COMPRESSIONS)]),
    outer=st.lists(st.sampled_from(sorted(COMPRESSIONS)), max_size=2),
    decompress=st.booleans(),
    cut=st.integers(0, 3),
)
def test_copying_members(
    tmp_path: Path, data: bytes, inner: str, outer: list[str], decompress: bool, cut: int
) -> None:
    """Members are copied as stored or decompressed once, with any framing and damage."""
    stored = COMPRESSIONS[inner](data) if inner else data
    whole = len(stored)
    stored = stored[: max(0, whole - cut)]
    tar = entry(b"before", b"x" * 700) + entry(b"it", stored) + entry(b"after", b"y") + bytes(1024)
    for name in outer:
        tar = COMPRESSIONS[name](tar)
    (tmp_path / "tar").write_bytes(tar)

    def act(core: Core) -> Any:
        archive = core.Archive(str(tmp_path / "tar"))
        members, _ = archive.index()
        results = []
        for at in (1, 2, 0, 1):
            writer = core.BlobWriter(str(tmp_path / "blob"))
            member = members[at]
            extent = member.offset, member.size
            failure = result_of(partial(archive.copy_to, *extent, writer, decompress))
            # The next writer opens the same file, so all writes must be finished.
            finished = writer.abort() if failure else writer.finish()
            results.append((failure, finished))
        return results

    results = both(act)
    assert results[0] == results[3]
    if not cut:
        expected = data if decompress else stored
        # Random data may begin like compressed data.
        if inner or not decompress:
            assert results[0] == (None, (sha256(expected), len(expected)))


@every_core
def test_a_closed_writer_raises_cancelled(tmp_path: Path, core: Core) -> None:
    """After `abort` or `finish`, every call except `abort` raises `cancelled`."""
    for close in ("abort", "finish"):
        writer = core.BlobWriter(str(tmp_path / "blob"))
        writer.write(b"hello")
        getattr(writer, close)()
        writer.abort()
        cancelled = ("failed", "cancelled", 5)
        assert result_of(partial(writer.write, b"more")) == cancelled
        assert result_of(partial(writer.copy_range, 0, 0, 1)) == cancelled
        assert result_of(writer.finish) == cancelled


@pytest.mark.clause("CORE-003")
@every_core
def test_a_deleted_writer_has_written_its_bytes(tmp_path: Path, core: Core) -> None:
    """A writer that is garbage-collected has written all bytes that were passed to it."""
    writer = core.BlobWriter(str(tmp_path / "blob"))
    for _ in range(9):
        writer.write(b"x" * 300_000)
    del writer
    assert (tmp_path / "blob").read_bytes() == b"x" * 2_700_000


def write_much(writer: Any) -> None:
    """Write more bytes than can be queued for hashing."""
    for _ in range(10_000):
        writer.write(b"x" * 4096)


@every_core
def test_a_full_disk(core: Core) -> None:
    """The error of the operating system is raised by this and every later call."""
    writer = core.BlobWriter("/dev/full")
    with pytest.raises(CoreError, match="/dev/full: No space left on device") as caught:
        write_much(writer)
    assert caught.value.code == "io"
    with pytest.raises(CoreError, match="No space left"):
        writer.finish()


@pytest.mark.clause("CORE-002")
@every_core
def test_a_file_that_another_process_extends(tmp_path: Path, core: Core) -> None:
    """A file that is longer than the written bytes is an error."""
    path = tmp_path / "blob"
    writer = core.BlobWriter(str(path))
    writer.write(b"hello")
    with path.open("r+b") as other:
        other.seek(9)
        other.write(b"!")
    assert result_of(writer.finish) == ("failed", "changed", 5)


@pytest.mark.clause("CORE-002")
@one_file
@given(data=st.binary(max_size=5000), algorithm=st.sampled_from(["sha256", "sha384", "sha512"]))
def test_digests(tmp_path: Path, data: bytes, algorithm: str) -> None:
    """The digests of files and of written bytes are those of hashlib."""
    (tmp_path / "file").write_bytes(data)
    expected = (f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}", len(data))
    assert both(lambda core: core.hash_file(str(tmp_path / "file"), algorithm)) == expected

    def act(core: Core) -> Any:
        writer = core.BlobWriter(str(tmp_path / "blob"), algorithm=algorithm)
        writer.write(data)
        return writer.finish()

    assert both(act) == expected
