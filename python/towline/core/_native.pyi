"""The Rust core of towline; `towline.core.twin` is the same, to be read."""

from collections.abc import Sequence
from typing import Self, final

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
    """Ends all that was given it, from any thread, once and for good."""

    def __new__(cls) -> Self: ...
    def set(self) -> None:
        """What is under way ends soon, with ``cancelled``."""

def hash_file(path: str, algorithm: str = "sha256", *, stop: Stop | None = None) -> tuple[str, int]:
    """The digest (``sha256:<hex>``) and size of a file.

    Raises:
        CoreError: ``io``, ``unsupported``, ``cancelled``.
    """

@final
class BlobWriter:
    """Writes a file and knows its digest; the file is always a prefix of what was written.

    What it is given is written at once, and hashed beside that, by threads that all writers share.
    At most 4 MiB wait to be hashed, over all writers; beyond that `write` waits. `abort`, from any
    thread, ends what another does with the writer.
    """

    def __new__(
        cls,
        path: str,
        *,
        resume: bool = False,
        algorithm: str = "sha256",
        stop: Stop | None = None,
    ) -> Self:
        """Open a file: emptied, or with `resume` kept, and hashed again.

        `stop` ends all that is done with the writer, with ``cancelled``.
        """

    @property
    def offset(self) -> int:
        """Bytes held and handed over so far."""

    def write(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            CoreError: ``io`` of these or earlier bytes, now and ever after; ``cancelled``.
        """

    def copy_range(self, fd: int, offset: int, size: int) -> None:
        """Append a range of an open file, hashed as it was written.

        Raises:
            CoreError: ``truncated`` where the source has fewer bytes: those were appended, and
                the writer can go on. ``changed``, ``io`` and ``cancelled``.
        """

    def receive(self, fd: int, most: int, patience: float) -> tuple[int, float]:
        """Append up to `most` bytes of a connected socket.

        Returns:
            How many bytes came, and the seconds in which there was nothing to receive: fewer bytes
            than `most` came where the other side has ended, or where `patience` was not enough.

        Raises:
            OSError: of the socket; what came before was appended.
            CoreError: ``io``, ``cancelled``.
        """

    def follow(self, size: int, *, limits: Limits | None = None) -> str:
        """The digest of a layer's tar, read behind the writing, up to the size it will have.

        Waits for what others write; `layer_pass` judges the same.

        Raises:
            CoreError: whatever is wrong with the layer; ``cancelled`` where the writer is closed
                before; the writer's own.
        """

    def end_following(self) -> None:
        """Nothing more comes: a `follow` that still waits ends with ``cancelled``."""

    def finish(self, sync: bool = False) -> tuple[str, int]:
        """Close the file; its digest and size.

        Raises:
            CoreError: ``changed`` if the file has another size by now; ``io``, ``cancelled``.
        """

    def abort(self) -> None:
        """Close the file and keep what was written; once more changes nothing."""

@final
class Member:
    """One member of a tar.

    Attributes:
        name, linkname: as stored, extensions applied.
        type: the type flag; the old NUL is ``0``, or ``5`` for a name that ends in a slash.
        size: bytes of data in the tar.
        offset: of the data, in the decompressed tar.
        header: of the first header block, extensions included.
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
    """What an archive or a layer may cost.

    Attributes:
        max_bytes: of tar, and of every compressed stream on the way to it.
        max_ratio: of such a stream to the stored input, once it has given 64 MiB.
        max_entries: members of the tar.
        max_path: bytes of a name or link name.
    """

    def __new__(
        cls,
        *,
        max_bytes: int = ...,
        max_ratio: int = 2000,
        max_entries: int = 10_000_000,
        max_path: int = 65_536,
    ) -> Self: ...
    @property
    def max_bytes(self) -> int: ...
    @property
    def max_ratio(self) -> int: ...
    @property
    def max_entries(self) -> int: ...
    @property
    def max_path(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Archive:
    """A tar in a file, compressed up to `rounds` times.

    Calls take turns: one pass over a compressed archive runs at a time.
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
        """The compressions, outermost first; empty for a plain tar."""

    @property
    def inflated(self) -> int:
        """Bytes of the tar that were decompressed so far, over all passes; 0 for a plain tar."""

    def index(self, *, keep: int = 0, sizes: bool = False) -> tuple[list[Member], CoreError | None]:
        """The members up to the first damage, and that damage.

        None is a proper end: two zero blocks, or the end of the bytes after a whole member, with
        or without one zero block. A member that is cut short is left out; so is what stands in a
        compressed frame that is damaged.

        Args:
            keep: of a compressed archive, so many bytes of files are kept in memory, the smallest
                first, and the first six bytes of all others: what lies in them is read without a
                further pass. 0: neither.
            sizes: and compressed files are measured on the way, as far as together they do not
                grow beyond what the archive itself may grow to.

        Raises:
            CoreError: ``io``, ``cancelled``.
        """

    def read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """The bytes of some ranges (offset, size) of the tar, in the order asked.

        One pass, or none where `index` kept it all; memory is what the ranges ask for.

        Raises:
            CoreError: ``truncated`` for a range beyond the end; that of `index` for a range that
                it did not vouch for; without `index` before, damage that was met on the way.
        """

    def copy_to(self, offset: int, size: int, writer: BlobWriter, decompress: bool = False) -> None:
        """Append the bytes of a member to a writer; with `decompress`, decompressed once.

        A compressed archive goes on from where its last pass stands, if that is not past it.

        Raises:
            CoreError: as `read`, and the writer's own.
        """

    def measure(self, offset: int, size: int) -> int:
        """The size of a member after at most one round of decompression.

        Raises:
            CoreError: as `read`; of the member's own compression, with offsets in the member.
        """

    def close(self) -> None:
        """Close the file; once more changes nothing."""

@final
class LayerFacts:
    """What a layer is.

    Attributes:
        digest, size: of the file as it is stored.
        compression: ``none``, ``gzip``, ``bzip2``, ``xz`` or ``zstd``, found by content.
        diff_id, tar_size: digest and size of the tar, all bytes after its end mark included.
        entries: members of the tar.
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
    """Read a layer once: both digests, both sizes, the tar walk, the budgets.

    Raises:
        CoreError: whatever is wrong with it.
    """
