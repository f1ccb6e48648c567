"""Which proxy a request uses: Go's rules for HTTP_PROXY, HTTPS_PROXY and NO_PROXY (REG-042).

Python's own rules have neither networks nor ports, and compare suffixes instead of labels.
Source: the package httpproxy of golang.org/x/net, which podman uses.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from towline.errors import ConfigurationError
from towline.frozen import field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

__all__ = ["Proxy", "proxy_for"]

# The first variable that is not empty applies.
_VARIABLES = {"http": ("HTTP_PROXY", "http_proxy"), "https": ("HTTPS_PROXY", "https_proxy")}
_EXCEPTIONS = ("NO_PROXY", "no_proxy")
_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_SEPARATORS = re.compile(r"[,\s]+")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# An entry with a port; an IPv6 address must then be in brackets.
_WITH_PORT = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*):([^:\[\]]*)")


@frozen
class Proxy:
    """A proxy.

    Attributes:
        scheme: ``http``, ``https`` (TLS to the proxy), ``socks5`` or ``socks5h``.
        host: a name or an address, without brackets.
        port: the number.
        username: decoded; None if the proxy needs no credentials.
        password: decoded.
        variable: of the environment, which names the proxy.
    """

    scheme: str
    host: str
    port: int
    username: str | None = None
    password: str = field(default="", repr=False)
    variable: str = field(default="", compare=False)


def proxy_for(url: str, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy for a request by the variables of an environment, None to connect directly.

    Raises:
        ConfigurationError: ``proxy.invalid``, ``proxy.scheme``.
    """
    parts = urlsplit(url)
    variable, text = _first(environ, _VARIABLES.get(parts.scheme, ()))
    if not text:
        return None
    if parts.scheme == "http" and environ.get("REQUEST_METHOD"):
        return None  # a CGI program: whoever sent the request may have set HTTP_PROXY
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    if not _uses_proxy(host, str(port), _first(environ, _EXCEPTIONS)[1]):
        return None
    return _parse_proxy(variable, text)


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> tuple[str, str]:
    for name in names:
        if text := environ.get(name, "").strip():
            return name, text
    return "", ""


def _uses_proxy(host: str, port: str, exceptions: str) -> bool:
    """Whether a host in lower case is reached through a proxy, and is not an exception."""
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return False
    for entry in _SEPARATORS.split(exceptions.lower()):
        if entry == "*":
            return False
        if (network := _network(entry)) is not None:
            if address is not None and address in network:
                return False
            continue
        name, only_port = entry, ""
        if match := _WITH_PORT.fullmatch(entry):
            name, only_port = match.groups()
        if name and only_port in ("", port) and _matches(host, address, name):
            return False
    return True


def _matches(host: str, address: IPv4Address | IPv6Address | None, name: str) -> bool:
    excepted = _address(name[1:-1] if name.startswith("[") else name)
    if excepted is not None or address is not None:
        return excepted == address
    name = _ascii(name[1:] if name.startswith("*.") else name)
    if name.startswith("."):
        return host.endswith(name)
    return host == name or host.endswith(f".{name}")


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """The address; one of IPv4 that is mapped to IPv6 is the address of IPv4."""
    if ":" not in text and not text[-1:].isdigit():
        return None
    from ipaddress import IPv6Address, ip_address  # slow to import and rarely needed

    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def _network(entry: str) -> IPv4Network | IPv6Network | None:
    """The network of an address with a mask, such as ``10.0.0.0/8``; None for other entries."""
    text, slash, bits = entry.partition("/")
    if not (slash and bits.isascii() and bits.isdigit()):
        return None
    from ipaddress import IPv4Network, IPv6Address, ip_network

    try:
        found = ip_network(f"{text}/{bits}", strict=False)
    except ValueError:
        return None
    start = found.network_address
    mapped = start.ipv4_mapped if isinstance(start, IPv6Address) else None
    return IPv4Network((mapped, found.prefixlen - 96)) if mapped is not None else found


def _ascii(name: str) -> str:
    """A name with its labels that are not ASCII in Punycode, as in the host of a URL."""
    if name.isascii():
        return name
    from unicodedata import normalize

    labels = normalize("NFKC", name).lower().split(".")
    return ".".join(
        label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in labels
    )


def _parse_proxy(variable: str, text: str) -> Proxy:
    """Parse a URL, or a host with or without a port; errors never contain the text (AUTH-007)."""
    reason = ""
    parts = SplitResult("", "", "", "", "")
    port: int | None = None
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port = parts.port
    except ValueError:
        reason = "it is not a URL"
    host, user = parts.hostname or "", parts.netloc.rpartition("@")[0]
    if "@" in f"{parts.path}{parts.query}{parts.fragment}":
        reason = 'a "/", "?" or "#" in the user or password must be percent-encoded'
    elif _BAD_ESCAPE.search(user):
        reason = 'a "%" in the user or password must be written as "%25"'
    elif not reason and (not host or port == 0 or re.search(r"\s", host)):
        reason = "it has no valid host and port"
    if reason:
        raise ConfigurationError("proxy.invalid", variable=variable, reason=reason)
    if parts.scheme not in _PORTS:
        raise ConfigurationError("proxy.scheme", variable=variable, scheme=parts.scheme)
    return Proxy(
        scheme=parts.scheme,
        host=host.replace("%25", "%", 1),
        port=port or _PORTS[parts.scheme],
        username=None if parts.username is None else _decoded(parts.username),
        password=_decoded(parts.password or ""),
        variable=variable,
    )


def _decoded(text: str) -> str:
    return unquote(text, errors="surrogateescape")
