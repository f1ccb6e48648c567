"""The Rust core of towline; `towline.core.twin` implements the same in readable Python."""

from collections.abc import Sequence
from typing import Self, final

from towline.core.byte_writer import ByteWriter
from towline.core.failure import CoreError

__all__ = [
    "Archive",
    "BlobWriter",
    "LayerFacts",
    "Limits",
    "Member",
    "Stop",
    "hash_file",
    "layer_pass",
]

@final
class Stop:
    """Stops all operations to which it was passed; can be set from any thread, and not reset."""

    def __new__(cls) -> Self: ...
    def set(self) -> None:
        """Stop: running operations end soon, with ``cancelled``."""

    @property
    def is_set(self) -> bool:
        """Whether it was set."""

def hash_file(path: str, algorithm: str = "sha256", *, stop: Stop | None = None) -> tuple[str, int]:
    """Return the digest (``sha256:<hex>``) and size of a file.

    Raises:
        CoreError: ``io``, ``unsupported``, ``cancelled``.
    """

@final
class BlobWriter:
    """Writes a file and computes its digest; the file is always a prefix of the bytes passed.

    Bytes are written at once, and hashed in parallel by threads that all writers share. At most
    4 MiB are queued for hashing, over all writers; beyond that `write` waits. `abort`, from any
    thread, ends the operations of other threads on the writer.
    """

    def __new__(
        cls,
        path: str,
        *,
        resume: bool = False,
        algorithm: str = "sha256",
        stop: Stop | None = None,
    ) -> Self:
        """Open a file and truncate it; with `resume`, keep its bytes and hash them.

        `stop` ends every operation on the writer, with ``cancelled``.
        """

    @property
    def offset(self) -> int:
        """The number of bytes in the file and passed to the writer so far."""

    def write(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            CoreError: ``io`` for these or earlier bytes, in this and every later call;
                ``cancelled``.
        """

    def copy_range(self, fd: int, offset: int, size: int) -> None:
        """Append a range of an open file; the bytes that are hashed are those that were written.

        Raises:
            CoreError: ``truncated`` if the source has fewer bytes; those were appended, and the
                writer can still be used. ``changed``, ``io`` and ``cancelled``.
        """

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

    def follow(self, size: int, *, limits: Limits | None = None) -> str:
        """Return the diff ID of a layer that is being written; `size` is the size of its blob.

        Waits for the bytes that other threads write. The result is that of `layer_pass`.

        Raises:
            CoreError: the layer is invalid; ``cancelled`` if the writer is aborted, or if the
                writing ends before the last byte; the errors of the writer.
        """

    def end_following(self) -> None:
        """End the writing for `follow`: a call that still waits raises ``cancelled``."""

    def finish(self, sync: bool = False) -> tuple[str, int]:
        """Close the file and return its digest and size.

        Raises:
            CoreError: ``changed`` if the file has another size; ``io``, ``cancelled``.
        """

    def abort(self) -> None:
        """Close the file and keep the written bytes; a second call has no effect."""

@final
class Member:
    """One member of a tar.

    Attributes:
        name, linkname: as stored, with extensions applied.
        type: the type flag; NUL of the old format becomes ``0``, or ``5`` if the name ends in a
            slash.
        size: the size of the data, in bytes; that of a sparse file includes its holes.
        offset: the offset of the data in the decompressed tar; that of a sparse file is after the
            end of any tar, where its content can be read with the holes filled.
        header: the offset of the first header block, extensions included.
    """

    def __new__(
        cls, name: bytes, linkname: bytes, type: str, size: int, offset: int, header: int
    ) -> Self: ...
    @property
    def name(self) -> bytes: ...
    @property
    def linkname(self) -> bytes: ...
    @property
    def type(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def header(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Limits:
    """The limits of an archive or a layer.

    Attributes:
        max_bytes: maximum size of the tar, and of the output of every compression around it.
        max_ratio: maximum ratio of such output to the stored input, from 64 MiB of output on.
        max_entries: maximum number of members of the tar.
        max_path: maximum length of a name or link name, in bytes.
        max_index: maximum number of bytes that the index of an archive counts for all members
            together: those of their names and link names, and 256 for each.
        max_frames: maximum number of frames of a compressed stream; an xz stream counts as 4, and
            a bzip2 stream as 64, for the time that it takes to make its decoder.
    """

    def __new__(
        cls,
        *,
        max_bytes: int = ...,
        max_ratio: int = 2000,
        max_entries: int = 10_000_000,
        max_path: int = 65_536,
        max_index: int = ...,
        max_frames: int = ...,
    ) -> Self: ...
    @property
    def max_bytes(self) -> int: ...
    @property
    def max_ratio(self) -> int: ...
    @property
    def max_entries(self) -> int: ...
    @property
    def max_path(self) -> int: ...
    @property
    def max_index(self) -> int: ...
    @property
    def max_frames(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Archive:
    """A tar in a file, compressed up to `rounds` times.

    Concurrent calls wait: one pass over a compressed archive runs at a time. A call by a writer to
    which `copy_to` writes would wait for itself, so it raises RuntimeError.
    """

    def __new__(
        cls,
        path: str,
        *,
        formats: Sequence[str] = ("gzip", "bzip2", "xz", "zstd"),
        rounds: int = 2,
        limits: Limits | None = None,
        stop: Stop | None = None,
    ) -> Self: ...
    @property
    def framing(self) -> tuple[str, ...]:
        """The compression formats, outermost first; empty for a plain tar."""

    @property
    def inflated(self) -> int:
        """The number of tar bytes decompressed so far, over all passes; 0 for a plain tar.

        In a damaged frame it depends on the decoder.
        """

    def index(self, *, keep: int = 0, sizes: bool = False) -> tuple[list[Member], CoreError | None]:
        """Return the members up to the first error, and that error.

        The error is None if the tar ends properly: with two zero blocks, or after a complete
        member, with or without one zero block. An incomplete member is left out; so is every
        member in a damaged compressed frame.

        Args:
            keep: maximum number of bytes of files of a compressed archive to keep in memory, the
                smallest files first, with the first six bytes of all other files; they are then
                read without another pass. 0 keeps none.
            sizes: also measure the decompressed size of compressed files, as long as they do not
                together exceed the size limit of the archive.

        Raises:
            CoreError: ``io``, ``cancelled``.
        """

    def read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of some ranges (offset, size) of the tar, in the given order.

        Takes one pass, or none if `index` kept all the ranges. The memory used is the size of the
        ranges.

        Raises:
            CoreError: ``truncated`` for a range beyond the end; the error of `index` for a range
                beyond the bytes that `index` verified; if `index` was not called, an error before
                the end of the ranges.
        """

    def copy_to(self, offset: int, size: int, writer: ByteWriter, decompress: bool = False) -> None:
        """Append the bytes of a member to a writer; with `decompress`, decompressed once.

        In a compressed archive the last pass is continued, unless it is beyond the member.

        The stored bytes of a plain archive are passed to `copy_range` of the writer, all other
        bytes to `write`. During `write` the archive is locked, so the writer must not use it.

        Raises:
            CoreError: as `read`.
            RuntimeError: this thread is already in a call that has locked the archive.
            Exception: the error of the writer, unchanged; the archive can still be used.
        """

    def measure(self, offset: int, size: int) -> int:
        """Return the size of a member after at most one round of decompression.

        Raises:
            CoreError: as `read`; errors in the member's own compression, with offsets in the
                member.
        """

    def close(self) -> None:
        """Close the file; a second call has no effect."""

@final
class LayerFacts:
    """The properties of a layer.

    Attributes:
        digest, size: digest and size of the file as it is stored.
        compression: ``none``, ``gzip``, ``bzip2``, ``xz`` or ``zstd``, detected by content.
        diff_id, tar_size: digest and size of the tar, including all bytes after its end mark.
        entries: the number of members of the tar.
    """

    def __new__(
        cls,
        digest: str,
        size: int,
        compression: str,
        diff_id: str,
        tar_size: int,
        entries: int,
    ) -> Self: ...
    @property
    def digest(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def compression(self) -> str: ...
    @property
    def diff_id(self) -> str: ...
    @property
    def tar_size(self) -> int: ...
    @property
    def entries(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

def layer_pass(path: str, *, limits: Limits | None = None, stop: Stop | None = None) -> LayerFacts:
    """Read a layer once, to compute its digests and sizes and to check the tar and the limits.

    Raises:
        CoreError: the layer is invalid or cannot be read.
    """
