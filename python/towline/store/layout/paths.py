"""Where things lie in an embedded store.

    ROOT/oci-layout  index.json  blobs/<algorithm>/<hex>     an OCI layout, as other tools know it
    ROOT/towline/store.json        the version of what lies below
                 images/<id>.json  one record per image: the truth
                 lookup/<sha256>   from a name or a digest to IDs; can be made again
                 partial/<algorithm>/<hex>                   the beginnings of blobs
                 locks/            of the store, of the index, of blobs; who holds them
                 tmp/              files on their way to their place
                 index.sha256      of index.json as towline wrote it last
                 unfinished        there while records are being changed

Nothing becomes part of a path before it was checked: IDs and digests are hex, names are hashed.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from towline.errors import StoreError
from towline.name.digest import Digest

__all__ = ["StorePaths", "is_id"]

_ID = re.compile(r"[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128}")


def is_id(text: str) -> bool:
    """Whether the text is a whole image ID: the hex of a digest."""
    return _ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class StorePaths:
    """The paths of one store, all absolute; the drawing above says what lies where."""

    root: str
    layout_file: str
    index: str
    blobs: str
    own: str
    version: str
    images: str
    lookup: str
    partials: str
    store_lock: str
    index_lock: str
    blob_locks: str
    holders: str
    tmp: str
    index_checksum: str
    index_damaged: str
    unfinished: str

    @staticmethod
    def below(root: str) -> StorePaths:
        """The paths of the store in a folder, given by its absolute path."""
        own = f"{root}/towline"
        return StorePaths(
            root=root,
            layout_file=f"{root}/oci-layout",
            index=f"{root}/index.json",
            blobs=f"{root}/blobs",
            own=own,
            version=f"{own}/store.json",
            images=f"{own}/images",
            lookup=f"{own}/lookup",
            partials=f"{own}/partial",
            store_lock=f"{own}/locks/store",
            index_lock=f"{own}/locks/index",
            blob_locks=f"{own}/locks/blobs",
            holders=f"{own}/locks/holders",
            tmp=f"{own}/tmp",
            index_checksum=f"{own}/index.sha256",
            index_damaged=f"{own}/index.damaged.json",
            unfinished=f"{own}/unfinished",
        )

    def folders(self) -> tuple[str, ...]:
        """Every folder of a store but its root, parents first."""
        return (
            self.blobs,
            f"{self.blobs}/sha256",
            self.own,
            self.images,
            self.lookup,
            self.tmp,
            self.partials,
            f"{self.partials}/sha256",
            f"{self.own}/locks",
            self.blob_locks,
            self.holders,
        )

    def record(self, image_id: str) -> str:
        """The record of an image.

        Raises:
            StoreError: ``store.invalid_id``.
        """
        if not is_id(image_id):
            raise StoreError("store.invalid_id", id=image_id)
        return f"{self.images}/{image_id}.json"

    def key(self, key: str) -> str:
        """The lookup file of a name or digest, whatever characters it has."""
        hashed = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        return f"{self.lookup}/{hashed}"

    def blob(self, digest: Digest) -> str:
        """A blob."""
        return f"{self.blobs}/{digest.algorithm}/{digest.hex}"

    def partial(self, digest: Digest) -> str:
        """The beginning of a blob."""
        return f"{self.partials}/{digest.algorithm}/{digest.hex}"

    def blob_lock(self, digest: Digest) -> str:
        """The lock of whoever fetches a blob."""
        return f"{self.blob_locks}/{digest.algorithm}-{digest.hex}"
