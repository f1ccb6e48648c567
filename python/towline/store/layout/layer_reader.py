"""Reads the blob of a layer, and verifies it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Self

from towline.errors import VerificationError, path_errors
from towline.name.digest import Digest
from towline.store.layout import files

if TYPE_CHECKING:
    from towline.store.layout.blobs import Blobs

__all__ = ["LayoutLayerReader", "open_layer"]


def open_layer(blobs: Blobs, digest: Digest) -> LayoutLayerReader:
    """Open a stored blob for reading.

    Raises:
        StoreError: ``store.blob_missing``, ``store.blob_closed``.
    """
    fd = blobs.opened(digest, files.open_regular)
    return LayoutLayerReader(fd, blobs.paths.blob(digest), digest)


class LayoutLayerReader:
    """Reads a blob from its beginning to its end, where its digest is compared."""

    def __init__(self, fd: int, path: str, digest: Digest) -> None:
        self._file = open(fd, "rb", buffering=0)  # noqa: SIM115 - closed by `close`
        self._path = path
        self._digest = digest
        self._hash = hashlib.new(digest.algorithm)
        self._size = 0

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, or all the rest; no bytes at the end.

        Raises:
            VerificationError: ``verify.digest``, instead of the end: the blob is damaged.
            PathError: the file cannot be read.
        """
        with path_errors("read", self._path):
            data = self._file.read(size) or b""
        self._hash.update(data)
        self._size += len(data)
        if size < 0 or (size > 0 and not data):
            self._check()
        return data

    def close(self) -> None:
        """Close the file; idempotent."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check(self) -> None:
        got = Digest(self._digest.algorithm, self._hash.hexdigest())
        if got != self._digest:
            raise VerificationError("verify.digest", want=self._digest, got=got, size=self._size)
