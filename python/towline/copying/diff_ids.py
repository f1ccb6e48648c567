"""Diff IDs of layers that are being fetched: decompressed and hashed while they are written.

A thread beside each fetch reads the partial blob behind its writer.  So a pull that checks diff
IDs uses the cores that it has, and reads nothing twice.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from towline.core import TRANSIENT, BlobWriter, CoreError, Stop, layer_pass
from towline.name.digest import Digest, parse_digest
from towline.store.protocol import LayerPlan

__all__ = ["DiffIds"]


class DiffIds:
    """What is known of the layers of one image, by the digests of their blobs."""

    def __init__(self) -> None:
        self._found: dict[str, str | CoreError] = {}

    @contextmanager
    def alongside(self, layer: LayerPlan, writer: BlobWriter) -> Iterator[None]:
        """Decompress a layer while it is delivered to a writer within this context."""
        descriptor = layer.descriptor
        if descriptor.size < 0:  # only `of` can read it: nobody knows where it ends
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
        # A writer that failed has said so itself, and what it was to hold is no layer.
        if isinstance(outcome[0], str) or outcome[0].code not in TRANSIENT:
            self._found[descriptor.digest_text] = outcome[0]

    def of(self, digest: Digest, path: str, stop: Stop) -> Digest:
        """The diff ID of a layer whose blob lies there now, verified.

        Raises:
            CoreError: the layer cannot be decompressed, or is no tar.
        """
        found = self._found.get(str(digest))
        if isinstance(found, CoreError):
            raise found
        if found is None:
            facts = layer_pass(path, stop=stop)
            if digest.algorithm == "sha256" and facts.digest != str(digest):
                raise CoreError("changed", 0, "its bytes are not those that were verified")
            found = facts.diff_id
        return parse_digest(found)
