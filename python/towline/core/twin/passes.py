"""A pass over a compressed tar, which goes forward only, and the ranges that are read of it."""

from __future__ import annotations

from towline.core.failure import CoreError
from towline.core.twin.frames import Frames
from towline.core.twin.streams import Stream

__all__ = ["Pass", "PassRange", "too_short"]


class Pass:
    """A sequential pass over a compressed tar, and where it stands.  Where it fails it is over.

    Attributes:
        inflated: what all passes have given, in a list of one.
    """

    def __init__(self, stream: Stream, innermost: Frames | None, inflated: list[int]) -> None:
        self.stream = stream
        self.innermost = innermost
        self.inflated = inflated
        self.position = 0
        self.held = memoryview(b"")
        self.failure: CoreError | None = None

    @property
    def verified(self) -> int:
        """Bytes of frames that were whole, if the damage is in the innermost compression."""
        round_ = self.innermost
        return round_.verified if round_ is not None and round_.failed else 0

    def peek(self) -> memoryview:
        """The next bytes, without going forward; none at the end."""
        if self.failure is not None:
            raise self.failure
        if not self.held:
            try:
                self.held = memoryview(self.stream.next_slice())
            except CoreError as failure:
                self.failure = failure
                raise
            self.inflated[0] += len(self.held)
        return self.held

    def take(self, most: int) -> bytes:
        """Up to `most` next bytes; none at the end."""
        held = self.peek()
        piece, self.held = held[:most], held[most:]
        self.position += len(piece)
        return bytes(piece)

    def next_slice(self) -> bytes:
        """All of the next bytes; none at the end."""
        return self.take(len(self.peek()))


class PassRange:
    """A range of a pass that is not past it."""

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
    """The failure of a range beyond the end of a tar."""
    return CoreError("truncated", size, f"the tar in {path} ends at byte {size}")
