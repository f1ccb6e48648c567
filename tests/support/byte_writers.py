"""Byte writers in Python, as the callers of towline can write them."""

from __future__ import annotations

import math
import os
import select
import socket
import time

from towline.core import CoreError

__all__ = ["MemoryWriter"]

_STEP = 128 << 10  # bytes that are read at once


class MemoryWriter:
    """A `ByteWriter` that keeps the bytes in memory.

    With `room` and `full`, it keeps at most `room` bytes, and fails with `full` at the next one.

    Attributes:
        data: the bytes that it has.
        calls: the names of the methods that were called, in order.
    """

    def __init__(self, room: int | None = None, full: BaseException | None = None) -> None:
        assert (room is None) == (full is None)
        self.data = bytearray()
        self.calls: list[str] = []
        self._room = room
        self._full = full
        self._failure: BaseException | None = None

    @property
    def offset(self) -> int:
        return len(self.data)

    def write(self, data: bytes, /) -> None:
        self._begin("write")
        self._append(data)

    def copy_range(self, fd: int, offset: int, size: int, /) -> None:
        if offset < 0 or size < 0:
            raise OverflowError("a range has no negative numbers")
        self._begin("copy_range")
        end = offset + size
        while offset < end:
            try:
                piece = os.pread(fd, min(_STEP, end - offset), offset)
            except OSError as error:
                self._failure = CoreError("io", offset, f"file descriptor {fd}: {error.strerror}")
                raise self._failure from error
            if not piece:
                detail = f"file descriptor {fd} ends at byte {offset}, {end - offset} too early"
                raise CoreError("truncated", offset, detail)
            self._append(piece)
            offset += len(piece)

    def receive(self, fd: int, most: int, timeout: float, /) -> tuple[int, float]:
        if most < 0:
            raise OverflowError("a count is no negative number")
        if not 0 <= timeout < math.inf:
            raise ValueError("timeout is a number of seconds")
        self._begin("receive")
        count, waited = 0, 0.0
        # The socket of the caller must stay open, so only a second descriptor is closed.
        with socket.socket(fileno=os.dup(fd)) as connection:
            poll = select.poll()
            poll.register(connection, select.POLLIN)
            while count < most:
                try:
                    data = connection.recv(min(_STEP, most - count), socket.MSG_DONTWAIT)
                except BlockingIOError:
                    if waited >= timeout:
                        break
                    begun = time.monotonic()
                    # Rounded up, because a wait of 0 ms would repeat without end.
                    poll.poll(math.ceil(1000 * (timeout - waited)))
                    waited += time.monotonic() - begun
                    continue
                if not data:
                    break
                self._append(data)
                count += len(data)
        return count, waited

    def _begin(self, name: str) -> None:
        self.calls.append(name)
        if self._failure is not None:
            raise self._failure

    def _append(self, data: bytes) -> None:
        if self._full is not None and self._room is not None:
            room = self._room - len(self.data)
            if len(data) > room:
                self.data += data[:room]
                self._failure = self._full
                raise self._full
        self.data += data
