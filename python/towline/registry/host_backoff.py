"""A pause for each host, shared by all pulls of the process (REG-051).

The response "too many requests" to one pull applies to all pulls from that host: all of them wait,
so that no request is spent on a retry that would fail.
"""

from __future__ import annotations

import os
import threading
import time

__all__ = ["HOST_BACKOFF", "HostBackoff"]


class HostBackoff:
    """The time until which each host gets no requests.  Safe in any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}

    def pause(self, host: str, seconds: float) -> None:
        """Pause requests to a host for this time; a longer pause that was set before remains."""
        until = time.monotonic() + seconds
        with self._lock:
            self._until[host] = max(until, self._until.get(host, 0.0))

    def left(self, host: str) -> float:
        """The remaining seconds of the pause of a host."""
        with self._lock:
            until = self._until.get(host)
            if until is None:
                return 0.0
            left = until - time.monotonic()
            if left <= 0:
                del self._until[host]
                return 0.0
            return left

    def renew_lock(self) -> None:
        """Replace the lock in a forked process: a thread of the parent may have held it."""
        self._lock = threading.Lock()


HOST_BACKOFF = HostBackoff()
os.register_at_fork(after_in_child=HOST_BACKOFF.renew_lock)
