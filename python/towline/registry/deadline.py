"""Sockets under watch: what lasts too long is cut, and all is cut when the caller cancels.

A time-out of a socket bounds one operation of the socket, so a server that sends a byte now and
then is never late.  Here each step of a request (its head, one read of its body) has an end, and a
watchman shuts the socket when it has passed; the thread that waits on the socket wakes at once.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager

from towline.registry.socket_body import Body

__all__ = ["Canceller", "Deadline", "Watchdog", "use_deadlines"]

_NEVER = float("inf")
_current: ContextVar[Deadline | None] = ContextVar("_current", default=None)
_leash: ContextVar[Canceller | None] = ContextVar("_leash", default=None)


class Deadline:
    """One request under way: its socket, and until when its present step may last.

    Attributes:
        fresh: the request opened a connection of its own, and used none from the pool.
        late: the watchman cut it, for its time was over.
        body: what reads the last answer to it.
    """

    __slots__ = ("_cut", "_lock", "_socket", "_until", "body", "fresh", "late")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._cut = False
        self._until = _NEVER
        self.fresh = False
        self.late = False
        self.body: Body | None = None

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Let a step last so long, and let this be the watch of connections opened in it."""
        token = _current.set(self)
        self._until = time.monotonic() + seconds
        try:
            yield
        finally:
            self._until = _NEVER
            _current.reset(token)

    def attach(self, line: Any) -> None:
        """Deadline a socket from now on, in the place of the one before."""
        with self._lock:
            # TLS inside TLS (a proxy reached by https) has no socket that could be shut.
            self._socket = line if isinstance(line, socket.socket) else None
            cut = self._cut
        if cut:
            self.cut()

    @property
    def was_cut(self) -> bool:
        """Whether the socket was shut, and all that would be attached will be."""
        return self._cut

    def look(self, now: float) -> None:
        """Cut the socket if the step lasts too long."""
        if now > self._until:
            self.late = True
            self.cut()

    def cut(self) -> None:
        """Shut the socket, and any that is attached later: who waits on it wakes."""
        with self._lock:
            self._cut = True
            if self._socket is not None:
                # The socket may be gone already. An SSLSocket's own shutdown would pull its
                # state from under the thread that reads, so the plain one is taken.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def let_go(self) -> None:
        """Forget the socket: it is closed, or back in the pool."""
        with self._lock:
            self._socket = None


class Canceller:
    """Cuts what one thread has under way, and what it begins later; one request at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watch: Deadline | None = None
        self.was_cut = False

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let all that this thread asks for be on this leash."""
        token = _leash.set(self)
        try:
            yield
        finally:
            _leash.reset(token)

    def hold(self, watch: Deadline) -> None:
        """Hold a request, in the place of the one before."""
        with self._lock:
            self._watch = watch
            cut = self.was_cut
        if cut:
            watch.cut()

    def cut(self) -> None:
        """Cut it, from any thread, and for good."""
        with self._lock:
            self.was_cut = True
            watch = self._watch
        if watch is not None:
            watch.cut()


class Watchdog:
    """Looks at all watches of a client now and then, in a thread of its own."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._lock = threading.Lock()
        self._watches: set[Deadline] = set()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._cut = False

    def begin(self) -> Deadline:
        """A new watch; `end` it."""
        watch = Deadline()
        with self._lock:
            self._watches.add(watch)
            cut = self._cut
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._watch, name="towline-watchman", daemon=True
                )
                self._thread.start()
        if cut:
            watch.cut()
        if (leash := _leash.get()) is not None:
            leash.hold(watch)
        return watch

    def end(self, watch: Deadline) -> None:
        """The request of this watch is over."""
        watch.let_go()
        with self._lock:
            self._watches.discard(watch)

    def cut_all(self) -> None:
        """Cut all requests, and those that begin later."""
        with self._lock:
            self._cut = True
            watches = list(self._watches)
        for watch in watches:
            watch.cut()

    def close(self) -> None:
        """Cut what is under way and end the thread; idempotent."""
        self.cut_all()
        self._closed.set()

    def _watch(self) -> None:
        while not self._closed.wait(self._every):
            now = time.monotonic()
            with self._lock:
                watches = list(self._watches)
            for watch in watches:
                watch.look(now)


class _DeadlineBody(Body):
    """A body that the watch of its request knows."""

    def __init__(self, line: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(line, *args, **kwargs)
        if (watch := _current.get()) is not None:
            watch.body = self


class _Line(HTTPConnection):
    """A connection that shows its socket to the watch of the request that uses it."""

    response_class = _DeadlineBody
    _lever: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        line = super()._new_conn()
        watch = _current.get()
        if watch is not None:
            # During the TLS handshake the socket has passed into an object that nobody holds yet;
            # a second handle of it can be shut all the same.
            self._lever = line.dup()
            watch.attach(self._lever)
        return line

    def connect(self) -> None:
        watch = _current.get()
        try:
            super().connect()
        finally:
            if watch is not None:
                watch.fresh = True
                watch.attach(self.sock)
            if self._lever is not None:
                self._lever.close()
                self._lever = None

    def putrequest(
        self,
        method: str,
        url: str,
        skip_host: bool = False,
        skip_accept_encoding: bool = False,
    ) -> None:
        watch = _current.get()
        if watch is not None and self.sock is not None:
            watch.attach(self.sock)
        super().putrequest(method, url, skip_host, skip_accept_encoding)


class _SecureLine(_Line, HTTPSConnection):
    """The same with TLS."""


class _Lines(HTTPConnectionPool):
    ConnectionCls = _Line


class _SecureLines(HTTPSConnectionPool):
    ConnectionCls = _SecureLine

    def _validate_conn(self, conn: Any) -> None:
        # Without urllib3's warning about unverified TLS: that is the user's own and stated choice.
        if conn.is_closed:
            conn.connect()


def use_deadlines(manager: PoolManager) -> None:
    """Let a manager make connections that a `Deadline` can cut."""
    manager.pool_classes_by_scheme = {"http": _Lines, "https": _SecureLines}
