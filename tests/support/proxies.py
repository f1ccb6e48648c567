"""Proxies on loopback that connect every host name to one server: CONNECT and SOCKS 5."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

__all__ = ["TunnelProxy", "connect_proxy", "socks_proxy"]


@dataclass(slots=True)
class TunnelProxy:
    """A running proxy.

    Attributes:
        host: `host:port` of the proxy.
        asked: the hosts that were asked for, each as `host:port`.
        headers: the heads of the requests, as text.
        credentials: of SOCKS, as `user:password`.
    """

    host: str
    asked: list[str] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    credentials: list[str] = field(default_factory=list)


@contextlib.contextmanager
def connect_proxy(
    target: str, tls: ssl.SSLContext | None = None, status: int = 200
) -> Iterator[TunnelProxy]:
    """Run a proxy that answers CONNECT.

    Args:
        target: `host:port` of the server that every host name leads to.
        tls: to use between client and proxy.
        status: of the answer to CONNECT.
    """

    def begin(client: socket.socket, proxy: TunnelProxy) -> bool:
        head = _read_until(client, b"\r\n\r\n")
        proxy.headers.append(head.decode("latin-1"))
        proxy.asked.append(head.split(b" ")[1].decode())
        client.sendall(f"HTTP/1.1 {status} Whatever\r\n\r\n".encode())
        return status == 200

    with _proxy(target, begin, tls) as proxy:
        yield proxy


@contextlib.contextmanager
def socks_proxy(target: str) -> Iterator[TunnelProxy]:
    """Run a SOCKS 5 proxy that asks for a user and password if the client offers them."""

    def begin(client: socket.socket, proxy: TunnelProxy) -> bool:
        methods = _exactly(client, _exactly(client, 2)[1])
        if 2 in methods:
            client.sendall(b"\x05\x02")
            user = _exactly(client, _exactly(client, 2)[1])
            password = _exactly(client, _exactly(client, 1)[0])
            proxy.credentials.append(f"{user.decode()}:{password.decode()}")
            client.sendall(b"\x01\x00")
        else:
            client.sendall(b"\x05\x00")
        kind = _exactly(client, 4)[3]
        name = {1: lambda: socket.inet_ntoa(_exactly(client, 4)), 3: lambda: _name(client)}[kind]()
        proxy.asked.append(f"{name}:{int.from_bytes(_exactly(client, 2))}")
        client.sendall(b"\x05\x00\x00\x01" + bytes(6))
        return True

    with _proxy(target, begin, None) as proxy:
        yield proxy


def _name(client: socket.socket) -> str:
    return _exactly(client, _exactly(client, 1)[0]).decode()


@contextlib.contextmanager
def _proxy(
    target: str,
    begin: Callable[[socket.socket, TunnelProxy], bool],
    tls: ssl.SSLContext | None,
) -> Iterator[TunnelProxy]:
    open_sockets: list[socket.socket] = []

    def serve(client: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError):
            if tls is not None:
                client = tls.wrap_socket(client, server_side=True)
                open_sockets.append(client)
            if not begin(client, proxy):
                client.close()
                return
            name, _, port = target.rpartition(":")
            server = socket.create_connection((name, int(port)))
            open_sockets.append(server)
            threading.Thread(target=_pump, args=(client, server), daemon=True).start()
            _pump(server, client)

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            open_sockets.append(client)
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = TunnelProxy(f"127.0.0.1:{listener.getsockname()[1]}")
        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield proxy
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            accepting.join(10)
            for each in open_sockets:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(each, socket.SHUT_RDWR)
                each.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError, ValueError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sink, socket.SHUT_RDWR)


def _read_until(sock: socket.socket, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        data += _exactly(sock, 1)
    return data


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data
