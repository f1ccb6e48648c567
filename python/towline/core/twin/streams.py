"""Streams of bytes that are pulled a slice at a time."""

from __future__ import annotations

import os
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
]

# The most that one pull gives. Both cores cut their slices at the same places, so that both
# have seen the same bytes when a decoder stumbles.
SLICE = 128 << 10


@final
class Stop:
    """Ends all that was given it, from any thread, once and for good."""

    def __init__(self) -> None:
        self._set = False

    def set(self) -> None:
        """What is under way ends soon, with ``cancelled``."""
        self._set = True

    def check(self, offset: int) -> None:
        """Nothing, or the error of what was at `offset` when it was stopped."""
        if self._set:
            raise CoreError("cancelled", offset, "stopped")


class Stream(Protocol):
    """Gives the next slice, of at most `SLICE` bytes; an empty one at the end."""

    def next_slice(self) -> bytes:
        """The next bytes, none at the end."""


def io_error(error: OSError, offset: int, path: str) -> CoreError:
    """What the operating system said about a file, and where in it."""
    return CoreError("io", offset, f"{path}: {error.strerror or error}")


def open_file(path: str, flags: int = os.O_RDONLY) -> int:
    """Open a file, or raise ``io``."""
    try:
        return os.open(path, flags | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise io_error(error, 0, path) from error


def drain(stream: Stream) -> None:
    """Read a stream to its end, to learn whether it has one."""
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
        """Go forward by `count` bytes, or to the end of the file; how far that was."""
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
    """A stream that may not give more than its ceiling."""

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
        room = self.ceiling.size - self.given
        if len(piece) > room:
            self.over = True
            if not room:
                raise self._failure()
            piece = piece[:room]
        self.given += len(piece)
        return piece

    def skip(self, count: int) -> int:
        """Skip in the file beneath."""
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
    """A stream whose first bytes can be looked at before they are pulled."""

    def __init__(self, source: Stream) -> None:
        self.source = source
        self.slices: list[bytes] = []
        self.failure: CoreError | None = None

    def peek(self, count: int) -> bytes:
        """At least `count` bytes, fewer if the stream ends or fails before."""
        held = b"".join(self.slices)
        while len(held) < count and self.failure is None:
            try:
                piece = self.source.next_slice()
            except CoreError as failure:
                self.failure = failure
                break
            if not piece:
                break
            self.slices.append(piece)
            held += piece
        return held

    def next_slice(self) -> bytes:
        """The next bytes, none at the end."""
        if self.slices:
            return self.slices.pop(0)
        if self.failure is not None:
            raise self.failure
        return self.source.next_slice()


class Tee:
    """A stream that shows every slice to somebody on its way."""

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
