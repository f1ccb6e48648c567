"""The core, which processes bulk data: the Rust extension, or its Python twin.

Both give the same results.  ``TOWLINE_CORE=twin`` selects the twin; ``NAME`` is the one in use.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from towline.core.failure import CODES, TRANSIENT, CoreError

__all__ = [
    "CODES",
    "NAME",
    "TRANSIENT",
    "Archive",
    "BlobWriter",
    "CoreError",
    "LayerFacts",
    "Limits",
    "Member",
    "Stop",
    "hash_file",
    "layer_pass",
]

NAME = os.environ.get("TOWLINE_CORE") or "native"

if TYPE_CHECKING or NAME == "native":
    from towline.core._native import (
        Archive,
        BlobWriter,
        LayerFacts,
        Limits,
        Member,
        Stop,
        hash_file,
        layer_pass,
    )
elif NAME == "twin":
    from towline.core.twin import (
        Archive,
        BlobWriter,
        LayerFacts,
        Limits,
        Member,
        Stop,
        hash_file,
        layer_pass,
    )
else:
    raise ImportError(f"TOWLINE_CORE is {NAME!r}: it can be 'native' (the default) or 'twin'")
