"""The twin: what the Rust core judges, in Python that is meant to be read.

Same classes, same digests, members, error codes and offsets, for every input and every chunking;
``tests/twins`` holds the two equal. It is slower, and its writer has no thread of its own.
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
