"""Streams of bytes that are read a slice at a time."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Protocol, final

from towline.core.failure import CoreError
from towline.core.twin.limits import SizeLimit

__all__ = [
    "SLICE",
    "FileRange",
    "LimitedStream",
    "MemoryStream",
    "PeekStream",
    "Stop",
    "Stream",
    "Tee",
    "drain",
    "io_error",
    "open_file",
    "open_regular",
]

# The maximum size of a slice. Both cores cut slices at the same offsets, so that both have read
# the same bytes when a decoder fails.
SLICE = 128 << 10


@final
class Stop:
    """Stops all operations to which it was passed; can be set from any thread, and not reset."""

    def __init__(self) -> None:
        self._set = False

    def set(self) -> None:
        """Stop: running operations end soon, with ``cancelled``."""
        self._set = True

    @property
    def is_set(self) -> bool:
        """Whether it was set."""
        return self._set

    def check(self, offset: int) -> None:
        """Raise ``cancelled`` at `offset` if it was set."""
        if self._set:
            raise CoreError("cancelled", offset, "stopped")


class Stream(Protocol):
    """A source of bytes in slices of at most `SLICE` bytes; the slice at the end is empty."""

    def next_slice(self) -> bytes:
        """The next bytes, none at the end."""


def io_error(error: OSError, offset: int, path: str) -> CoreError:
    """Return the ``io`` error for an error of the operating system at an offset of a file."""
    return CoreError("io", offset, f"{path}: {error.strerror or error}")


def open_file(path: str, flags: int = os.O_RDONLY) -> int:
    """Open a file, or raise ``io``."""
    try:
        return os.open(path, flags | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise io_error(error, 0, path) from error


def open_regular(path: str) -> int:
    """Open a regular file, or raise ``io``; a pipe without a writer does not block."""
    fd = open_file(path, os.O_RDONLY | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise CoreError("io", 0, f"{path}: Not a regular file")


def drain(stream: Stream) -> None:
    """Read a stream to its end, to raise its error if it has one."""
    while stream.next_slice():
        pass


class FileRange:
    """The bytes of an open file from `start` up to `end`, or to the end of the file."""

    def __init__(
        self, fd: int, path: str, start: int = 0, end: int | None = None, *, stop: Stop
    ) -> None:
        self.fd = fd
        self.path = path
        self.position = start
        self.end = end
        self.stop = stop

    def next_slice(self) -> bytes:
        """The next bytes, none at the end."""
        self.stop.check(self.position)
        wanted = SLICE if self.end is None else min(SLICE, self.end - self.position)
        try:
            piece = os.pread(self.fd, wanted, self.position)
        except OSError as error:
            raise io_error(error, self.position, self.path) from error
        if not piece and wanted and self.end is not None:
            raise CoreError(
                "truncated",
                self.position,
                f"{self.path} ends at byte {self.position}, {self.end - self.position} too early",
            )
        self.position += len(piece)
        return piece

    def skip(self, count: int) -> int:
        """Skip `count` bytes, or up to the end of the file; return how many."""
        size = os.fstat(self.fd).st_size
        count = min(count, max(0, size - self.position))
        self.position += count
        return count


class MemoryStream:
    """Bytes in memory, as a stream."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def next_slice(self) -> bytes:
        """The next bytes, none at the end."""
        piece, self.data = self.data[:SLICE], self.data[SLICE:]
        return piece


class LimitedStream:
    """A stream that raises an error when it is longer than its ceiling."""

    def __init__(self, source: Stream, ceiling: SizeLimit) -> None:
        self.source = source
        self.ceiling = ceiling
        self.given = 0
        self.over = False

    def next_slice(self) -> bytes:
        """The next bytes, none at the end."""
        if self.over:
            raise self._failure()
        piece = self.source.next_slice()
        left = self.ceiling.size - self.given
        if len(piece) > left:
            self.over = True
            if not left:
                raise self._failure()
            piece = piece[:left]
        self.given += len(piece)
        return piece

    def skip(self, count: int) -> int:
        """Skip bytes if the source is a file; return how many."""
        if not isinstance(self.source, FileRange):
            return 0
        skipped = self.source.skip(count)
        self.given += skipped
        if self.given > self.ceiling.size:
            raise self._failure()
        return skipped

    def _failure(self) -> CoreError:
        if self.ceiling.code == "limit_ratio":
            detail = f"the input may not grow to more than {self.ceiling.size} bytes"
        else:
            detail = f"more than the {self.ceiling.size} bytes allowed"
        return CoreError(self.ceiling.code, self.ceiling.size, detail)


class PeekStream:
    """A stream whose first bytes can be read in advance."""

    def __init__(self, source: Stream) -> None:
        self.source = source
        self.slices: list[bytes] = []
        self.failure: CoreError | None = None

    def peek(self, count: int) -> bytes:
        """Return at least `count` bytes; fewer if the stream ends or fails before."""
        head = b"".join(self.slices)
        while len(head) < count and self.failure is None:
            try:
                piece = self.source.next_slice()
            except CoreError as failure:
                self.failure = failure
                break
            if not piece:
                break
            self.slices.append(piece)
            head += piece
        return head

    def next_slice(self) -> bytes:
        """The next bytes, none at the end."""
        if self.slices:
            return self.slices.pop(0)
        if self.failure is not None:
            raise self.failure
        return self.source.next_slice()


class Tee:
    """A stream that passes every slice to callbacks as well."""

    def __init__(self, source: Stream, *watchers: Callable[[bytes], object]) -> None:
        self.source = source
        self.watchers = watchers
        self.size = 0

    def next_slice(self) -> bytes:
        """The next bytes, none at the end."""
        piece = self.source.next_slice()
        self.size += len(piece)
        for watch in self.watchers:
            watch(piece)
        return piece
