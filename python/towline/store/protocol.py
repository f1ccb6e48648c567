"""What the copying of an image asks of the place that keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from towline.cancel import CancelToken
from towline.core import BlobWriter
from towline.image.descriptor import Descriptor
from towline.image.manifest import RawManifest
from towline.name.digest import Digest
from towline.transport.facts import StoreIdentity

__all__ = ["BlobSink", "Image", "ImagePlan", "Ingest", "LayerPlan", "Store", "VerifiedBlob"]


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """One layer that an image needs.

    Attributes:
        descriptor: of the blob as the manifest names it.
        diff_id: what the config says of the layer uncompressed; None where it does not say.
        chain_id: of the layer on top of those below it; None where a diff ID is not known.
    """

    descriptor: Descriptor
    diff_id: Digest | None = None
    chain_id: Digest | None = None


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """An image as it is to be stored; manifest and config are here before its layers.

    Attributes:
        id: hex; the config's digest, unless the destination asked for another (STORE-006).  Empty
            as long as it depends on layers that are not here yet, as in schema 1.
        manifest: of the image itself, as it came.
        config: bytes whose digest the manifest names; empty where an image has none.  In schema 1
            it is made once the layers are here (STORE-021).
        layers: lowest first, repeats included.
        names: full names to be given, newest first: ``domain/path:tag`` or ``domain/path@digest``.
        listed: the list or index through which the manifest was chosen, as it came.
    """

    id: str
    manifest: RawManifest
    config: bytes
    layers: tuple[LayerPlan, ...]
    names: tuple[str, ...]
    listed: RawManifest | None = None


class VerifiedBlob(Protocol):
    """A blob whose bytes were hashed and found right.  Only a sink's commit makes one."""

    @property
    def digest(self) -> Digest:
        """Which it is."""

    @property
    def size(self) -> int:
        """In bytes."""


class BlobSink(Protocol):
    """Where the bytes of one missing blob go.  Leaving it without commit keeps a clean prefix."""

    @property
    def offset(self) -> int:
        """How many bytes of the blob are here already, from an earlier attempt."""

    @property
    def writer(self) -> BlobWriter:
        """Takes the bytes from `offset` on."""

    def restart(self) -> None:
        """Drop what is here and take the blob from zero."""

    def commit(self) -> VerifiedBlob:
        """Check size and digest and keep the blob.

        Raises:
            VerificationError: ``verify.digest`` or ``verify.size``; the bytes are dropped.
        """

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Image(Protocol):
    """An image in a store."""

    @property
    def id(self) -> str:
        """Hex; the config's digest, unless another was asked for."""

    @property
    def digest(self) -> Digest:
        """The digest of the manifest."""

    @property
    def names(self) -> tuple[str, ...]:
        """Newest first."""

    @property
    def manifest(self) -> RawManifest:
        """As it came: that by which the image was pulled, where a name or digest was asked for."""

    @property
    def config(self) -> bytes:
        """As it came."""

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        """As the manifest names them, lowest first."""


class Ingest(Protocol):
    """One image on its way into a store.  Holds the store's shared lock; leaving it lets go."""

    def missing(self) -> Sequence[LayerPlan]:
        """The layers whose blobs are not here, each blob once, lowest first."""

    def sink(self, layer: LayerPlan) -> BlobSink | None:
        """A sink for a missing blob, alone among all processes; waits while another fetches it.

        None where the blob arrived meanwhile.  The caller holds no other sink while it waits.
        """

    def publish(
        self,
        completed: ImagePlan | None = None,
        diff_ids: Mapping[Digest, Digest] | None = None,
    ) -> Image:
        """Make the image and its names visible, at once and for good.

        Args:
            completed: the plan again, with the ID and the config that depended on the layers.
            diff_ids: of layers that were decompressed during this pull, by their blobs.

        Raises:
            StoreError: ``store.incomplete`` where a blob is missing; nothing has changed then.
        """

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Store(Protocol):
    """A place that keeps images."""

    @property
    def identity(self) -> StoreIdentity:
        """As podman prints the store."""

    def begin(self, plan: ImagePlan, *, cancel: CancelToken | None = None) -> Ingest:
        """Begin to take an image; what it waits for is given up when `cancel` says so."""

    def blob_path(self, digest: Digest) -> str:
        """Where a verified blob lies; only for reading."""

    def holds(self, name: str) -> bool:
        """Whether an image has this full name, or is known by this digest."""

    def document(self, digest: Digest, limit: int) -> bytes | None:
        """A manifest, list or config that is here, its digest checked.

        None where it is not here, is damaged, or has more than `limit` bytes.
        """

    def images(self) -> Sequence[Image]:
        """All images, those with the newest names first."""

    def image(self, name: str) -> Image:
        """The image of a name, an ID (or the start of one), or a digest.

        Raises:
            StoreError: ``store.unknown_image``, ``store.ambiguous_id``.
        """

    def find_id(self, prefix: str) -> str | None:
        """The ID that begins so, where exactly one does."""
