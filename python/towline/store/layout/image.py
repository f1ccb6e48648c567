"""An image in the embedded store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.frozen import field, frozen, replace
from towline.image.config import ConfigValues
from towline.image.manifest import RawManifest
from towline.image.schema1 import Schema1, parse_image

if TYPE_CHECKING:
    from towline.image.descriptor import Descriptor
    from towline.name.digest import Digest
    from towline.store.layout.blobs import Blobs
    from towline.store.layout.records import Record, StoredManifest

__all__ = ["StoredImage"]


@frozen
class StoredImage(ConfigValues):
    """An image at the time of its lookup; its blobs are read and verified on each access.

    Its manifest is the one that was pulled by the name or digest of the lookup; the first one if
    the lookup was by ID or the image was listed.
    """

    _record: Record
    _blobs: Blobs = field(repr=False, compare=False)
    _stored: StoredManifest

    def __repr__(self) -> str:
        names = ", ".join(self.names) or "no name"
        return f"<StoredImage {self.id[:12]} ({names})>"

    @property
    def id(self) -> str:
        """Hex; the config's digest, unless the image has another ID (STORE-004)."""
        return self._record.id

    @property
    def digest(self) -> Digest:
        """The digest of the manifest."""
        return self._stored.lookup_digest

    @property
    def digests(self) -> tuple[Digest, ...]:
        """Every digest of the image, of manifests and of lists."""
        return self._record.digests()

    @property
    def names(self) -> tuple[str, ...]:
        """The names, newest first."""
        return self._record.names

    def by_manifest(self) -> tuple[StoredImage, ...]:
        """The image once for each manifest that was pulled by a name, with these names only."""
        links = self._record.name_links
        manifests = dict.fromkeys(link.manifest for link in links)
        return tuple(self._with_names_of(index) for index in manifests) or (self,)

    def _with_names_of(self, index: int) -> StoredImage:
        links = tuple(link for link in self._record.name_links if link.manifest == index)
        record = replace(self._record, name_links=links)
        return replace(self, _record=record, _stored=record.manifests[index])

    @property
    def manifest(self) -> RawManifest:
        """The original manifest.

        Raises:
            StoreError: ``store.blob_missing``, ``store.blob_closed``.
            VerificationError: ``verify.digest``.
        """
        return RawManifest(self._blobs.get(self._stored.digest), self._stored.media_type)

    @property
    def raw_config(self) -> bytes:
        """The bytes of the config; empty if there is none.  For schema 1 see MANIFEST-024.

        Raises:
            StoreError: ``store.blob_missing``, ``store.blob_closed``.
            VerificationError: ``verify.digest``.
        """
        digest = self._stored.config
        return b"" if digest is None else self._blobs.get(digest)

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        """The layers in the manifest, lowest first, without the empty layers of schema 1."""
        manifest = parse_image(self.manifest)
        return manifest.content if isinstance(manifest, Schema1) else manifest.layers
