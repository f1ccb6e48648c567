"""The blob writer, and the digest of a file."""

from __future__ import annotations

import hashlib
import os
import select
import socket
import threading
import time
from typing import final

from towline.core.failure import CoreError
from towline.core.twin.layer import follow
from towline.core.twin.limits import Limits
from towline.core.twin.streams import SLICE, FileRange, Stop, io_error, open_file, open_regular

__all__ = ["BlobWriter", "hash_file"]

_POLL = 0.1  # seconds between the checks for a closed or stopped writer
ALGORITHMS = ("sha256", "sha384", "sha512")


def hasher(algorithm: str) -> hashlib._Hash:
    """Return a new hash object of a supported digest algorithm."""
    if algorithm not in ALGORITHMS:
        raise CoreError("unsupported", 0, f"no digest algorithm {algorithm!r}")
    return hashlib.new(algorithm)


def hash_file(path: str, algorithm: str = "sha256", *, stop: Stop | None = None) -> tuple[str, int]:
    """Return the digest (``sha256:<hex>``) and size of a file."""
    digest = hasher(algorithm)
    fd = open_regular(path)
    try:
        stream = FileRange(fd, path, stop=stop or Stop())
        while piece := stream.next_slice():
            digest.update(piece)
    finally:
        os.close(fd)
    return f"{algorithm}:{digest.hexdigest()}", stream.position


