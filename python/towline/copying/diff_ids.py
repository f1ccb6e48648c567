"""Computes the diff IDs of layers while they are fetched.

One thread per fetch reads the partial blob behind its writer, decompresses and hashes it.  So a
pull that checks diff IDs uses several cores and reads each blob only once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from towline.core import TRANSIENT, BlobWriter, CoreError, Stop, diff_id_of
from towline.name.digest import Digest, parse_digest
from towline.store.protocol import LayerPlan

__all__ = ["DiffIds"]


class DiffIds:
    """The diff IDs, or errors, of the layers of one image, by blob digest."""

    def __init__(self) -> None:
        self._found: dict[str, str | CoreError] = {}

    @contextmanager
    def alongside(self, layer: LayerPlan, writer: BlobWriter) -> Iterator[None]:
        """Return a context in which a layer is decompressed while it is written to a writer."""
        descriptor = layer.descriptor
        # An earlier attempt may have had other bytes, which the digest did not match.
        self._found.pop(descriptor.digest_text, None)
        if descriptor.size < 0:  # its end is unknown before the commit, so `of` reads it
            yield
            return
        outcome: list[str | CoreError] = []

        def read() -> None:
            try:
                outcome.append(writer.follow(descriptor.size))
            except CoreError as error:
                outcome.append(error)

        thread = threading.Thread(target=read, name="towline-diff-id")
        thread.start()
        try:
            yield
        finally:
            writer.end_following()
            thread.join()
        # A transient error is not a property of the layer; the writer raises its own errors.
        if isinstance(outcome[0], str) or outcome[0].code not in TRANSIENT:
            self._found[descriptor.digest_text] = outcome[0]

    def of(self, digest: Digest, path: str, stop: Stop) -> Digest:
        """Return the diff ID of a layer whose verified blob is at a path.

        Raises:
            CoreError: the layer cannot be decompressed, or is not a tar.
        """
        found = self._found.get(str(digest))
        if isinstance(found, CoreError):
            raise found
        if found is None:
            found = diff_id_of(path, str(digest), stop)
        return parse_digest(found)
