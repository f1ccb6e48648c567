"""Sockets under deadline: what lasts too long is cut, and all is cut when the caller cancels.

A time-out of a socket bounds one operation of the socket, so a server that sends a byte now and
then is never late.  Here each step of a request (its head, one read of its body) has an end, and a
watchdog shuts the socket when it has passed; the thread that waits on the socket wakes at once.
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

from towline.registry.socket_body import SocketBody

__all__ = ["Canceller", "Deadline", "Watchdog", "use_deadlines"]

_NEVER = float("inf")
_current: ContextVar[Deadline | None] = ContextVar("_current", default=None)
_canceller: ContextVar[Canceller | None] = ContextVar("_canceller", default=None)


class Deadline:
    """One request under way: its socket, and until when its present step may last.

    Attributes:
        fresh: the request opened a connection of its own, and used none from the pool.
        late: the watchdog cut it, for its time was over.
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
        self.body: SocketBody | None = None

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Let a step last so long, and let this be the deadline of connections opened in it."""
        token = _current.set(self)
        self._until = time.monotonic() + seconds
        try:
            yield
        finally:
            self._until = _NEVER
            _current.reset(token)

    def attach(self, line: Any) -> None:
        """Watch another socket from now on."""
        with self._lock:
            # TLS inside TLS (a proxy reached by https) has no socket that could be shut.
            self._socket = line if isinstance(line, socket.socket) else None
            cut = self._cut
        if cut:
            self.cut()

    @property
    def is_cut(self) -> bool:
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

    def detach(self) -> None:
        """Forget the socket: it is closed, or back in the pool."""
        with self._lock:
            self._socket = None


class Canceller:
    """Cuts what one thread has under way, and what it begins later; one request at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watch: Deadline | None = None
        self.is_cut = False

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let all that this thread asks for be on this canceller."""
        token = _canceller.set(self)
        try:
            yield
        finally:
            _canceller.reset(token)

    def hold(self, deadline: Deadline) -> None:
        """Hold a request, in the place of the one before."""
        with self._lock:
            self._watch = deadline
            cut = self.is_cut
        if cut:
            deadline.cut()

    def cut(self) -> None:
        """Cut it, from any thread, and for good."""
        with self._lock:
            self.is_cut = True
            deadline = self._watch
        if deadline is not None:
            deadline.cut()


class Watchdog:
    """Looks at all deadlines of a client now and then, in a thread of its own."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._lock = threading.Lock()
        self._deadlines: set[Deadline] = set()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._cut = False

    def begin(self) -> Deadline:
        """A new deadline; `end` it."""
        deadline = Deadline()
        with self._lock:
            self._deadlines.add(deadline)
            cut = self._cut
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._watch, name="towline-watchdog", daemon=True
                )
                self._thread.start()
        if cut:
            deadline.cut()
        if (canceller := _canceller.get()) is not None:
            canceller.hold(deadline)
        return deadline

    def end(self, deadline: Deadline) -> None:
        """The request of this deadline is over."""
        deadline.detach()
        with self._lock:
            self._deadlines.discard(deadline)

    def cut_all(self) -> None:
        """Cut all requests, and those that begin later."""
        with self._lock:
            self._cut = True
            deadlines = list(self._deadlines)
        for deadline in deadlines:
            deadline.cut()

    def close(self) -> None:
        """Cut what is under way and end the thread; idempotent."""
        self.cut_all()
        self._closed.set()

    def _watch(self) -> None:
        while not self._closed.wait(self._every):
            now = time.monotonic()
            with self._lock:
                deadlines = list(self._deadlines)
            for deadline in deadlines:
                deadline.look(now)


class _WatchedBody(SocketBody):
    """A body that the deadline of its request knows."""

    def __init__(self, line: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(line, *args, **kwargs)
        if (deadline := _current.get()) is not None:
            deadline.body = self


class _HttpConnection(HTTPConnection):
    """A connection that shows its socket to the deadline of the request that uses it."""

    response_class = _WatchedBody
    _lever: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        line = super()._new_conn()
        deadline = _current.get()
        if deadline is not None:
            # During the TLS handshake the socket has passed into an object that nobody holds yet;
            # a second handle of it can be shut all the same.
            self._lever = line.dup()
            deadline.attach(self._lever)
        return line

    def connect(self) -> None:
        deadline = _current.get()
        try:
            super().connect()
        finally:
            if deadline is not None:
                deadline.fresh = True
                deadline.attach(self.sock)
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
        deadline = _current.get()
        if deadline is not None and self.sock is not None:
            deadline.attach(self.sock)
        super().putrequest(method, url, skip_host, skip_accept_encoding)


class _HttpsConnection(_HttpConnection, HTTPSConnection):
    """The same with TLS."""


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection

    def _validate_conn(self, conn: Any) -> None:
        # Without urllib3's warning about unverified TLS: that is the user's own and stated choice.
        if conn.is_closed:
            conn.connect()


def use_deadlines(manager: PoolManager) -> None:
    """Let a manager make connections that a `Deadline` can cut."""
    manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
