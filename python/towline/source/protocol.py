"""What the copying of an image asks of the place that it is read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from towline.core import BlobWriter
from towline.errors import TowlineError
from towline.image.descriptor import Descriptor
from towline.image.manifest import RawManifest
from towline.name.digest import Digest
from towline.transport import ImageReference

__all__ = ["Alternatives", "Announcement", "Announcing", "OpenBlob", "Source"]


class OpenBlob(Protocol):
    """A blob that the source has found and can deliver, once.  Closing it twice is fine."""

    @property
    def size(self) -> int | None:
        """How many bytes the source says the whole blob has; None where it does not say."""

    @property
    def offset(self) -> int:
        """Where delivery begins: the offset that was asked for, or 0 where the source cannot."""

    def deliver(self, writer: BlobWriter) -> None:
        """Write the blob's bytes from `offset` on into the writer; the caller checks the digest.

        Raises:
            TowlineError: the source failed on the way; what was written is a prefix.
        """

    def close(self) -> None:
        """Let go of the connection or file."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Source(Protocol):
    """One image (or one list of instances) that can be read.

    Sources do not judge: they check what they need to find their way, and the digest of every
    manifest that was asked for by digest.  Blobs are verified by the sink that takes them.
    """

    @property
    def reference(self) -> ImageReference:
        """What the source was opened for."""

    @property
    def parallel(self) -> int:
        """How many blobs may be open at once."""

    def manifest(self, instance: Digest | None = None) -> RawManifest:
        """The manifest, or that instance of a list, whose bytes have this digest."""

    def config(self, descriptor: Descriptor) -> bytes:
        """The config blob, within its budget; its digest is checked."""

    def in_order(self, wanted: Sequence[Descriptor]) -> Sequence[Descriptor]:
        """The wanted blobs in the order in which this source delivers them best."""

    def open_blob(self, descriptor: Descriptor, offset: int = 0) -> OpenBlob:
        """Find a blob; what it says of itself is known before a byte of it is delivered."""

    def close(self) -> None:
        """Let go of everything; idempotent."""


@runtime_checkable
class Alternatives(Protocol):
    """A source that may have a blob in several places."""

    def give_up(self, descriptor: Descriptor, error: TowlineError) -> bool:
        """Take note that the blob opened last failed; whether another place is left to ask."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a source says of its manifest without giving it.

    Attributes:
        digest: of the bytes that it would give.
        media_type: under which it would give them.
    """

    digest: Digest
    media_type: str


@runtime_checkable
class Announcing(Protocol):
    """A source that can say which manifest it has more cheaply than by giving it."""

    def announcement(self) -> Announcement | None:
        """What the source has; None where it does not say, for whatever reason."""
