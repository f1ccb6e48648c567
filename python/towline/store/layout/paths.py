"""The paths of the files of an embedded store.

    ROOT/oci-layout  index.json  blobs/<algorithm>/<hex>     an OCI layout, for other tools
    ROOT/towline/store.json        the version of the store's format
                 images/<id>.json  one record per image; authoritative
                 lookup/<sha256>   the IDs of a name or digest; made from the records
                 partial/<algorithm>/<hex>                   partial blobs
                 stamps/<algorithm>/<hex>                    which blobs were hashed
                 locks/            locks of the store, the index and blobs, and their holders
                 tmp/              files that are not yet renamed to their path
                 index.sha256      checksum of index.json as towline wrote it last
                 unfinished        a marker that exists while records are changed

Only validated text becomes part of a path: IDs and digests are hex, and names are hashed.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from towline.errors import StoreError
from towline.frozen import frozen

if TYPE_CHECKING:
    from towline.name.digest import Digest

__all__ = ["StorePaths", "is_id"]

_ID = re.compile(r"[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128}")


def is_id(text: str) -> bool:
    """Whether the text is a complete image ID, which is the hex of a digest."""
    return _ID.fullmatch(text) is not None


@frozen
class StorePaths:
    """The absolute paths of one store, as listed above."""

    root: str
    layout_file: str
    index: str
    blobs: str
    own: str
    version: str
    images: str
    lookup: str
    partials: str
    stamps: str
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
        """Return the paths of the store in a folder, given by its absolute path."""
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
            stamps=f"{own}/stamps",
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
        """Return every folder of a store except its root, parents first."""
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
        """Return the path of the record of an image.

        Raises:
            StoreError: ``store.invalid_id``.
        """
        if not is_id(image_id):
            raise StoreError("store.invalid_id", id=image_id)
        return f"{self.images}/{image_id}.json"

    def key(self, key: str) -> str:
        """Return the path of the lookup file of a name or digest, which may have any characters."""
        hashed = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        return f"{self.lookup}/{hashed}"

    def blob(self, digest: Digest) -> str:
        """Return the path of a blob."""
        return f"{self.blobs}/{digest.algorithm}/{digest.hex}"

    def partial(self, digest: Digest) -> str:
        """Return the path of a partial blob."""
        return f"{self.partials}/{digest.algorithm}/{digest.hex}"

    def stamp(self, digest: Digest) -> str:
        """Return the path of the stamp of a blob."""
        return f"{self.stamps}/{digest.algorithm}/{digest.hex}"

    def blob_lock(self, digest: Digest) -> str:
        """Return the path of the lock for fetching a blob."""
        return f"{self.blob_locks}/{digest.algorithm}-{digest.hex}"
