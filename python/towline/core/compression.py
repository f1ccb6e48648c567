"""The compression formats of archives and layers, detected by their first bytes."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["FORMATS", "LONGEST_MAGIC", "MAGIC", "detect"]

MAGIC = {
    "gzip": b"\x1f\x8b\x08",
    "bzip2": b"BZh",
    "xz": b"\xfd7zXZ\x00",
    "zstd": b"\x28\xb5\x2f\xfd",
}
FORMATS = tuple(MAGIC)
LONGEST_MAGIC = 6  # bytes


def detect(head: bytes, formats: Sequence[str] = FORMATS) -> str | None:
    """Return the compression format whose magic these first bytes have, or None."""
    return next((name for name in formats if head.startswith(MAGIC[name])), None)
