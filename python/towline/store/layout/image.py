"""An image in the store, as callers see it."""

from __future__ import annotations

from dataclasses import dataclass, field

from towline.image.descriptor import Descriptor
from towline.image.manifest import RawManifest
from towline.image.schema1 import Schema1, parse_image
from towline.name.digest import Digest
from towline.store.layout.blobs import Blobs
from towline.store.layout.records import Record, StoredManifest

__all__ = ["StoredImage"]


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image as it was when it was looked up; its blobs are read, and checked, when asked for.

    Attributes:
        record: all that the store knows of it.
        stored: the manifest that was pulled by the name or digest it was looked up by; the first
            one where it was looked up by its ID, or listed.
    """

    record: Record
    _blobs: Blobs = field(repr=False, compare=False)
    stored: StoredManifest

    @property
    def id(self) -> str:
        """Hex; of the config's digest, unless it was stored under another (STORE-004)."""
        return self.record.id

    @property
    def digest(self) -> Digest:
        """The digest of the manifest."""
        return self.stored.known

    @property
    def digests(self) -> tuple[Digest, ...]:
        """Every digest by which the image is known, of manifests and of lists."""
        return self.record.digests()

    @property
    def names(self) -> tuple[str, ...]:
        """Newest first."""
        return self.record.names

    @property
    def manifest(self) -> RawManifest:
        """The manifest, as it came.

        Raises:
            StoreError: ``store.blob_missing``, ``store.blob_closed``.
            VerificationError: ``verify.digest``.
        """
        return RawManifest(self._blobs.get(self.stored.digest), self.stored.media_type)

    @property
    def config(self) -> bytes:
        """The config; empty where the image has none.  That of schema 1 was made (MANIFEST-024).

        Raises:
            StoreError: ``store.blob_missing``, ``store.blob_closed``.
            VerificationError: ``verify.digest``.
        """
        digest = self.stored.config
        return b"" if digest is None else self._blobs.get(digest)

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        """The layers as the manifest describes them, lowest first, without those of no content."""
        manifest = parse_image(self.manifest)
        return manifest.content if isinstance(manifest, Schema1) else manifest.layers
