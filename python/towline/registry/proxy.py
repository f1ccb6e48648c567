"""Connection pools, direct or through the proxy from the environment variables (REG-042)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from urllib3.poolmanager import PoolManager, ProxyManager
from urllib3.util import make_headers

from towline.registry.deadline import use_deadlines

if TYPE_CHECKING:
    import ssl

__all__ = ["new_manager", "proxy_for"]


def proxy_for(scheme: str, host: str) -> str | None:
    """The proxy for a host from the environment (REG-042), None for loopback hosts."""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    if host in ("localhost", "::1") or host.startswith("127."):
        return None
    from urllib.request import getproxies, proxy_bypass  # slow to import and rarely needed

    proxy = getproxies().get(scheme)
    if not proxy or proxy_bypass(host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def new_manager(proxy: str | None, connections: int, secure: ssl.SSLContext) -> PoolManager:
    """A pool manager whose connections have deadlines.

    Args:
        proxy: the URL of a proxy, None to connect directly.
        connections: how many are kept open per host.
        secure: the TLS context.
    """
    manager = _manager(proxy, connections, secure)
    use_deadlines(manager)
    return manager


def _manager(proxy: str | None, connections: int, secure: ssl.SSLContext) -> PoolManager:
    if proxy is None:
        return PoolManager(maxsize=connections, ssl_context=secure)
    user = urlsplit(proxy)
    headers = None
    if user.username is not None:
        headers = make_headers(proxy_basic_auth=f"{user.username}:{user.password or ''}")
        proxy = proxy.replace(f"{user.netloc.rpartition('@')[0]}@", "", 1)
    return ProxyManager(proxy, proxy_headers=headers, maxsize=connections, ssl_context=secure)
