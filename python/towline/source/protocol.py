"""The interfaces of image sources, as the copying of images uses them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from towline.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.core import ByteWriter
    from towline.errors import TowlineError
    from towline.image.descriptor import Descriptor
    from towline.image.manifest import RawManifest
    from towline.name.digest import Digest
    from towline.transport import ImageReference
    from towline.transport.facts import ArchiveImage

__all__ = [
    "Alternatives",
    "Announcement",
    "Announcing",
    "ListsImages",
    "ListsManifest",
    "NamesImage",
    "OpenBlob",
    "Source",
]


class OpenBlob(AbstractContextManager["OpenBlob"], Protocol):
    """A blob that can be delivered once; `close` is idempotent."""

    @property
    def size(self) -> int | None:
        """The size of the whole blob in bytes, None if the source does not state it."""

    @property
    def offset(self) -> int:
        """Where delivery begins: the requested offset, or 0 if the source does not support it."""

    def deliver(self, writer: ByteWriter, /) -> None:
        """Write the blob's bytes from `offset` on to the writer; the caller checks the digest.

        Raises:
            TowlineError: the source failed; the bytes that were written are a prefix.
        """

    def close(self) -> None:
        """Release the connection or close the file."""


class Source(Protocol):
    """One image (or one list of instances) that can be read.

    A source checks the digest of each config, and of each manifest that is requested by digest.
    The receiver of a blob verifies the blob.
    """

    @property
    def reference(self) -> ImageReference:
        """The reference that the source was opened for."""

    @property
    def parallel(self) -> int:
        """How many blobs may be open at once."""

    def manifest(self, instance: Digest | None = None, /) -> RawManifest:
        """The manifest, or the instance of a list with this digest."""

    def config(self, descriptor: Descriptor, /) -> bytes:
        """The config blob, limited in size; its digest is checked."""

    def in_order(self, wanted: Sequence[Descriptor], /) -> Sequence[Descriptor]:
        """The wanted blobs in the order that is most efficient for this source."""

    def open_blob(self, descriptor: Descriptor, offset: int = 0, /) -> OpenBlob:
        """Open a blob; its size and offset are known before delivery."""

    def close(self) -> None:
        """Close all files and connections; idempotent."""


@runtime_checkable
class ListsImages(Protocol):
    """A source in an archive that lists several images with their names."""

    def listed_images(self) -> tuple[ArchiveImage, ...]:
        """The images that the archive lists, in its order.

        Raises:
            SourceError: the list is missing or invalid.
        """


@runtime_checkable
class ListsManifest(Protocol):
    """A source with an index that lists the manifest of the image."""

    def listed_manifest(self) -> Descriptor | None:
        """The descriptor of the manifest; None if the index is that of the image."""


@runtime_checkable
class NamesImage(Protocol):
    """A source whose archive or layout gives a name to the image."""

    def annotated_names(self) -> tuple[str, ...]:
        """The names; empty if the image has none."""


@runtime_checkable
class Alternatives(Protocol):
    """A source that may get a blob from several endpoints."""

    def give_up(self, descriptor: Descriptor, error: TowlineError, /) -> bool:
        """Record that the blob opened last failed; returns whether another endpoint remains."""


@frozen
class Announcement:
    """Digest and media type of a manifest that was not fetched.

    Attributes:
        digest: of the manifest's bytes.
        media_type: as the source states it.
    """

    digest: Digest
    media_type: str


@runtime_checkable
class Announcing(Protocol):
    """A source that can return the digest of its manifest without fetching the manifest."""

    def announcement(self) -> Announcement | None:
        """Digest and media type of the manifest; None if they cannot be determined."""
