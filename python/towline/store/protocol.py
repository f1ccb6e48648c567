"""The protocols of destinations and stores, as the copying of an image uses them.

A `Destination` takes images; an `ImageStore` is a destination that also returns them.  Nothing
unverified becomes visible: only the commit of a sink makes a `StoredBlob`, and only `publish` makes
names visible.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from towline.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from towline.cancel import CancelToken
    from towline.core import ByteWriter
    from towline.image.config import ImageConfig
    from towline.image.descriptor import Descriptor
    from towline.image.manifest import RawManifest
    from towline.image.platform import Platform
    from towline.name.digest import Digest
    from towline.transport.facts import StoreIdentity

__all__ = [
    "BlobSink",
    "Destination",
    "Image",
    "ImagePlan",
    "ImageStore",
    "Ingest",
    "LayerPlan",
    "LayerReader",
    "StoredBlob",
]


@frozen
class LayerPlan:
    """One layer that an image needs.

    Attributes:
        descriptor: the descriptor of the blob in the manifest.
        diff_id: the diff ID in the config; None if the config has none for the layer.
    """

    descriptor: Descriptor
    diff_id: Digest | None = None


@frozen
class ImagePlan:
    """An image that is to be stored: its manifest, config and names, and its layers to fetch.

    Attributes:
        id: hex; the config's digest, unless the destination requested another ID (STORE-006).
            Empty for an image of schema 1, whose ID depends on its layers.
        manifest: the original manifest of the image.
        config: the bytes of the config; empty if the image has none.  That of schema 1 is made of
            the layers when the image is published (STORE-021).
        layers: lowest first, including repeats.
        names: full names to add, newest first: ``domain/path:tag`` or ``domain/path@digest``.
        listed: the original manifest list from which the manifest was selected.
    """

    id: str
    manifest: RawManifest
    config: bytes
    layers: tuple[LayerPlan, ...]
    names: tuple[str, ...]
    listed: RawManifest | None = None


class StoredBlob(Protocol):
    """A blob whose digest was verified.  Only the commit of a sink makes one."""

    @property
    def digest(self) -> Digest:
        """The digest of the blob."""

    @property
    def size(self) -> int:
        """The size in bytes."""

    @property
    def diff_id(self) -> Digest | None:
        """The diff ID of the layer; None if it was not computed."""


class BlobSink(AbstractContextManager["BlobSink"], Protocol):
    """Takes the bytes of one missing blob.

    It is a context manager.  Without a commit, a store may keep the bytes as a prefix of the blob.
    If the context is left with an error of the writer, the sink raises it as a TowlineError.
    """

    @property
    def writer(self) -> ByteWriter:
        """The writer; its `offset` is the number of bytes that are here already."""

    def restart(self) -> None:
        """Drop the bytes, and start at offset 0, with another writer."""

    def commit(self, *, any_size: bool = False) -> StoredBlob:
        """Verify the digest and perhaps the size, and store the blob.

        `restart` is possible after a failure.

        Args:
            any_size: the size may differ from that in the descriptor.

        Raises:
            VerificationError: ``verify.digest`` or ``verify.size``, with the fact ``size``, the
                number of bytes that were written; the bytes are dropped.
        """


class Image(Protocol):
    """An image in a store."""

    @property
    def id(self) -> str:
        """Hex; the config's digest, unless another ID was requested."""

    @property
    def digest(self) -> Digest:
        """The digest of the manifest."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names, newest first."""

    @property
    def manifest(self) -> RawManifest:
        """The original manifest that was pulled by the name or digest of the lookup."""

    @property
    def raw_config(self) -> bytes:
        """The bytes of the config; empty if there is none.  For schema 1, see MANIFEST-024."""

    @property
    def config(self) -> ImageConfig:
        """The parsed config; without values if there is none.

        Raises:
            SourceError: ``config.artifact``, for an artifact whose config is another document.
        """

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels in the config."""

    @property
    def platform(self) -> Platform:
        """The platform in the config."""

    @property
    def created(self) -> datetime | None:
        """When the image was made; None if that is unknown."""

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        """The layers in the manifest, lowest first."""


class Ingest(AbstractContextManager["Ingest"], Protocol):
    """The storing of one image, from `Destination.begin` until its context is left."""

    def missing(self) -> Sequence[LayerPlan]:
        """Return the layers whose blobs are not here or not verified, each once, lowest first."""

    def sink(self, layer: LayerPlan, /) -> BlobSink | None:
        """Return the sink of a missing blob; wait while another task or process has it.

        None if the blob is here and verified now.  The caller must not hold another sink.

        Raises:
            PullCancelledError: the caller cancelled during the wait.
        """

    def diff_id(self, layer: LayerPlan, /) -> Digest:
        """Return the diff ID of a stored layer: one that was committed, or was here already.

        Raises:
            StoreError: ``store.blob_missing``.
            SourceError: ``core.layer``: the layer cannot be decompressed, or is not a tar.
            PullCancelledError: the caller cancelled.
        """

    def publish(self) -> Image:
        """Make the image and its names visible, atomically.

        The ID and config of an image of schema 1 are made of its layers (STORE-021).

        Raises:
            StoreError: ``store.incomplete`` if a blob is missing; nothing is visible.
            SourceError: as `diff_id`, for schema 1.
        """


class Destination(Protocol):
    """Takes images."""

    def begin(self, plan: ImagePlan, /, *, diff_ids: bool, cancel: CancelToken) -> Ingest:
        """Begin to store an image.

        Args:
            plan: the image.
            diff_ids: decompress layers while they arrive, so that `Ingest.diff_id` need not read
                them again.
            cancel: ends every wait.
        """


class LayerReader(AbstractContextManager["LayerReader"], Protocol):
    """Reads a stored blob from its beginning; a context manager."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, or all the rest; no bytes at the end.

        Raises:
            VerificationError: ``verify.digest``, instead of the end: the blob is damaged.
        """

    def close(self) -> None:
        """Close it; idempotent."""


class ImageStore(Destination, AbstractContextManager["ImageStore"], Protocol):
    """A store of images: a destination that also returns them.

    It is a context manager, which may do nothing.  Other exceptions than `TowlineError` end a pull
    and reach its caller unchanged.
    """

    @property
    def identity(self) -> StoreIdentity:
        """The driver and paths of the store, as podman prints them."""

    def holds(self, name: str, /) -> bool:
        """Whether an image has this full name or digest."""

    def document(self, digest: Digest, limit: int, /) -> bytes | None:
        """Return a stored manifest, list or config after checking its digest.

        None if it is missing, damaged, or larger than `limit` bytes.
        """

    def open_layer(self, digest: Digest, /) -> LayerReader:
        """Open the blob of a layer, as it was fetched.

        Raises:
            StoreError: ``store.blob_missing``.
        """

    def images(self) -> Sequence[Image]:
        """Return all images, those with the newest names first."""

    def image(self, name: str | Digest, /) -> Image:
        """Return the image of a name, an ID (or a prefix of one), or a digest.

        Raises:
            StoreError: ``store.unknown_image``, ``store.ambiguous_id``.
        """

    def find_id(self, prefix: str, /) -> str | None:
        """Return the only ID with this prefix, else None."""

    def __iter__(self) -> Iterator[Image]:
        """Iterate over `images`."""

    def __len__(self) -> int:
        """The number of `images`."""

    def __contains__(self, name: object, /) -> bool:
        """Whether `image` finds a name, an ID (or a prefix of one), or a digest.

        Raises:
            StoreError: except ``store.unknown_image`` and ``store.ambiguous_id``, which mean False.
        """
