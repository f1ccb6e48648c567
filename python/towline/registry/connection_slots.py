"""The connections that bring blobs: one for each layer under way, and helpers (REG-029).

A layer always has its connection.  What is left of the slots may help a layer that waits for the
network; when another layer begins, the youngest helper goes.  One condition guards all of it, and
what the helpers of all blobs have in memory.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["ConnectionSlots", "Division"]


@dataclass(frozen=True, slots=True)
class Division:
    """When the rest of a blob is divided, and how.

    Attributes:
        worth: bytes that must be left of it.
        piece: bytes of one request.
        memory: bytes that all pieces may take that are not written yet.
        after: seconds for which a connection must have been watched, and a slot been free.
        share: of that time, how much must have been spent waiting for the network.
    """

    worth: int = 32 << 20
    piece: int = 4 << 20
    memory: int = 28 << 20
    after: float = 0.5
    share: float = 0.75


class ConnectionSlots:
    """How many connections may bring blobs at once.  Safe in any number of threads.

    Attributes:
        changed: guards this, and all that is fetched in pieces; told when something changed.
        peak: the most connections that there were at once.
    """

    def __init__(self, most: int = 6, division: Division | None = None) -> None:
        self.changed = threading.Condition()
        self.most = most
        self.division = division or Division()
        self.peak = 0
        self._layers = 0
        self._helpers: list[Callable[[], None]] = []
        self._held = 0
        self._since = time.monotonic()

    def begin(self) -> None:
        """A layer has a connection; a helper goes where there are too many."""
        leave: Callable[[], None] | None = None
        with self.changed:
            self._layers += 1
            if self._helpers and self._taken() > self.most:
                leave = self._helpers.pop()
            self._count()
        if leave is not None:
            leave()
            with self.changed:
                self.changed.notify_all()

    def end(self) -> None:
        """A layer has no connection any more."""
        with self.changed:
            self._layers -= 1
            self._count()

    def help(self, leave: Callable[[], None]) -> bool:
        """Take a slot for a helper, if one has been free for a while.

        Args:
            leave: called, from any thread, when a layer needs the slot.
        """
        with self.changed:
            settled = time.monotonic() - self._since >= self.division.after
            if not settled or self._taken() >= self.most:
                return False
            self._helpers.append(leave)
            self.peak = max(self.peak, self._taken())
            return True

    def leave(self, leave: Callable[[], None]) -> None:
        """A helper is gone; nothing where it was sent away."""
        with self.changed:
            if leave in self._helpers:
                self._helpers.remove(leave)

    def refuse(self) -> None:
        """The server takes no more connections than the others that are there now."""
        with self.changed:
            self.most = max(1, min(self.most, self._taken() - 1))

    def hold(self, size: int, *, must: bool) -> bool:
        """Take memory for a piece, if there is some or it must be.  The caller has `changed`."""
        if not must and self._held + size > self.division.memory:
            return False
        self._held += size
        return True

    def free(self, size: int) -> None:
        """Give memory back.  The caller has `changed`."""
        self._held -= size
        self.changed.notify_all()

    def _taken(self) -> int:
        return self._layers + len(self._helpers)

    def _count(self) -> None:
        self._since = time.monotonic()
        self.peak = max(self.peak, self._taken())
        self.changed.notify_all()
