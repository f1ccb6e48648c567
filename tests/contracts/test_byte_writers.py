"""A byte writer in Python behaves like the core's writer: the contract of `ByteWriter`."""

from __future__ import annotations

import errno
import math
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.byte_writers import MemoryWriter
from towline.core import BlobWriter, ByteWriter, CoreError

SOURCE = bytes(range(251)) * 2000  # more than is read at once


@dataclass(frozen=True)
class Write:
    """Append bytes."""

    data: bytes

    def apply(self, writer: ByteWriter, _: int) -> object:
        writer.write(self.data)
        return None


@dataclass(frozen=True)
class Copy:
    """Append a range of the source file, which can be beyond its end."""

    offset: int
    size: int

    def apply(self, writer: ByteWriter, source: int) -> object:
        writer.copy_range(source, self.offset, self.size)
        return None


@dataclass(frozen=True)
class Receive:
    """Append bytes of a socket; its peer sends `sent` and then closes it, or is silent."""

    sent: bytes
    most: int
    closed: bool

    def apply(self, writer: ByteWriter, _: int) -> object:
        local, peer = socket.socketpair()
        with local, peer:
            peer.sendall(self.sent)
            if self.closed:
                peer.close()
            count, waited = writer.receive(local.fileno(), self.most, 0.0)
            assert waited == 0.0
            # Bytes that were not asked for are still there.
            rest = local.recv(1 << 16, socket.MSG_DONTWAIT) if len(self.sent) > count else b""
            return count, rest


Step = Write | Copy | Receive
sizes = st.one_of(st.integers(-1, 300), st.integers(0, 2 * len(SOURCE)))
steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(Write, st.binary(max_size=300)),
    st.builds(Copy, sizes, sizes),
    st.builds(
        Receive, st.binary(max_size=300), st.one_of(st.integers(-1, 300), sizes), st.booleans()
    ),
)


def outcome(action: Callable[[], object]) -> Any:
    """The result of an action, or what its error says."""
    try:
        return action()
    except CoreError as error:
        return error.code, error.offset, error.detail
    except OSError as error:
        return type(error), error.errno
    except (OverflowError, ValueError) as error:
        return type(error)


def memory_writer(_: Path) -> MemoryWriter:
    return MemoryWriter()


def core_writer(path: Path) -> BlobWriter:
    return BlobWriter(str(path))


def bytes_of(writer: ByteWriter, path: Path) -> bytes:
    """The bytes that a writer has."""
    if isinstance(writer, MemoryWriter):
        return bytes(writer.data)
    return path.read_bytes()


Make = Callable[[Path], ByteWriter]
every_writer = pytest.mark.parametrize("make", [memory_writer, core_writer])


def run(make: Make, path: Path, source: int, sequence: list[Step]) -> Any:
    """The result and the offset after each step, and the bytes."""
    writer = make(path)
    results = [(outcome(partial(step.apply, writer, source)), writer.offset) for step in sequence]
    return results, bytes_of(writer, path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=st.lists(steps, max_size=6))
def test_steps_in_any_order(tmp_path: Path, sequence: list[Step]) -> None:
    """Results, errors, offsets and bytes are the same, also for ranges beyond the end of a file."""
    (tmp_path / "source").write_bytes(SOURCE)
    with (tmp_path / "source").open("rb") as file:
        source = file.fileno()
        found = run(memory_writer, tmp_path / "blob", source, sequence)
        assert found == run(core_writer, tmp_path / "blob", source, sequence)


@every_writer
def test_a_file_that_is_too_short(tmp_path: Path, make: Make) -> None:
    """Its bytes are appended before the error, and the writer can still be used."""
    path = tmp_path / "blob"
    (tmp_path / "source").write_bytes(b"short")
    with (tmp_path / "source").open("rb") as file:
        writer = make(path)
        with pytest.raises(CoreError) as caught:
            writer.copy_range(file.fileno(), 1, 10)
        detail = f"file descriptor {file.fileno()} ends at byte 5, 6 too early"
        assert caught.value.args == ("truncated", 5, detail)
        assert file.tell() == 0
    writer.write(b"")
    writer.write(b"er")
    assert bytes_of(writer, path) == b"horter"


@every_writer
def test_a_file_that_cannot_be_read(tmp_path: Path, make: Make) -> None:
    """Each later call raises the error again."""
    writer = make(tmp_path / "blob")
    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        failed = ("io", 3, f"file descriptor {directory}: {os.strerror(errno.EISDIR)}")
        assert outcome(partial(writer.copy_range, directory, 3, 4)) == failed
        assert outcome(partial(writer.copy_range, directory, 0, 4)) == failed
    finally:
        os.close(directory)
    assert outcome(partial(writer.write, b"")) == failed
    assert outcome(partial(writer.receive, 0, 1, 0.0)) == failed
    assert writer.offset == 0


