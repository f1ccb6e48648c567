"""A server on loopback whose responses a test's handler sends, valid or invalid."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

__all__ = ["Connection", "Handler", "Request", "ScriptedServer", "scripted"]


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        number: the number of earlier requests for the same target.
        headers: by name in lower case; several with one name are joined by a comma.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    number: int

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


class Connection:
    """The server's end of a connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    @property
    def secure(self) -> bool:
        """Whether the connection uses TLS."""
        return isinstance(self._sock, ssl.SSLSocket)

    def send(self, data: bytes) -> None:
        """Send bytes unchanged."""
        self._sock.sendall(data)

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Send a whole response; underscores in header names become hyphens."""
        self.head(status, Content_Length=str(len(body)), **headers)
        self.send(body)

    def head(self, status: int, **headers: str) -> None:
        """Send the status line and the headers of a response."""
        lines = [f"HTTP/1.1 {status} Whatever"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def shutdown(self) -> None:
        """Close the connection without a reset."""
        self._sock.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """Close the connection with a reset."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()

    def wait_until_closed(self) -> None:
        """Wait until the client has closed the connection."""
        while self._sock.recv(65536):
            pass


Handler = Callable[[Request, Connection], None]


@dataclass(slots=True)
class ScriptedServer:
    """A running server; `requests` are those it has received, in order."""

    host: str
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    def targets(self) -> list[str]:
        """The targets of the requests, in order."""
        return [request.target for request in self.requests]


@contextlib.contextmanager
def scripted(
    handler: Handler,
    tls: ssl.SSLContext | None = None,
    *,
    plain: bool = False,
    address: str = "127.0.0.1",
) -> Iterator[ScriptedServer]:
    """Run a server until the context ends; with `plain` it accepts plain HTTP besides TLS."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as listener:
        host = f"[{address}]" if ":" in address else address
        server = ScriptedServer(f"{host}:{listener.getsockname()[1]}")
        threads: list[threading.Thread] = []
        sockets: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                sockets.append(sock)
                server.connections += 1
                thread = threading.Thread(target=serve, args=(sock,), daemon=True)
                threads.append(thread)
                thread.start()

        def serve(sock: socket.socket) -> None:
            with contextlib.suppress(OSError, _ConnectionGoneError):
                if tls is not None and not (plain and sock.recv(1, socket.MSG_PEEK) != b"\x16"):
                    sock = tls.wrap_socket(sock, server_side=True)
                    sockets.append(sock)
                with sock:
                    buffer = bytearray()
                    while True:
                        request = _read(sock, buffer, server)
                        server.requests.append(request)
                        handler(request, Connection(sock))
            sock.close()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield server
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            for sock in sockets:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
            for thread in [accepting, *threads]:
                thread.join(10)


class _ConnectionGoneError(Exception):
    pass


def _read(sock: socket.socket, buffer: bytearray, server: ScriptedServer) -> Request:
    while b"\r\n\r\n" not in buffer:
        _more(sock, buffer)
        if buffer[:1] == b"\x16":  # TLS on plain HTTP: real servers respond 400 and close
            sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            raise _ConnectionGoneError
    head, _, _ = bytes(buffer).partition(b"\r\n\r\n")
    del buffer[: len(head) + 4]
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers: dict[str, str] = {}
    for line in lines:
        name, value = re.split(r":\s*", line, maxsplit=1)
        name = name.lower()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    size = int(headers.get("content-length", "0"))
    while len(buffer) < size:
        _more(sock, buffer)
    body = bytes(buffer[:size])
    del buffer[:size]
    number = sum(earlier.target == target for earlier in server.requests)
    return Request(method, target, headers, body, number)


def _more(sock: socket.socket, buffer: bytearray) -> None:
    data = sock.recv(65536)
    if not data:
        raise _ConnectionGoneError
    buffer += data
