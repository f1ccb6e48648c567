"""Connections through a SOCKS proxy; this needs PySocks (``pip install towline[socks]``)."""

from __future__ import annotations

import socks  # before urllib3's module, which warns if it is missing
from urllib3.contrib.socks import SOCKSConnection, SOCKSHTTPSConnection

from towline.registry.deadline import HttpConnection, HttpPool, HttpsConnection, HttpsPool

__all__ = ["POOLS", "SOCKS5"]

SOCKS5: int = socks.PROXY_TYPE_SOCKS5


class _SocksHttpConnection(HttpConnection, SOCKSConnection):
    """A connection with a deadline, through the proxy."""


class _SocksHttpsConnection(HttpsConnection, SOCKSHTTPSConnection):
    """The same with TLS."""


class _SocksHttpPool(HttpPool):
    ConnectionCls = _SocksHttpConnection


class _SocksHttpsPool(HttpsPool):
    ConnectionCls = _SocksHttpsConnection


POOLS = {"http": _SocksHttpPool, "https": _SocksHttpsPool}
