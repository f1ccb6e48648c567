"""Caches members of a compressed archive during indexing, to avoid further passes."""

from __future__ import annotations

import heapq
from bisect import bisect_right

from towline.core.compression import LONGEST_MAGIC
from towline.core.failure import CoreError

__all__ = ["MemberCache"]


_EACH = 128  # added to the size of each kept member, for the memory of its bookkeeping
_SIZES = 4096  # maximum number of measured members, since each one needs a new decoder


class MemberCache:
    """The cached bytes and sizes of members.

    Attributes:
        bytes_left: how many more bytes may be decompressed to measure sizes.
        frames_left: how many more frames.
    """

    def __init__(
        self, keep: int = 0, sizes: bool = False, bytes_left: int = 0, frames_left: int = 0
    ) -> None:
        self.bytes_left = bytes_left
        self.frames_left = frames_left
        self._keep = keep
        self._sizes = sizes
        self._heads: dict[int, bytes] = {}
        self._kept: dict[int, bytes] = {}
        self._used = 0
        self._largest: list[tuple[int, int]] = []  # size and offset, negative: a heap
        self._found: dict[tuple[int, int], int | CoreError] = {}
        self._starts: list[int] | None = None

    @property
    def wants_sizes(self) -> bool:
        """Whether further members should be measured."""
        in_limits = self.bytes_left > 0 and self.frames_left > 0
        return self._sizes and in_limits and len(self._found) < _SIZES

    @property
    def wants_anything(self) -> bool:
        """Whether further members should be cached or measured."""
        return self._keep > 0 or self.wants_sizes

    def note_head(self, offset: int, head: bytes) -> None:
        """Cache the first bytes of a member."""
        self._heads[offset] = head[:LONGEST_MAGIC]

    def make_room(self, size: int) -> bool:
        """Drop larger members until one of this size fits; whether it does."""
        cost = size + _EACH
        if cost > self._keep:
            return False
        while self._used + cost > self._keep:
            if not self._largest or -self._largest[0][0] <= size:
                return False
            other, offset = heapq.heappop(self._largest)
            del self._kept[-offset]
            self._used += other - _EACH
        return True

    def keep(self, offset: int, data: bytes) -> None:
        """Keep the bytes of a member, after `make_room`."""
        self._used += len(data) + _EACH
        self._kept[offset] = data
        heapq.heappush(self._largest, (-len(data), -offset))

    def note_size(self, offset: int, size: int, found: int | CoreError) -> None:
        """Cache the decompressed size of a member, or its error."""
        self._found[offset, size] = found

    def size(self, offset: int, size: int) -> int | CoreError | None:
        """Return the decompressed size of a member, or its error; None if it was not measured."""
        return self._found.get((offset, size))

    def bytes(self, offset: int, size: int) -> bytes | None:
        """Return a range of the tar; None if it is not within the cached bytes of one member."""
        if self._starts is None:  # the first call comes after indexing
            self._starts = sorted(self._kept)
        at = bisect_right(self._starts, offset) - 1
        if at >= 0:
            start = self._starts[at]
            whole = self._kept[start]
            if offset - start + size <= len(whole):
                return whole[offset - start : offset - start + size]
        head = self._heads.get(offset, b"")
        return head[:size] if size <= len(head) else None
