"""Limits on archives and layers, which apply to the output of decoders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

__all__ = ["GRACE", "Limits", "SizeLimit"]

# The ratio is not limited below this size of the output.
GRACE = 64 << 20


@dataclass(frozen=True, slots=True)
class SizeLimit:
    """The maximum size of one stream, and the code of the error for a longer one."""

    size: int
    code: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of an archive or a layer.

    Attributes:
        max_bytes: maximum size of the tar, and of the output of every compression around it.
        max_ratio: maximum ratio of such output to the stored input, from 64 MiB of output on.
        max_entries: maximum number of members of the tar.
        max_path: maximum length of a name or link name, in bytes.
        max_index: maximum number of bytes that the index of an archive counts for all members
            together: those of their names and link names, and 256 for each.
        max_frames: maximum number of frames of a compressed stream; an xz stream counts as 4, and
            a bzip2 stream as 64, for the time that it takes to make its decoder.
    """

    max_bytes: int = 1 << 40
    max_ratio: int = 2000
    max_entries: int = 10_000_000
    max_path: int = 65_536
    max_index: int = 32 << 20
    max_frames: int = 1 << 22

    def ceiling(self, stored: int | None) -> SizeLimit:
        """Return the size limit of the output of `stored` bytes; None for an uncompressed input."""
        if stored is not None:
            by_ratio = max(GRACE, self.max_ratio * stored)
            if by_ratio < self.max_bytes:
                return SizeLimit(by_ratio, "limit_ratio")
        return SizeLimit(self.max_bytes, "limit_bytes")
