"""The connections that may fetch blobs at once: one for each layer, and helpers (REG-029).

A layer always gets its connection.  The slots that remain are for helpers: connections that fetch
ranges of a layer which waits for the network.  When another layer begins and no slot is free, the
newest helper is stopped.  One condition guards the slots and the buffered bytes of all helpers.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from towline.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PARALLEL_BLOBS", "ConnectionSlots", "Division"]

PARALLEL_BLOBS = 6  # of one image, as podman fetches


@frozen
class Division:
    """When the rest of a blob is divided into ranges, and how.

    Attributes:
        min_remaining: bytes of the blob that must remain.
        range_size: bytes of one range.
        memory: the most bytes that all ranges together may hold unwritten.
        after: seconds for which a connection must have been measured and a slot been free.
        share: the least share of that time that was spent waiting for the network.
    """

    min_remaining: int = 32 << 20
    range_size: int = 4 << 20
    memory: int = 28 << 20
    after: float = 0.5
    share: float = 0.75


class ConnectionSlots:
    """Limits how many connections fetch blobs at once.  Safe in any number of threads.

    Attributes:
        changed: guards the slots and all ranges; notified after every change.
        most: the largest number of connections.
        peak: the largest number of connections that were in use at once.
    """

    def __init__(self, most: int = PARALLEL_BLOBS, division: Division | None = None) -> None:
        self.changed = threading.Condition()
        self.most = most
        self.division = division or Division()
        self.peak = 0
        self._layers = 0
        self._helpers: list[Callable[[], None]] = []
        self._reserved = 0
        self._since = time.monotonic()

    def begin_layer(self) -> None:
        """Count the connection of a layer; stop the newest helper if there are too many."""
        stop: Callable[[], None] | None = None
        with self.changed:
            self._layers += 1
            if self._helpers and self._in_use() > self.most:
                stop = self._helpers.pop()
            self._count()
        if stop is not None:
            stop()
            with self.changed:
                self.changed.notify_all()

    def end_layer(self) -> None:
        """Release the connection of a layer."""
        with self.changed:
            self._layers -= 1
            self._count()

    def add_helper(self, stop: Callable[[], None]) -> bool:
        """Take a slot for a helper if one has been free long enough; returns whether it was.

        Args:
            stop: called, from any thread, when a layer needs the slot.
        """
        with self.changed:
            settled = time.monotonic() - self._since >= self.division.after
            if not settled or self._in_use() >= self.most:
                return False
            self._helpers.append(stop)
            self.peak = max(self.peak, self._in_use())
            return True

    def remove_helper(self, stop: Callable[[], None]) -> None:
        """Release the slot of a helper; does nothing if `begin_layer` took the slot."""
        with self.changed:
            if stop in self._helpers:
                self._helpers.remove(stop)

    def lower_limit(self) -> None:
        """Allow one connection fewer than are in use: the server refused one."""
        with self.changed:
            self.most = max(1, min(self.most, self._in_use() - 1))

    def reserve(self, size: int, *, force: bool) -> bool:
        """Reserve memory for a range; the caller has `changed`.

        Args:
            size: in bytes.
            force: reserve it even if that exceeds the limit.

        Returns:
            Whether it was reserved.
        """
        if not force and self._reserved + size > self.division.memory:
            return False
        self._reserved += size
        return True

    def release(self, size: int) -> None:
        """Release reserved memory; the caller has `changed`."""
        self._reserved -= size
        self.changed.notify_all()

    def _in_use(self) -> int:
        return self._layers + len(self._helpers)

    def _count(self) -> None:
        self._since = time.monotonic()
        self.peak = max(self.peak, self._in_use())
        self.changed.notify_all()
