"""Deadlines for requests: a watchdog shuts the socket of a request that takes too long.

The timeout of a socket limits a single socket operation, so a server that sends a byte now and then
never exceeds it.  A `Deadline` limits a whole step of a request (the response headers, one read of
the body).  After the deadline, or when the caller cancels, the socket is shut down, and the thread
that waits on it continues at once.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager

from towline.registry.connecting import connect
from towline.registry.socket_body import SocketBody

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Canceller", "Deadline", "Watchdog", "use_deadlines"]

_NEVER = float("inf")
_current: ContextVar[Deadline | None] = ContextVar("_current", default=None)
_canceller: ContextVar[Canceller | None] = ContextVar("_canceller", default=None)


class Deadline:
    """The socket of one running request, and the time by which its current step must end.

    Attributes:
        fresh: the request opened a new connection instead of using one from the pool.
        late: the watchdog cut the request because the deadline passed.
        body: the body of the last response.
    """

    __slots__ = ("_cut", "_lock", "_socket", "_until", "_waiting", "body", "fresh", "late")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._waiting: threading.Event | None = None
        self._cut = False
        self._until = _NEVER
        self.fresh = False
        self.late = False
        self.body: SocketBody | None = None

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Limit a step to a number of seconds, also for connections that are opened in it."""
        token = _current.set(self)
        self._until = time.monotonic() + seconds
        try:
            yield
        finally:
            self._until = _NEVER
            _current.reset(token)

    def attach(self, sock: socket.socket | None) -> None:
        """Replace the socket that `cut` shuts down."""
        with self._lock:
            self._socket = sock
            cut = self._cut
        if cut:
            self.cut()

    def wait(self, event: threading.Event) -> None:
        """Wait for an event; `cut` sets it too."""
        with self._lock:
            self._waiting = event
            cut = self._cut
        if not cut:
            event.wait()
        with self._lock:
            self._waiting = None

    @property
    def is_cut(self) -> bool:
        """Whether `cut` was called."""
        return self._cut

    def check(self, now: float) -> None:
        """Cut the request if its deadline has passed."""
        if now > self._until:
            self.late = True
            self.cut()

    def cut(self) -> None:
        """Shut down the socket, and any that is attached later, and end `wait`."""
        with self._lock:
            self._cut = True
            if self._waiting is not None:
                self._waiting.set()
            if self._socket is not None:
                # The socket may be closed already.  SSLSocket.shutdown would discard the TLS
                # state that another thread reads with, so the method of the base class is used.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def detach(self) -> None:
        """Drop the reference to the socket: it is closed, or returned to the pool."""
        with self._lock:
            self._socket = None


class Canceller:
    """Cuts the current request of one thread, and its later ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._deadline: Deadline | None = None
        self.is_cut = False

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Attach all requests that this thread makes to this canceller."""
        token = _canceller.set(self)
        try:
            yield
        finally:
            _canceller.reset(token)

    def attach(self, deadline: Deadline) -> None:
        """Replace the request that `cut` cuts."""
        with self._lock:
            self._deadline = deadline
            cut = self.is_cut
        if cut:
            deadline.cut()

    def cut(self) -> None:
        """Cut the current request and all later ones.  Safe in any thread."""
        with self._lock:
            self.is_cut = True
            deadline = self._deadline
        if deadline is not None:
            deadline.cut()


class Watchdog:
    """Checks all deadlines of a client at an interval, in its own thread."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._lock = threading.Lock()
        self._deadlines: set[Deadline] = set()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._cut = False

    def begin(self) -> Deadline:
        """Create and watch a deadline; the caller must `end` it."""
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
            canceller.attach(deadline)
        return deadline

    def end(self, deadline: Deadline) -> None:
        """Stop watching a deadline: its request has ended."""
        deadline.detach()
        with self._lock:
            self._deadlines.discard(deadline)

    def cut_all(self) -> None:
        """Cut all current and later requests."""
        with self._lock:
            self._cut = True
            deadlines = list(self._deadlines)
        for deadline in deadlines:
            deadline.cut()

    def close(self) -> None:
        """Cut all requests and end the thread; idempotent."""
        self.cut_all()
        self._closed.set()

    def _watch(self) -> None:
        while not self._closed.wait(self._every):
            now = time.monotonic()
            with self._lock:
                deadlines = list(self._deadlines)
            for deadline in deadlines:
                deadline.check(now)


class _WatchedBody(SocketBody):
    """A body that registers with the deadline of its request."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        if (deadline := _current.get()) is not None:
            deadline.body = self


class HttpConnection(HTTPConnection):
    """A connection that attaches its socket to the deadline of the current request."""

    response_class = _WatchedBody
    _duplicate: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        deadline = _current.get()
        if deadline is None:
            return super()._new_conn()
        sock = self._open_socket(deadline)
        # During the TLS handshake the socket belongs to an object that is not accessible yet.
        # A duplicate can be shut down in the meantime.
        self._duplicate = sock.dup()
        deadline.attach(self._duplicate)
        return sock

    def _open_socket(self, deadline: Deadline) -> socket.socket:
        return connect(self, deadline)

    def connect(self) -> None:
        deadline = _current.get()
        try:
            super().connect()
        finally:
            if deadline is not None:
                deadline.fresh = True
                deadline.attach(self._shutdown_socket)
            if self.sock is None or isinstance(self.sock, socket.socket):
                self._close_duplicate()

    def putrequest(
        self,
        method: str,
        url: str,
        skip_host: bool = False,
        skip_accept_encoding: bool = False,
    ) -> None:
        deadline = _current.get()
        if deadline is not None and self.sock is not None:
            deadline.attach(self._shutdown_socket)
        super().putrequest(method, url, skip_host, skip_accept_encoding)

    def close(self) -> None:
        super().close()
        self._close_duplicate()

    @property
    def _shutdown_socket(self) -> socket.socket | None:
        """The socket of the connection; TLS inside TLS (an https proxy) hides it."""
        sock: object = self.sock
        return sock if isinstance(sock, socket.socket) else self._duplicate

    def _close_duplicate(self) -> None:
        if self._duplicate is not None:
            self._duplicate.close()
            self._duplicate = None


class HttpsConnection(HttpConnection, HTTPSConnection):
    """The same with TLS."""


class HttpPool(HTTPConnectionPool):
    ConnectionCls: type[HTTPConnection] = HttpConnection


class HttpsPool(HTTPSConnectionPool):
    ConnectionCls: type[HTTPSConnection] = HttpsConnection

    def _validate_conn(self, conn: Any) -> None:
        # Overridden to avoid urllib3's warning about unverified TLS, which the user has chosen.
        if conn.is_closed:
            conn.connect()


def use_deadlines(manager: PoolManager) -> None:
    """Make a pool manager create connections that a `Deadline` can cut."""
    manager.pool_classes_by_scheme = {"http": HttpPool, "https": HttpsPool}
