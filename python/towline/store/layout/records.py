"""Records: the data that the store has of each image, one record per ID.

`record_json` parses and formats records, `identity` decides which manifests share one.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from towline.frozen import frozen, replace
from towline.name.digest import Digest, parse_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "LASTING_PROOFS",
    "Content",
    "Link",
    "Proof",
    "Record",
    "StoredManifest",
    "UndecidedRecord",
    "same_image",
]

#: Config and layers.  Two manifests in which these are equal belong to the same image.
Content = tuple[Digest | None, tuple[Digest, ...]]


class Proof(enum.Enum):
    """The result of comparing the layers of a manifest with the diff IDs in its config."""

    PROVEN = "every layer has the diff ID that the config lists for it"
    REFUTED = "a layer has another diff ID, or the config lists another number of them"
    UNPROVABLE = "the config lists no diff IDs, or they cannot be compared"
    INCOMPLETE = "a blob is missing or damaged"
    UNREADABLE = "a blob cannot be read at this moment"


#: The proofs that are permanent for the same content.
LASTING_PROOFS = (Proof.PROVEN, Proof.REFUTED)


@frozen
class StoredManifest:
    """One manifest of an image, and the blobs that it references.

    Attributes:
        media_type: the media type with which it was served; the content may not have one.
        digest: the digest of its bytes.
        config: the digest of the config; None if the image has none.
        layers: the layers to which the diff IDs in the config belong, lowest first.
        empty: further layers in the manifest, which change nothing (MANIFEST-022).
        payload: the digest of a signed manifest without its signatures (MANIFEST-023).
        proof: PROVEN or REFUTED if the layers were compared with the config; else None.
    """

    media_type: str
    digest: Digest
    size: int
    config: Digest | None
    layers: tuple[Digest, ...]
    empty: tuple[Digest, ...] = ()
    payload: Digest | None = None
    proof: Proof | None = None

    @property
    def content(self) -> Content:
        """The config and the layers."""
        return self.config, self.layers

    @property
    def lookup_digest(self) -> Digest:
        """The digest by which the manifest is looked up."""
        return self.payload or self.digest

    def documents(self) -> tuple[Digest, ...]:
        """Return the digests of the manifest and of its config."""
        return (self.digest,) if self.config is None else (self.digest, self.config)

    def blobs(self) -> tuple[Digest, ...]:
        """Return the digests of all its blobs, the manifest first."""
        return (*self.documents(), *self.layers, *self.empty)


@frozen
class Link:
    """Links a name, or the digest of a manifest list, to the manifest that was pulled by it.

    Attributes:
        key: a full name, or a digest as text.
        manifest: the index in the manifests of the record.
    """

    key: str
    manifest: int


@frozen
class Record:
    """The record of an image.

    Attributes:
        id: hex, see `towline.store.layout.identity`.
        name_links: the names, newest first, each with its manifest; may be empty.
        named_at: when a name was last added, in nanoseconds since 1970.
        manifests: oldest first, all of one image; a lookup by ID uses the first.
        lists: manifest lists and indexes, each with the manifest that was last selected from it.
            A pull does not fetch them again while their blobs are stored (REG-052).
    """

    id: str
    name_links: tuple[Link, ...]
    named_at: int
    manifests: tuple[StoredManifest, ...]
    lists: tuple[Link, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names, newest first."""
        return tuple(link.key for link in self.name_links)

    def manifest_of(self, key: str) -> StoredManifest:
        """Return the manifest that was pulled by a name or digest; for an ID, the first one."""
        for link in self.name_links:
            if link.key == key:
                return self.manifests[link.manifest]
        for manifest in self.manifests:
            if str(manifest.lookup_digest) == key:
                return manifest
        for link in self.lists:
            if link.key == key:
                return self.manifests[link.manifest]
        return self.manifests[0]

    def digests(self) -> tuple[Digest, ...]:
        """Return every digest of the image, that of the first manifest first."""
        lists = (parse_digest(link.key) for link in self.lists)
        return tuple(
            dict.fromkeys((*(manifest.lookup_digest for manifest in self.manifests), *lists))
        )

    def blobs(self) -> set[Digest]:
        """Return the digests of all blobs of all its manifests."""
        return {blob for manifest in self.manifests for blob in manifest.blobs()}

    def lookup_keys(self) -> tuple[str, ...]:
        """Return the keys of lookups: names and digests.  No name has the form of a digest."""
        return (*self.names, *map(str, self.digests()))

    def without(self, names: Iterable[str]) -> Record:
        """Return the record without these names."""
        gone = frozenset(names)
        return replace(
            self, name_links=tuple(link for link in self.name_links if link.key not in gone)
        )


@frozen
class UndecidedRecord:
    """A record of version 1 with manifests that may belong to several images (STORE-023).

    Version 1 did not record which manifest a name was pulled with.

    Attributes:
        names: newest first.
        manifests: oldest first.
        lists: the digests of lists from which the manifests were selected.
    """

    id: str
    names: tuple[str, ...]
    named_at: int
    manifests: tuple[StoredManifest, ...]
    lists: tuple[Digest, ...]


def same_image(manifests: Sequence[StoredManifest]) -> bool:
    """Whether manifests belong to one image.

    Either their content is equal, or they have the same config and each of them is proven.
    """
    if len({each.content for each in manifests}) == 1:
        return True
    one_config = len({each.config for each in manifests}) == 1
    return one_config and all(each.proof is Proof.PROVEN for each in manifests)
