"""Connection pools, direct or through a proxy (REG-042)."""

from __future__ import annotations

import ssl
from base64 import b64encode
from typing import TYPE_CHECKING

from urllib3.poolmanager import PoolManager, ProxyManager

from towline.errors import ConfigurationError
from towline.registry.deadline import use_deadlines

if TYPE_CHECKING:
    from towline.registry.proxy_rules import Proxy

__all__ = ["new_manager"]


def new_manager(
    proxy: Proxy | None,
    connections: int,
    secure: ssl.SSLContext,
    to_proxy: ssl.SSLContext | None = None,
) -> PoolManager:
    """A pool manager whose connections have deadlines.

    Args:
        proxy: None to connect directly.
        connections: how many are kept open per host.
        secure: the TLS context for the registry.
        to_proxy: the TLS context for a proxy with the scheme ``https``.

    Raises:
        ConfigurationError: ``proxy.socks``: the package for SOCKS is not installed.
    """
    if proxy is None:
        manager = PoolManager(maxsize=connections, ssl_context=secure)
    elif proxy.scheme.startswith("socks"):
        return _socks_manager(proxy, connections, secure)
    else:
        host = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
        headers = {}
        if proxy.username is not None:
            headers["Proxy-Authorization"] = f"Basic {_basic(proxy.username, proxy.password)}"
        manager = ProxyManager(
            f"{proxy.scheme}://{host}:{proxy.port}",
            proxy_headers=headers,
            proxy_ssl_context=to_proxy,
            maxsize=connections,
            ssl_context=secure,
        )
    use_deadlines(manager)
    return manager


def _basic(username: str, password: str) -> str:
    return b64encode(f"{username}:{password}".encode("utf-8", "surrogateescape")).decode()


def _socks_manager(proxy: Proxy, connections: int, secure: ssl.SSLContext) -> PoolManager:
    try:
        from towline.registry.socks import POOLS, SOCKS5
    except ImportError:
        raise ConfigurationError(
            "proxy.socks", variable=proxy.variable, scheme=proxy.scheme
        ) from None
    options = {
        "socks_version": SOCKS5,
        "proxy_host": proxy.host,
        "proxy_port": proxy.port,
        "username": proxy.username,
        "password": proxy.password,
        "rdns": True,  # also for socks5: Go lets the proxy resolve the name
    }
    manager = PoolManager(maxsize=connections, ssl_context=secure, _socks_options=options)
    manager.pool_classes_by_scheme = POOLS
    return manager
