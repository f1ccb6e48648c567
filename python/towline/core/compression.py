"""The compression formats of archives and layers, detected by their first bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["FORMATS", "LONGEST_MAGIC", "MAGIC", "detect", "is_skippable"]

MAGIC = {
    "gzip": b"\x1f\x8b\x08",
    "bzip2": b"BZh",
    "xz": b"\xfd7zXZ\x00",
    "zstd": b"\x28\xb5\x2f\xfd",
}
FORMATS = tuple(MAGIC)
LONGEST_MAGIC = 6  # bytes
_LONGEST_PREFIX = 4 << 20  # bytes of skippable frames before the first zstd frame


def detect(read: Callable[[int], bytes], formats: Sequence[str] = FORMATS) -> str | None:
    """Return the compression format of a stream, or None.

    Before the first zstd frame there may be skippable frames, as pzstd writes them.

    Args:
        read: returns at least as many of the first bytes as it is asked for, or all of them.
        formats: that are detected.
    """
    head = read(LONGEST_MAGIC)
    found = next((name for name in formats if head.startswith(MAGIC[name])), None)
    if found is not None or "zstd" not in formats or not is_skippable(head):
        return found
    head = read(_LONGEST_PREFIX)
    start = 0
    while is_skippable(head[start : start + 4]):
        start += 8 + int.from_bytes(head[start + 4 : start + 8], "little")
    return "zstd" if head.startswith(MAGIC["zstd"], start) else None


def is_skippable(head: bytes) -> bool:
    """Whether these bytes begin with the magic of a skippable zstd frame.

    It is 0x184D2A50 to 0x184D2A5F, little-endian.
    """
    return len(head) >= 4 and 0x50 <= head[0] <= 0x5F and head[1:4] == b"\x2a\x4d\x18"
