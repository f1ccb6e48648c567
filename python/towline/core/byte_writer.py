"""The interface of the objects that the bytes of a blob are written to."""

from __future__ import annotations

from typing import Protocol

__all__ = ["ByteWriter"]


class ByteWriter(Protocol):
    """Receives the bytes of a blob, in order; `towline.core.BlobWriter` is one.

    At all times it has a prefix of the bytes that were passed to it. One thread at a time appends
    to it; `offset` can be read by any thread.

    A failure of the writer itself is a `CoreError`, so that it is not taken for an error of a
    socket or of a registry. It stops the delivery, and each later call of `write`, `copy_range` and
    `receive` raises it again. So ``write(b"")`` distinguishes the two: it raises if the writer
    failed, and does nothing if the source did. An exception that is not an error, such as
    KeyboardInterrupt, reaches the caller unchanged.
    """

    @property
    def offset(self) -> int:
        """The number of bytes that the writer has, including those it had at the beginning."""

    def write(self, data: bytes, /) -> None:
        """Append bytes; no bytes are also allowed, and only raise the error of a failed writer.

        Raises:
            CoreError: the writer failed, by these or earlier bytes.
        """

    def copy_range(self, fd: int, offset: int, size: int, /) -> None:
        """Append `size` bytes of an open file, from `offset` on; its file position is not used.

        Raises:
            CoreError: ``truncated`` if the file has fewer bytes; those were appended, and the
                writer can still be used. ``io`` if the file cannot be read; then the writer has
                failed, because the cause may be either file. Others if the writer failed.
            OverflowError: `offset` or `size` is negative.
        """

    def receive(self, fd: int, most: int, timeout: float, /) -> tuple[int, float]:
        """Append up to `most` bytes of a connected socket, whether it is blocking or not.

        Returns:
            The number of bytes received, and the seconds spent waiting for bytes. The number is
            less than `most` if the peer closed the connection, or after `timeout` seconds of
            waiting in total.

        Raises:
            OSError: an error of the socket; the bytes received before it were appended, and the
                writer can still be used.
            OverflowError: `most` is negative.
            ValueError: `timeout` is negative, infinite or not a number.
            CoreError: the writer failed.
        """