@final
class BlobWriter:
    """Writes a file and computes its digest; the file is always a prefix of the bytes passed.

    Attributes:
        offset: the number of bytes in the file and passed to the writer so far.
    """

    def __init__(
        self,
        path: str,
        *,
        resume: bool = False,
        algorithm: str = "sha256",
        stop: Stop | None = None,
    ) -> None:
        self._digest = hasher(algorithm)
        self._algorithm = algorithm
        self._path = path
        flags = os.O_RDWR | os.O_CREAT
        self._fd = open_file(path, flags if resume else flags | os.O_TRUNC)
        self._offset = 0
        self._failure: CoreError | None = None
        self._grown = threading.Condition()
        self._ended = False
        self._aborted = False
        self._stop = stop or Stop()
        if resume:
            self._read_back(os.fstat(self._fd).st_size)

    @property
    def offset(self) -> int:
        """The number of bytes in the file and passed to the writer so far."""
        return self._offset

    def write(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            CoreError: ``io``, in this and every later call, or ``cancelled``.
        """
        self._check()
        self._digest.update(data)
        self._append(data)
        self._grow(len(data))

    def receive(self, fd: int, most: int, timeout: float) -> tuple[int, float]:
        """Append up to `most` bytes of a connected socket.

        Returns:
            The number of bytes received, and the seconds spent waiting for bytes. The number is
            less than `most` if the peer closed the connection, or after `timeout` seconds of
            waiting.

        Raises:
            OSError: an error of the socket; the bytes received before it were appended.
            CoreError: ``io``, ``cancelled``.
        """
        if most < 0:
            raise OverflowError("a count is no negative number")
        if not 0 <= timeout < float("inf"):
            raise ValueError("timeout is a number of seconds")
        self._check()
        with _socket(fd) as sock:
            return self._receive(sock, most, timeout)

    def _receive(self, sock: socket.socket, most: int, timeout: float) -> tuple[int, float]:
        count, waited = 0, 0.0
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        while count < most:
            try:
                data = sock.recv(min(SLICE, most - count), socket.MSG_DONTWAIT)
            except BlockingIOError:
                if waited >= timeout:
                    break
                begun = time.monotonic()
                poll.poll(1000 * min(_POLL, timeout - waited))
                waited += max(time.monotonic() - begun, 1e-9)
                self._check()
                continue
            if not data:
                break
            self.write(data)
            count += len(data)
        return count, waited

    def follow(self, size: int, *, limits: Limits | None = None) -> str:
        """Return the diff ID of a layer that is being written; `size` is the size of its blob.

        Waits for the bytes that other threads write. The result is that of `layer_pass`.

        Raises:
            CoreError: the layer is invalid; ``cancelled`` if the writer is aborted, or if the
                writing ends before the last byte; the errors of the writer.
        """
        try:
            fd = os.dup(self._fd)
        except OSError:
            raise CoreError("cancelled", self._offset, "the writer is closed") from None
        try:
            return follow(_Follower(self, fd, size), size, limits or Limits(), self._stop)
        finally:
            os.close(fd)

    def end_following(self) -> None:
        """End the writing for `follow`: a call that still waits raises ``cancelled``."""
        self._ended = True
        self._grow(0)

    def expect(self, size: int) -> None:
        """Raise an error if the writer is aborted, or stopped with fewer than `size` bytes."""
        self._stop.check(self._offset)
        if self._aborted:
            raise CoreError("cancelled", self._offset, "the writer is closed")
        if self._offset < size:
            self._check()
            if self._ended:
                raise CoreError("cancelled", self._offset, "the writer is closed")

    def wait_for(self, end: int) -> None:
        """Wait until the writer has `end` bytes, for `follow`."""
        with self._grown:
            while self._offset < end:
                self._check()
                if self._ended:
                    raise CoreError("cancelled", self._offset, "the writer is closed")
                self._grown.wait(_POLL)

    def copy_range(self, fd: int, offset: int, size: int) -> None:
        """Append a range of an open file.

        Raises:
            CoreError: ``truncated`` if the source has fewer bytes; those were appended, and the
                writer can still be used. ``changed``, ``io`` and ``cancelled``.
        """
        if offset < 0 or size < 0:
            raise OverflowError("a range has no negative numbers")
        self._check()
        source = FileRange(fd, f"file descriptor {fd}", offset, offset + size, stop=self._stop)
        while source.position < offset + size:
            try:
                piece = source.next_slice()
            except CoreError as failure:
                if failure.code == "io":
                    self._failure = failure
                raise
            self._append(piece)
            # The source can change meanwhile, so the written bytes are hashed.
            self._read_back(self._offset + len(piece))

    def finish(self, sync: bool = False) -> tuple[str, int]:
        """Close the file and return its digest and size.

        Raises:
            CoreError: ``changed`` if the file has another size; ``io``, ``cancelled``.
        """
        try:
            self._check()
            size = os.fstat(self._fd).st_size
            if size != self._offset:
                raise CoreError(
                    "changed",
                    min(size, self._offset),
                    f"{self._path} has {size} bytes, {self._offset} were written",
                )
            if sync:
                try:
                    os.fdatasync(self._fd)
                except OSError as error:
                    raise io_error(error, self._offset, self._path) from error
        except BaseException:
            self._aborted = True
            raise
        finally:
            self._close()
        return f"{self._algorithm}:{self._digest.hexdigest()}", size

    def abort(self) -> None:
        """Close the file and keep the written bytes; a second call has no effect."""
        self._aborted = self._aborted or self._fd >= 0
        self._close()

    def __del__(self) -> None:
        if hasattr(self, "_fd"):
            self.abort()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._grow(0)

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._stop.check(self._offset)
        if self._fd < 0:
            raise CoreError("cancelled", self._offset, "the writer is closed")

    def _append(self, data: bytes) -> None:
        view, at = memoryview(data), self._offset
        while view:
            try:
                count = os.pwrite(self._fd, view, at)
            except OSError as error:
                self._failure = io_error(error, at, self._path)
                raise self._failure from error
            view, at = view[count:], at + count

    def _read_back(self, end: int) -> None:
        """Hash the bytes of the file between the present offset and `end`."""
        while self._offset < end:
            self._stop.check(self._offset)
            piece = os.pread(self._fd, min(SLICE, end - self._offset), self._offset)
            if not piece:
                self._failure = CoreError(
                    "changed", self._offset, f"{self._path} was cut at byte {self._offset}"
                )
                raise self._failure
            self._digest.update(piece)
            self._grow(len(piece))

    def _grow(self, count: int) -> None:
        with self._grown:
            self._offset += count
            self._grown.notify_all()


class _Follower:
    """A stream of the bytes that a writer writes, in the same slices as a `FileRange`."""

    def __init__(self, writer: BlobWriter, fd: int, size: int) -> None:
        self.writer = writer
        self.fd = fd
        self.size = size
        self.position = 0

    def next_slice(self) -> bytes:
        """The next bytes, none at the end."""
        self.writer.expect(self.size)
        wanted = min(SLICE, self.size - self.position)
        self.writer.wait_for(self.position + wanted)
        piece = os.pread(self.fd, wanted, self.position)
        self.position += len(piece)
        return piece


def _socket(fd: int) -> socket.socket:
    """Return a second handle of a socket, which can be closed without the first."""
    return socket.socket(fileno=os.dup(fd))
