"""The protocol of a store, as the copying of an image uses it."""

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
        descriptor: the descriptor of the blob in the manifest.
        diff_id: the diff ID in the config; None if the config has none for the layer.
    """

    descriptor: Descriptor
    diff_id: Digest | None = None


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """An image that is to be stored: its manifest, config and names, and its layers to fetch.

    Attributes:
        id: hex; the config's digest, unless the destination requested another ID (STORE-006).
            Empty as long as the ID depends on layers that are not fetched yet, as in schema 1.
        manifest: the original manifest of the image.
        config: the bytes of the config; empty if the image has none.  For schema 1 it is made
            after the layers were fetched (STORE-021).
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


class VerifiedBlob(Protocol):
    """A blob whose digest and size were verified.  Only the commit of a sink creates one."""

    @property
    def digest(self) -> Digest:
        """The digest of the blob."""

    @property
    def size(self) -> int:
        """The size in bytes."""


class BlobSink(Protocol):
    """Takes the bytes of one missing blob.  Without a commit the bytes are kept as a prefix."""

    @property
    def offset(self) -> int:
        """How many bytes of the blob an earlier attempt has stored."""

    @property
    def writer(self) -> BlobWriter:
        """The writer, which takes the bytes from `offset` on."""

    def restart(self) -> None:
        """Drop the stored bytes, and start at offset 0."""

    def commit(self) -> VerifiedBlob:
        """Verify the size and digest, and store the blob.

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
    def config(self) -> bytes:
        """The original config."""

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        """The layers in the manifest, lowest first."""


class Ingest(Protocol):
    """The storing of one image.  It holds the store's shared lock until its context is left."""

    def missing(self) -> Sequence[LayerPlan]:
        """Return the layers whose blobs are not in the store, each blob once, lowest first."""

    def sink(self, layer: LayerPlan) -> BlobSink | None:
        """Return the sink of a missing blob; wait while another task or process has it.

        None if the blob was stored meanwhile.  The caller must not hold another sink.
        """

    def publish(
        self,
        completed: ImagePlan | None = None,
        diff_ids: Mapping[Digest, Digest] | None = None,
    ) -> Image:
        """Make the image and its names visible, atomically.

        Args:
            completed: the plan, completed with the ID and the config that depend on the layers.
            diff_ids: the diff IDs of layers that were decompressed during this pull, by blob.

        Raises:
            StoreError: ``store.incomplete`` if a blob is missing; the store is unchanged.
        """

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Store(Protocol):
    """A store of images."""

    @property
    def identity(self) -> StoreIdentity:
        """The driver and paths of the store, as podman prints them."""

    def begin(self, plan: ImagePlan, *, cancel: CancelToken | None = None) -> Ingest:
        """Begin to store an image; `cancel` ends every wait."""

    def blob_path(self, digest: Digest) -> str:
        """Return the path of a verified blob, which may only be read."""

    def holds(self, name: str) -> bool:
        """Whether an image has this full name or digest."""

    def document(self, digest: Digest, limit: int) -> bytes | None:
        """Return a stored manifest, list or config after checking its digest.

        None if it is missing, damaged, or larger than `limit` bytes.
        """

    def images(self) -> Sequence[Image]:
        """Return all images, those with the newest names first."""

    def image(self, name: str) -> Image:
        """Return the image of a name, an ID (or a prefix of one), or a digest.

        Raises:
            StoreError: ``store.unknown_image``, ``store.ambiguous_id``.
        """

    def find_id(self, prefix: str) -> str | None:
        """Return the only ID with this prefix, else None."""
