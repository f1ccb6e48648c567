"""The twin: a readable Python implementation of the Rust core.

It has the same classes, and gives the same digests, members, error codes and offsets for every
input and every chunking; ``tests/twins`` compares the two. It is slower, and its writer hashes in
the calling thread.
"""

from __future__ import annotations

from towline.core.twin.archive import Archive
from towline.core.twin.layer import LayerFacts, layer_pass
from towline.core.twin.limits import Limits
from towline.core.twin.streams import Stop
from towline.core.twin.tar import Member
from towline.core.twin.writer import BlobWriter, hash_file

__all__ = [
    "Archive",
    "BlobWriter",
    "LayerFacts",
    "Limits",
    "Member",
    "Stop",
    "hash_file",
    "layer_pass",
]
