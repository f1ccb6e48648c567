"""A token with which a caller cancels running operations."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from towline.core import Stop
from towline.errors import PullCancelledError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["CancelToken"]


class CancelToken:
    """A flag that is set once and never cleared.

    Long loops check it, and open sockets register callbacks with it.

    Attributes:
        stop: the same flag for long calls of the core.
    """

    def __repr__(self) -> str:
        return f"<CancelToken{', cancelled' if self.cancelled else ''}>"

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
        """Set the flag, wake `wait` and call the callbacks.  Safe in any thread."""
        self.stop.set()
        with self._lock:
            self._event.set()
            callbacks = list(self._callbacks.values())
            self._callbacks.clear()
        for callback in callbacks:
            callback()

    @contextmanager
    def branch(self) -> Iterator[CancelToken]:
        """Return the context of a new token, which can also be cancelled on its own.

        It is cancelled with this token while the context is open.
        """
        token = CancelToken()
        unregister = self.on_cancel(token.cancel)
        try:
            yield token
        finally:
            unregister()

    def raise_if_cancelled(self) -> None:
        """Raise `PullCancelledError` (``cancelled.by_caller``) if the token is cancelled."""
        if self._event.is_set():
            raise PullCancelledError("cancelled.by_caller")

    def wait(self, seconds: float) -> None:
        """Sleep for a number of seconds, or until cancelled.

        Raises:
            PullCancelledError: ``cancelled.by_caller``.
        """
        self._event.wait(seconds)
        self.raise_if_cancelled()

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Register a callback that is called once, immediately if the token is cancelled already.

        Returns:
            A function that unregisters it.
        """
        with self._lock:
            if not self._event.is_set():
                key = self._next = self._next + 1
                self._callbacks[key] = callback
                return lambda: self._unregister(key)
        callback()
        return lambda: None

    def _unregister(self, key: int) -> None:
        with self._lock:
            self._callbacks.pop(key, None)
