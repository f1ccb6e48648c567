"""The diff IDs of the layers of one image, computed while they are written or when required.

One thread per blob reads the partial blob behind its writer, decompresses and hashes it.  So a pull
that needs diff IDs uses several cores and reads each blob only once.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from towline.core import TRANSIENT, BlobWriter, CoreError, diff_id_of
from towline.errors import SourceError, StoreError
from towline.name.digest import Digest, parse_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towline.cancel import CancelToken
    from towline.store.layout.blobs import Blobs

__all__ = ["DiffIds", "Follower"]


class DiffIds:
    """The diff IDs of stored layers, by the digests of their blobs.  Safe in any thread."""

    def __init__(self, blobs: Blobs, cancel: CancelToken) -> None:
        """No diff IDs yet.

        Args:
            blobs: the blobs of the store.
            cancel: ends the decompression.
        """
        self._blobs = blobs
        self._cancel = cancel
        self._found: dict[Digest, Digest | CoreError] = {}

    def add(self, blob: Digest, found: Digest | CoreError) -> None:
        """Record the diff ID of a verified blob, or the error of a blob that is not a layer."""
        self._found[blob] = found

    def known(self) -> Mapping[Digest, Digest]:
        """Return the diff IDs that were computed."""
        return {
            blob: found for blob, found in self._found.items() if not isinstance(found, CoreError)
        }

    def of(self, blob: Digest) -> Digest:
        """Return the diff ID of a stored blob; the blob is decompressed if that was not done yet.

        Raises:
            StoreError: ``store.blob_missing``.
            SourceError: ``core.layer``: the layer cannot be decompressed, or is not a tar.
            PullCancelledError: the caller cancelled.
        """
        self._cancel.raise_if_cancelled()
        found = self._found.get(blob)
        if found is None and self._blobs.size(blob) is None:
            raise StoreError("store.blob_missing", digest=blob)
        try:
            if isinstance(found, CoreError):
                raise found
            if found is None:
                path = self._blobs.paths.blob(blob)
                found = parse_digest(diff_id_of(path, str(blob), self._cancel.stop))
        except CoreError as error:
            self._cancel.raise_if_cancelled()
            raise SourceError(
                "core.layer", code=error.code, offset=error.offset, detail=error.detail
            ) from None
        self._found[blob] = found
        return found


class Follower:
    """Computes the diff ID of a layer in a thread, while the layer is written."""

    def __init__(self, writer: BlobWriter, size: int) -> None:
        """Start the thread.

        Args:
            writer: of the blob.
            size: of the whole blob, in bytes.
        """
        self._writer = writer
        self._size = size
        self._found: Digest | CoreError | None = None
        self._thread: threading.Thread | None = threading.Thread(
            target=self._follow,
            name="towline-diff-id",
            daemon=True,  # the end of the process does not wait for a sink that was left open
        )
        try:
            self._thread.start()
        except RuntimeError:  # no further thread can be started; the stored blob is read instead
            self._thread = None

    def end(self) -> Digest | CoreError | None:
        """End the writing, and wait for the thread.

        Returns:
            The diff ID, or the error of bytes that are not a layer; None if all that is known is
            that the writing ended early or failed.
        """
        self._writer.end_following()
        if self._thread is not None:
            self._thread.join()
        found = self._found
        transient = isinstance(found, CoreError) and found.code in TRANSIENT
        return None if transient else found

    def _follow(self) -> None:
        try:
            self._found = parse_digest(self._writer.follow(self._size))
        except CoreError as error:
            self._found = error
