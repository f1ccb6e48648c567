"""Reading files in place: documents, limited in size, and blobs."""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from typing import TYPE_CHECKING, Self

from towline.core import CoreError
from towline.errors import LimitExceededError, PathError, SourceError, path_errors

if TYPE_CHECKING:
    from towline.core import ByteWriter

__all__ = [
    "STDIN",
    "FileBlob",
    "is_stream",
    "joined",
    "open_file",
    "raise_writer_error",
    "read_document",
]

STDIN = "-"  # the path of the standard input

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # opening a FIFO must not block


def joined(folder: str, name: str) -> str:
    """The normalized path of a file in a folder."""
    path = posixpath.normpath(f"{folder}/{name}" if folder else name)
    return path[1:] if path.startswith("//") else path


def is_stream(path: str) -> bool:
    """Whether a path is that of a pipe, a socket or the standard input, which is read only once."""
    if path == STDIN:
        return True
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False  # opening it raises the error
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def open_file(path: str, resolved: str = "") -> int:
    """Open a regular file for reading; returns its file descriptor.

    Args:
        path: as given, for messages.
        resolved: the path that is opened, which the policy accepted (TRANS-043); `path` if empty.

    Raises:
        PathError: ``path.unusable``, ``path.not_a_file``.
    """
    with path_errors("open", path):
        fd = os.open(resolved or path, _FLAGS)
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return fd
    os.close(fd)
    if stat.S_ISDIR(mode):
        raise PathError.of("read", path, IsADirectoryError(errno.EISDIR, ""))
    raise PathError("path.not_a_file", path=path)


def read_document(path: str, what: str, limit: int, resolved: str = "") -> bytes:
    """The content of a small file.

    Args:
        path: of the file.
        what: the kind of document, for messages.
        limit: the most bytes.
        resolved: as for `open_file`.

    Raises:
        PathError: it cannot be read.
        LimitExceededError: ``limit.document``.
    """
    with path_errors("read", path), os.fdopen(open_file(path, resolved), "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise LimitExceededError("limit.document", what=what, limit=limit, origin=path)
    return data


def raise_writer_error(error: CoreError, writer: ByteWriter) -> None:
    """Raise an error of copying to a writer if the writer caused it; return if the source did.

    Raises:
        CoreError: of the writer; a failed writer raises its error again.
    """
    if error.code == "cancelled":
        raise error
    writer.write(b"")


class FileBlob:
    """A blob that is a file."""

    def __init__(self, path: str, offset: int = 0, resolved: str = "") -> None:
        self._path = path
        self._fd = open_file(path, resolved)
        self.size: int | None = os.fstat(self._fd).st_size
        self.offset = offset if offset <= self.size else 0

    def deliver(self, writer: ByteWriter) -> None:
        """Write the file's bytes from `offset` on.

        Raises:
            SourceError: ``core.file``: it was truncated in the meantime, or cannot be read.
            CoreError: of the writer.
        """
        assert self.size is not None
        try:
            writer.copy_range(self._fd, self.offset, self.size - self.offset)
        except CoreError as error:
            raise_writer_error(error, writer)
            raise SourceError(
                "core.file",
                path=self._path,
                reason=error.code,
                offset=error.offset,
                detail=error.detail,
            ) from None

    def close(self) -> None:
        """Close the file; idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
