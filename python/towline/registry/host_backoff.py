"""One budget for each host, shared by all pulls of the process (REG-051).

A host that says "too many requests" to one pull says it to all of them: they wait together, and
none of them spends what is left on asking again at once.
"""

from __future__ import annotations

import threading
import time

__all__ = ["HOST_BACKOFF", "HostBackoff"]


class HostBackoff:
    """Until when which host wants to be left alone.  Safe in any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}

    def pause(self, host: str, seconds: float) -> None:
        """Leave a host alone for so long, or longer where that was said before."""
        until = time.monotonic() + seconds
        with self._lock:
            self._until[host] = max(until, self._until.get(host, 0.0))

    def left(self, host: str) -> float:
        """The seconds that are left of a host's pause."""
        with self._lock:
            until = self._until.get(host)
            if until is None:
                return 0.0
            left = until - time.monotonic()
            if left <= 0:
                del self._until[host]
                return 0.0
            return left


HOST_BACKOFF = HostBackoff()
