"""What an index notes of a compressed archive, so that asking for it costs no further pass."""

from __future__ import annotations

import heapq
from bisect import bisect_right

from towline.core.failure import CoreError
from towline.core.twin.frames import LONGEST_MAGIC

__all__ = ["MemberCache"]


_EACH = 128  # what a kept member counts beside its bytes, for it takes memory beside them
_SIZES = 4096  # that are noted: a decoder costs something, also where nothing comes out of it


class MemberCache:
    """What was noted of the members.

    Attributes:
        budget: bytes that may still be decompressed to learn sizes.
    """

    def __init__(self, keep: int = 0, sizes: bool = False, budget: int = 0) -> None:
        self.budget = budget
        self._keep = keep
        self._sizes = sizes
        self._heads: dict[int, bytes] = {}
        self._kept: dict[int, bytes] = {}
        self._held = 0
        self._largest: list[tuple[int, int]] = []  # size and offset, negative: a heap
        self._found: dict[tuple[int, int], int | CoreError] = {}
        self._starts: list[int] | None = None

    @property
    def wants_sizes(self) -> bool:
        """Whether the decompressed sizes of members are still looked for."""
        return self._sizes and self.budget > 0 and len(self._found) < _SIZES

    @property
    def wants_anything(self) -> bool:
        """Whether members are worth a look."""
        return self._keep > 0 or self.wants_sizes

    def note_head(self, offset: int, head: bytes) -> None:
        """Note the first bytes of a member."""
        self._heads[offset] = head[:LONGEST_MAGIC]

    def make_room(self, size: int) -> bool:
        """Whether a member of this size is kept, which larger ones make room for."""
        cost = size + _EACH
        if cost > self._keep:
            return False
        while self._held + cost > self._keep:
            if not self._largest or -self._largest[0][0] <= size:
                return False
            other, offset = heapq.heappop(self._largest)
            del self._kept[-offset]
            self._held += other - _EACH
        return True

    def keep(self, offset: int, data: bytes) -> None:
        """Keep the bytes of a member, after `make_room`."""
        self._held += len(data) + _EACH
        self._kept[offset] = data
        heapq.heappush(self._largest, (-len(data), -offset))

    def note_size(self, offset: int, size: int, found: int | CoreError) -> None:
        """Note what a compressed member of some size grows to, or what is wrong with it."""
        self._found[offset, size] = found

    def size(self, offset: int, size: int) -> int | CoreError | None:
        """The size of a decompressed member, or what is wrong with it; None: not known."""
        return self._found.get((offset, size))

    def bytes(self, offset: int, size: int) -> bytes | None:
        """A range of the tar, if it lies in what was noted of one member."""
        if self._starts is None:  # asked for the first time, when all is noted
            self._starts = sorted(self._kept)
        at = bisect_right(self._starts, offset) - 1
        if at >= 0:
            start = self._starts[at]
            whole = self._kept[start]
            if offset - start + size <= len(whole):
                return whole[offset - start : offset - start + size]
        head = self._heads.get(offset, b"")
        return head[:size] if size <= len(head) else None
