"""A sequential pass over a compressed tar, and ranges that are read from it."""

from __future__ import annotations

import threading

from towline.core.failure import CoreError
from towline.core.twin.frames import Frames
from towline.core.twin.streams import Stream

__all__ = ["Pass", "PassLock", "PassRange", "too_short"]


class Pass:
    """A sequential pass over a compressed tar.  After an error it cannot continue.

    Attributes:
        inflated: the number of bytes that all passes have read; a list of one, which they share.
    """

    def __init__(self, stream: Stream, innermost: Frames | None, inflated: list[int]) -> None:
        self.stream = stream
        self.innermost = innermost
        self.inflated = inflated
        self.position = 0
        self.buffer = memoryview(b"")
        self.failure: CoreError | None = None

    @property
    def verified(self) -> int:
        """The number of bytes of complete frames, if the error is in the innermost compression."""
        round_ = self.innermost
        return round_.verified if round_ is not None and round_.failed else 0

    def peek(self) -> memoryview:
        """The next bytes, without taking them; none at the end."""
        if self.failure is not None:
            raise self.failure
        if not self.buffer:
            try:
                self.buffer = memoryview(self.stream.next_slice())
            except CoreError as failure:
                self.failure = failure
                raise
            self.inflated[0] += len(self.buffer)
        return self.buffer

    def take(self, most: int) -> bytes:
        """Up to `most` next bytes; none at the end."""
        buffer = self.peek()
        piece, self.buffer = buffer[:most], buffer[most:]
        self.position += len(piece)
        return bytes(piece)

    def next_slice(self) -> bytes:
        """All of the next bytes; none at the end."""
        return self.take(len(self.peek()))


class PassLock:
    """A lock that can tell whether this thread has it.

    A lock that can be taken twice would let a writer change the pass that it is being given.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: int | None = None

    @property
    def held(self) -> bool:
        """Whether this thread has the lock."""
        return self._holder == threading.get_ident()

    def __enter__(self) -> None:
        self._lock.acquire()
        self._holder = threading.get_ident()

    def __exit__(self, *_: object) -> None:
        self._holder = None
        self._lock.release()


class PassRange:
    """A range of a pass, from its present position on."""

    def __init__(self, path: str, running: Pass, offset: int, size: int) -> None:
        self.path = path
        self.running = running
        self.offset = offset
        self.left = size

    def next_slice(self) -> bytes:
        """The next bytes, none at the end."""
        if not self.left:
            return b""
        while self.running.position < self.offset:
            if not self.running.take(self.offset - self.running.position):
                raise too_short(self.path, self.running.position)
        piece = self.running.take(self.left)
        if not piece:
            raise too_short(self.path, self.running.position)
        self.offset += len(piece)
        self.left -= len(piece)
        return piece


def too_short(path: str, size: int) -> CoreError:
    """Return the error for a range beyond the end of a tar."""
    return CoreError("truncated", size, f"the tar in {path} ends at byte {size}")
