"""A token by which a caller stops work that is under way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from towline.core import Stop
from towline.errors import PullCancelledError

__all__ = ["CancelToken"]


class CancelToken:
    """Cancelled once, for good.

    Every loop that may last asks it, and open sockets register with it.

    Attributes:
        stop: what the core's long calls ask.
    """

    def __init__(self) -> None:
        self.stop = Stop()
        self._lock = threading.Lock()
        self._event = threading.Event()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._next = 0

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._event.is_set()

    def cancel(self) -> None:
        """Cancel: wake what waits and close what was registered.  Safe in any thread."""
        self.stop.set()
        with self._lock:
            self._event.set()
            callbacks = list(self._callbacks.values())
            self._callbacks.clear()
        for callback in callbacks:
            callback()

    @contextmanager
    def branch(self) -> Iterator[CancelToken]:
        """A token that is cancelled with this one, and that can be cancelled alone."""
        token = CancelToken()
        forget = self.on_cancel(token.cancel)
        try:
            yield token
        finally:
            forget()

    def raise_if_cancelled(self) -> None:
        """Nothing, or `PullCancelledError` (code ``cancelled.by_caller``)."""
        if self._event.is_set():
            raise PullCancelledError("cancelled.by_caller")

    def wait(self, seconds: float) -> None:
        """Sleep so long, or until cancelled.

        Raises:
            PullCancelledError: ``cancelled.by_caller``.
        """
        self._event.wait(seconds)
        self.raise_if_cancelled()

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back once on cancelling (at once if that was before); returns how to unregister."""
        with self._lock:
            if not self._event.is_set():
                key = self._next = self._next + 1
                self._callbacks[key] = callback
                return lambda: self._forget(key)
        callback()
        return lambda: None

    def _forget(self, key: int) -> None:
        with self._lock:
            self._callbacks.pop(key, None)
