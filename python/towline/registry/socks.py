"""Connections through a SOCKS proxy; this needs PySocks (``pip install towline[socks]``)."""

from __future__ import annotations

import socket

import socks  # before urllib3's module, which warns if it is missing
from urllib3.contrib.socks import SOCKSConnection, SOCKSHTTPSConnection

from towline.registry.deadline import (
    Deadline,
    HttpConnection,
    HttpPool,
    HttpsConnection,
    HttpsPool,
)

__all__ = ["POOLS", "SOCKS5"]

SOCKS5: int = socks.PROXY_TYPE_SOCKS5


class _SocksHttpConnection(HttpConnection, SOCKSConnection):
    """A connection with a deadline, through the proxy."""

    def _open_socket(self, deadline: Deadline) -> socket.socket:
        sock: socket.socket = SOCKSConnection._new_conn(self)
        return sock


class _SocksHttpsConnection(HttpsConnection, SOCKSHTTPSConnection):
    """The same with TLS."""

    def _open_socket(self, deadline: Deadline) -> socket.socket:
        sock: socket.socket = SOCKSHTTPSConnection._new_conn(self)
        return sock


class _SocksHttpPool(HttpPool):
    ConnectionCls = _SocksHttpConnection


class _SocksHttpsPool(HttpsPool):
    ConnectionCls = _SocksHttpsConnection


POOLS = {"http": _SocksHttpPool, "https": _SocksHttpsPool}
