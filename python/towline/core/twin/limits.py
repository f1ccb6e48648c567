"""Budgets, enforced on what comes out of a decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

__all__ = ["GRACE", "Limits", "SizeLimit"]

# Small inputs may be as compressible as they like.
GRACE = 64 << 20


@dataclass(frozen=True, slots=True)
class SizeLimit:
    """How many bytes one stream may give, and the code of the budget that says so."""

    size: int
    code: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an archive or a layer may cost.

    Attributes:
        max_bytes: of tar, and of every compressed stream on the way to it.
        max_ratio: of such a stream to the stored input, once it has given 64 MiB.
        max_entries: members of the tar.
        max_path: bytes of a name or link name.
    """

    max_bytes: int = 1 << 40
    max_ratio: int = 2000
    max_entries: int = 10_000_000
    max_path: int = 65_536

    def ceiling(self, stored: int | None) -> SizeLimit:
        """The budget of a stream decompressed from `stored` bytes; None: it is stored as it is."""
        if stored is not None:
            by_ratio = max(GRACE, self.max_ratio * stored)
            if by_ratio < self.max_bytes:
                return SizeLimit(by_ratio, "limit_ratio")
        return SizeLimit(self.max_bytes, "limit_bytes")
