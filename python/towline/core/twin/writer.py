"""The blob writer, and the digest of a file."""

from __future__ import annotations

import hashlib
import os
from typing import final

from towline.core.failure import CoreError
from towline.core.twin.streams import SLICE, FileRange, io_error, open_file

__all__ = ["BlobWriter", "hash_file"]

ALGORITHMS = ("sha256", "sha384", "sha512")


def hasher(algorithm: str) -> hashlib._Hash:
    """An empty hash of one of the algorithms that a digest may name."""
    if algorithm not in ALGORITHMS:
        raise CoreError("unsupported", 0, f"no digest algorithm {algorithm!r}")
    return hashlib.new(algorithm)


def hash_file(path: str, algorithm: str = "sha256") -> tuple[str, int]:
    """The digest (``sha256:<hex>``) and size of a file."""
    digest = hasher(algorithm)
    fd = open_file(path)
    try:
        stream = FileRange(fd, path)
        while piece := stream.pull():
            digest.update(piece)
    finally:
        os.close(fd)
    return f"{algorithm}:{digest.hexdigest()}", stream.position


@final
class BlobWriter:
    """Writes a file and knows its digest; the file is always a prefix of what was written.

    Attributes:
        offset: bytes held and handed over so far.
    """

    def __init__(self, path: str, *, resume: bool = False, algorithm: str = "sha256") -> None:
        self._digest = hasher(algorithm)
        self._algorithm = algorithm
        self._path = path
        flags = os.O_RDWR | os.O_CREAT
        self._fd = open_file(path, flags if resume else flags | os.O_TRUNC)
        self._offset = 0
        self._failure: CoreError | None = None
        if resume:
            self._read_back(os.fstat(self._fd).st_size)

    @property
    def offset(self) -> int:
        """Bytes held and handed over so far."""
        return self._offset

    def write(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            CoreError: ``io``, now and ever after, or ``cancelled``.
        """
        self._check()
        self._digest.update(data)
        self._append(data)
        self._offset += len(data)

    def copy_range(self, fd: int, offset: int, size: int) -> None:
        """Append a range of an open file.

        Raises:
            CoreError: ``truncated`` where the source has fewer bytes: those were appended, and
                the writer can go on. ``changed``, ``io`` and ``cancelled``.
        """
        if offset < 0 or size < 0:
            raise OverflowError("a range has no negative numbers")
        self._check()
        source = FileRange(fd, f"file descriptor {fd}", offset, offset + size)
        while source.position < offset + size:
            try:
                piece = source.pull()
            except CoreError as failure:
                if failure.code != "truncated":
                    self._failure = failure
                raise
            self._append(piece)
            # The source can change under our hands: what counts is what was written.
            self._read_back(self._offset + len(piece))

    def finish(self, sync: bool = False) -> tuple[str, int]:
        """Close the file; its digest and size.

        Raises:
            CoreError: ``changed`` if the file has another size by now; ``io``, ``cancelled``.
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
        finally:
            self.abort()
        return f"{self._algorithm}:{self._digest.hexdigest()}", size

    def abort(self) -> None:
        """Close the file and keep what was written; once more changes nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        if hasattr(self, "_fd"):
            self.abort()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
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
        """Hash what the file has between the present offset and `end`."""
        while self._offset < end:
            piece = os.pread(self._fd, min(SLICE, end - self._offset), self._offset)
            if not piece:
                self._failure = CoreError(
                    "changed", self._offset, f"{self._path} was cut at byte {self._offset}"
                )
                raise self._failure
            self._digest.update(piece)
            self._offset += len(piece)
