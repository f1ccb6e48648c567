"""Stamps: which files in ``blobs/`` have bytes that towline has hashed (STORE-025).

Another tool can put a file of any content into the layout, and a name and a size prove nothing.  So
a blob counts as stored only with a stamp: a small file that has the identity of the blob's file
when it was hashed.  A blob without a stamp, or whose file has changed since, is hashed once more.

If a stamp cannot be read or written, nothing fails: the blob is hashed again.  So stamps need no
lock.  A pull writes them, and `verify` empties that of a damaged blob.  A blob with a stamp, even
an empty one, is one that towline has stored or hashed, so gc removes it if nothing reaches it.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from towline.errors import PathError, StoreError, path_errors
from towline.frozen import frozen
from towline.name.digest import HEX_LENGTH
from towline.store.layout import files

if TYPE_CHECKING:
    from towline.name.digest import Digest
    from towline.store.layout.paths import StorePaths

__all__ = ["Stamps", "is_settled"]

# A change within one tick of the clock of the file system may be invisible; the coarsest has 2 s.
_TICK = 2_000_000_000  # nanoseconds
_TRUNCATE = os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def is_settled(found: os.stat_result) -> bool:
    """Whether a later change of a file would certainly change its times."""
    newest = max(found.st_mtime_ns, found.st_ctime_ns)
    return abs(time.time_ns() - newest) > _TICK  # a time in the future is one of another clock


@frozen
class Stamps:
    """The stamps of one store.  Safe in any number of threads and processes."""

    paths: StorePaths

    def matches(self, digest: Digest, found: os.stat_result) -> bool:
        """Whether the bytes of this file were hashed and have the digest."""
        try:
            return files.read(self.paths.stamp(digest)) == _identity(found)
        except PathError:
            return False

    def is_known(self, digest: Digest) -> bool:
        """Whether towline has hashed a file of this blob, which may have changed since."""
        with suppress(PathError):
            return files.exists(self.paths.stamp(digest))
        return False

    def write(self, digest: Digest, found: os.stat_result) -> None:
        """Record that the bytes of this file were hashed and have the digest."""
        path = self.paths.stamp(digest)
        with suppress(PathError, StoreError):
            files.make_folder(self.paths.stamps)
            files.make_folder(os.path.dirname(path))
            files.write(self.paths.tmp, path, _identity(found), sync=False)

    def invalidate(self, digest: Digest) -> None:
        """Empty the stamp of a blob with other bytes; it still shows whose file it is."""
        path = self.paths.stamp(digest)
        with suppress(PathError), path_errors("write", path):
            os.close(os.open(path, _TRUNCATE))

    def remove_stray(self) -> None:
        """Remove the stamps of blobs that are gone."""
        for algorithm in HEX_LENGTH:
            folder = f"{self.paths.stamps}/{algorithm}"
            with suppress(PathError):
                with path_errors("readdir", folder):
                    names = os.listdir(folder)
                for name in names:
                    if files.regular(f"{self.paths.blobs}/{algorithm}/{name}") is None:
                        files.remove(f"{folder}/{name}")


def _identity(found: os.stat_result) -> bytes:
    # Without the device, whose number changes from mount to mount on some file systems.
    parts = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return " ".join(map(str, parts)).encode()