@every_writer
def test_a_descriptor_that_is_not_open(tmp_path: Path, make: Make) -> None:
    """It is an error of the file, or of the socket."""
    writers = make(tmp_path / "blob"), make(tmp_path / "other")
    closed = os.open(tmp_path, os.O_RDONLY)
    os.close(closed)
    assert outcome(partial(writers[0].copy_range, closed, 0, 4))[:2] == ("io", 0)
    assert outcome(partial(writers[1].receive, closed, 4, 0.0))[:1] in [("io",), (OSError,)]


@every_writer
def test_a_socket_that_is_closed_by_its_peer(tmp_path: Path, make: Make) -> None:
    """The call ends with the bytes before, and the next calls with none."""
    path = tmp_path / "blob"
    local, peer = socket.socketpair()
    with local, peer:
        peer.sendall(b"some bytes")
        peer.close()
        writer = make(path)
        assert writer.receive(local.fileno(), 4, 60.0)[0] == 4
        assert writer.receive(local.fileno(), 100, 60.0)[0] == 6
        assert writer.receive(local.fileno(), 100, 60.0)[0] == 0
        assert local.fileno() >= 0
    assert bytes_of(writer, path) == b"some bytes"


@every_writer
def test_a_socket_that_is_reset(tmp_path: Path, make: Make) -> None:
    """Its error is raised as it is; the bytes before it stay, and the writer can be used."""
    path = tmp_path / "blob"
    local, peer = socket.socketpair()
    with local, peer:
        local.sendall(b"never read")
        writer = make(path)
        peer.close()
        with pytest.raises(ConnectionResetError):
            writer.receive(local.fileno(), 100, 60.0)
    writer.write(b"more")
    assert bytes_of(writer, path) == b"more"


@every_writer
@pytest.mark.parametrize("blocking", [False, True])
def test_a_silent_peer(tmp_path: Path, make: Make, blocking: bool) -> None:
    """The call ends after the timeout, which is for the whole call."""
    local, peer = socket.socketpair()
    with local, peer:
        local.setblocking(blocking)
        peer.sendall(b"some")
        writer = make(tmp_path / "blob")
        count, waited = writer.receive(local.fileno(), 100, 0.05)
        assert (count, writer.offset) == (4, 4)
        assert 0.05 <= waited < 60
        assert writer.receive(local.fileno(), 100, 0.0) == (0, 0.0)
        assert local.getblocking() == blocking


@every_writer
def test_a_peer_that_sends_later(tmp_path: Path, make: Make) -> None:
    """The call waits for the bytes, and returns how long."""
    local, peer = socket.socketpair()
    with local, peer:
        sender = threading.Timer(0.02, peer.sendall, [b"late"])
        sender.start()
        count, waited = make(tmp_path / "blob").receive(local.fileno(), 4, 60.0)
        sender.join()
    assert count == 4
    assert 0 < waited < 60


@every_writer
def test_invalid_arguments(tmp_path: Path, make: Make) -> None:
    """They are refused, and the writer can be used."""
    writer = make(tmp_path / "blob")
    with (tmp_path / "file").open("wb") as file, pytest.raises(OSError, match="socket"):
        writer.receive(file.fileno(), 1, 1.0)
    for timeout in (-1.0, math.nan, math.inf):
        assert outcome(partial(writer.receive, 0, 1, timeout)) is ValueError
    writer.write(b"more")
    assert writer.offset == 4


def test_a_failed_writer_raises_its_error_again() -> None:
    """Each method raises the same object; the bytes that fit are kept."""
    full = CoreError("io", 3, "full")
    writer = MemoryWriter(3, full)
    for method in (
        partial(writer.write, b"four"),
        partial(writer.write, b""),
        partial(writer.copy_range, 0, 0, 1),
        partial(writer.receive, 0, 1, 0.0),
    ):
        with pytest.raises(CoreError) as caught:
            method()
        assert caught.value is full
    assert bytes(writer.data) == b"fou"
    assert writer.offset == 3


def test_a_writer_of_the_core_that_fails() -> None:
    """A full disk is raised by each method."""
    writer: ByteWriter = BlobWriter("/dev/full")
    failed = ("io", 0, f"/dev/full: {os.strerror(errno.ENOSPC)}")
    for method in (
        partial(writer.write, b"four"),
        partial(writer.write, b""),
        partial(writer.copy_range, 0, 0, 1),
        partial(writer.receive, 0, 1, 0.0),
    ):
        assert outcome(method) == failed
