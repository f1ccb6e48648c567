"""Records: what the store knows of each image, one per ID.

`record_json` reads and writes them, `identity` decides which manifests share one.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from towline.name.digest import Digest, parse_digest

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

#: Config and layers.  Two manifests with equal ones are the same image, whatever else they say.
Content = tuple[Digest | None, tuple[Digest, ...]]


class Proof(enum.Enum):
    """The result of comparing the layers of a manifest with the diff IDs in its config."""

    PROVEN = "every layer has the diff ID that the config lists at its place"
    REFUTED = "a layer has another diff ID, or the config lists another number of them"
    UNPROVABLE = "the config lists no diff IDs, or they cannot be compared"
    INCOMPLETE = "a blob is missing or damaged"
    UNREADABLE = "a blob cannot be read at this moment"


#: Those that stay true for the same content.
LASTING_PROOFS = (Proof.PROVEN, Proof.REFUTED)


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """One manifest by which an image is known, and the blobs that it names.

    Attributes:
        media_type: under which it came; the bytes alone do not always say.
        digest: of the bytes.
        config: None where the image has none.
        layers: those that change something, which the config's diff IDs are of; lowest first.
        empty: layers that the manifest lists beside them and that change nothing (MANIFEST-022).
        payload: the digest by which a signed manifest is known (MANIFEST-023).
        proof: PROVEN or REFUTED once the layers were compared with the config; else None.
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
        """What the image is made of."""
        return self.config, self.layers

    @property
    def known(self) -> Digest:
        """The digest by which it is known."""
        return self.payload or self.digest

    def documents(self) -> tuple[Digest, ...]:
        """Itself, and its config."""
        return (self.digest,) if self.config is None else (self.digest, self.config)

    def blobs(self) -> tuple[Digest, ...]:
        """Every blob of it, itself first."""
        return (*self.documents(), *self.layers, *self.empty)


@dataclass(frozen=True, slots=True)
class Link:
    """A name, or the digest of a list, and the manifest that was pulled by it.

    Attributes:
        key: a full name, or a digest as text.
        manifest: its place among the manifests of the record.
    """

    key: str
    manifest: int


@dataclass(frozen=True, slots=True)
class Record:
    """An image as the store knows it.

    Attributes:
        id: hex, see `towline.store.layout.identity`.
        tags: the names, newest first, each with its manifest; none where all names moved on.
        named: when a name was last given, in nanoseconds since 1970.
        manifests: oldest first, all of the same content; an ID alone leads to the first.
        lists: lists and indexes through which manifests were chosen, each with the last one
            that was.  Where its bytes are here, another pull need not fetch it (REG-052).
    """

    id: str
    tags: tuple[Link, ...]
    named: int
    manifests: tuple[StoredManifest, ...]
    lists: tuple[Link, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Newest first."""
        return tuple(link.key for link in self.tags)

    def manifest_of(self, key: str) -> StoredManifest:
        """The manifest that was pulled by a name or a digest; the first one for an ID."""
        for link in self.tags:
            if link.key == key:
                return self.manifests[link.manifest]
        for manifest in self.manifests:
            if str(manifest.known) == key:
                return manifest
        for link in self.lists:
            if link.key == key:
                return self.manifests[link.manifest]
        return self.manifests[0]

    def digests(self) -> tuple[Digest, ...]:
        """Every digest by which it is known, that of the first manifest first."""
        lists = (parse_digest(link.key) for link in self.lists)
        return tuple(dict.fromkeys((*(manifest.known for manifest in self.manifests), *lists)))

    def blobs(self) -> set[Digest]:
        """Every blob that it needs."""
        return {blob for manifest in self.manifests for blob in manifest.blobs()}

    def handles(self) -> tuple[str, ...]:
        """What it can be looked up by: names and digests.  No name looks like a digest."""
        return (*self.names, *map(str, self.digests()))

    def without(self, names: Iterable[str]) -> Record:
        """The same without these names."""
        gone = frozenset(names)
        return replace(self, tags=tuple(link for link in self.tags if link.key not in gone))


@dataclass(frozen=True, slots=True)
class UndecidedRecord:
    """A record of version 1 whose manifests may be those of several images (STORE-023).

    Version 1 did not record which manifest a name was pulled with.

    Attributes:
        names: newest first.
        manifests: oldest first.
        lists: digests of lists through which the manifests were chosen.
    """

    id: str
    names: tuple[str, ...]
    named: int
    manifests: tuple[StoredManifest, ...]
    lists: tuple[Digest, ...]


def same_image(manifests: Sequence[StoredManifest]) -> bool:
    """Whether manifests are those of one image.

    Either their content is equal, or they have one config and each was proven to be of it.
    """
    if len({each.content for each in manifests}) == 1:
        return True
    one_config = len({each.config for each in manifests}) == 1
    return one_config and all(each.proof is Proof.PROVEN for each in manifests)
