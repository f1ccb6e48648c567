"""The core, which processes bulk data: the Rust extension, or its Python twin.

Both give the same results.  ``TOWLINE_CORE=twin`` selects the twin; ``NAME`` is the one in use.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

from towline.core.byte_writer import ByteWriter
from towline.core.failure import CODES, TRANSIENT, CoreError

__all__ = [
    "CODES",
    "NAME",
    "TRANSIENT",
    "Archive",
    "BlobWriter",
    "ByteWriter",
    "CoreError",
    "LayerFacts",
    "Limits",
    "Member",
    "Stop",
    "diff_id_of",
    "hash_file",
    "layer_pass",
]

NAME = os.environ.get("TOWLINE_CORE") or "native"


def _in_subinterpreter() -> bool:
    for module in ("_interpreters", "_xxsubinterpreters"):  # the second is Python 3.12 and older
        try:
            interpreters = import_module(module)
        except ImportError:
            continue
        return bool(interpreters.get_current() != interpreters.get_main())
    return False


if _in_subinterpreter():
    # The types of the extension would be shared with other interpreters.
    raise ImportError(
        "towline cannot be used in a subinterpreter; use a thread or a process of its own instead"
    )

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


def diff_id_of(path: str, digest: str, stop: Stop) -> str:
    """The diff ID of a layer whose blob is at a path; the digest of the blob is verified.

    Args:
        path: of the blob.
        digest: of the blob, by any supported algorithm.
        stop: ends the work.

    Raises:
        CoreError: ``changed`` if the blob has another digest; else as `layer_pass`.
    """
    facts = layer_pass(path, stop=stop)
    got = facts.digest
    algorithm = digest.partition(":")[0]
    if algorithm != "sha256":
        got, _ = hash_file(path, algorithm, stop=stop)
    if got != digest:
        raise CoreError("changed", 0, "its bytes are not those that were verified")
    return facts.diff_id
