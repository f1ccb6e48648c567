"""Connects sockets; a deadline can end the look-up and the connecting at any time (PULL-006).

urllib3 calls ``getaddrinfo``, which nothing can interrupt, and gives access to a socket only when
it is connected.  Here a thread looks up the name, and the socket is attached before it is
connected.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from urllib3.exceptions import (
    ConnectTimeoutError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
)
from urllib3.util.connection import allowed_gai_family

if TYPE_CHECKING:
    from urllib3.connection import HTTPConnection

__all__ = ["Cuttable", "connect"]

_Addresses = Sequence[Any]  # as getaddrinfo returns them


class Cuttable(Protocol):
    """The methods of a `Deadline` that making a connection needs."""

    @property
    def is_cut(self) -> bool:
        """Whether the connection is cut."""

    def attach(self, sock: Any) -> None:
        """Replace the socket that is shut down."""

    def wait(self, event: threading.Event) -> None:
        """Wait for an event, or until cut."""


def connect(connection: HTTPConnection, deadline: Cuttable) -> socket.socket:
    """Look up the host of a connection and return a socket that is connected to it.

    Raises:
        HTTPError: as urllib3's own method does.
        OSError: the deadline cut the connection.
    """
    host, port = connection.host.strip("[]"), connection.port
    problem: OSError | None = None
    for family, kind, protocol, _, address in _addresses(connection, host, port, deadline):
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:  # a family that this machine does not have
            problem = error
            continue
        try:
            for option in connection.socket_options or ():
                sock.setsockopt(*option)
            sock.settimeout(connection.timeout)
            deadline.attach(sock)
            sock.connect(address)
            _raise_if_cut(deadline)
        except OSError as error:
            problem = error
            sock.close()
        else:
            sys.audit("http.client.connect", connection, connection.host, port)
            return sock
        _raise_if_cut(deadline)
    if isinstance(problem, TimeoutError):
        raise ConnectTimeoutError(connection, f"{host} did not accept in time") from problem
    raise NewConnectionError(connection, f"{host} cannot be reached") from problem


def _addresses(connection: HTTPConnection, host: str, port: int, deadline: Cuttable) -> _Addresses:
    family = allowed_gai_family()
    try:
        return socket.getaddrinfo(
            host, port, family, socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
    except (OSError, UnicodeError):
        pass  # it is no address
    found = _look_up(host, port, family, deadline)
    if isinstance(found, socket.gaierror):
        raise NameResolutionError(connection.host, connection, found) from found
    if isinstance(found, ValueError):
        raise LocationParseError(f"{host!r}, label empty or too long") from None
    if isinstance(found, Exception):
        raise NewConnectionError(connection, f"{host} cannot be looked up") from found
    return found


class _LookUp(threading.Thread):
    """A thread that looks up a name, for all connections that need it at that time."""

    def __init__(self, host: str, port: int, family: socket.AddressFamily) -> None:
        super().__init__(name="towline-look-up", daemon=True)
        self._question = (host, port, family)
        self._lock = threading.Lock()
        self._waiting: list[threading.Event] = []
        self.found: _Addresses | Exception | None = None

    def notify(self, event: threading.Event) -> None:
        """Set an event when the result is known."""
        with self._lock:
            if self.found is None:
                self._waiting.append(event)
                return
        event.set()

    def run(self) -> None:
        found: _Addresses | Exception
        try:
            found = socket.getaddrinfo(*self._question, socket.SOCK_STREAM)
        except Exception as error:  # noqa: BLE001 - whatever it is, others wait for the result
            found = error
        _RUNNING.pop((os.getpid(), *self._question), None)
        with self._lock:
            self.found = found
        for event in self._waiting:
            event.set()


# By process as well, since a forked one does not have the threads.
_RUNNING: dict[tuple[int, str, int, socket.AddressFamily], _LookUp] = {}


def _look_up(
    host: str, port: int, family: socket.AddressFamily, deadline: Cuttable
) -> _Addresses | Exception:
    new = _LookUp(host, port, family)
    look_up = _RUNNING.setdefault((os.getpid(), host, port, family), new)
    if look_up is new:
        try:
            look_up.start()
        except RuntimeError:  # no more threads: the look-up cannot be cancelled then
            look_up.run()
    event = threading.Event()
    look_up.notify(event)
    deadline.wait(event)
    _raise_if_cut(deadline)
    assert look_up.found is not None  # because the event is set
    return look_up.found


def _raise_if_cut(deadline: Cuttable) -> None:
    if deadline.is_cut:
        raise OSError(errno.ECONNABORTED, os.strerror(errno.ECONNABORTED))
