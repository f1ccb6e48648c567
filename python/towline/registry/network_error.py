"""Converts errors of the network and of HTTP to a `RegistryError` (REG-021).

The causes: ``refused``, ``unresolved``, ``timeout`` (no connection), ``proxy``; ``silent`` (no
response), ``closed``, ``reset``, ``broken``; ``short`` and ``stalled`` for a body.
"""

from __future__ import annotations

import errno
import os
import ssl
from http.client import BadStatusLine, IncompleteRead, LineTooLong, RemoteDisconnected
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from urllib3 import exceptions

from towline.errors import RegistryError
from towline.registry.error_body import printable, reason_phrase, redact_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towline.registry.certificates import Certificates

__all__ = ["network_error"]

# OpenSSL's reasons for data that is not TLS at all; they differ between its versions.
_NOT_TLS = (
    "HTTP_REQUEST",
    "PACKET_LENGTH_TOO_LONG",
    "RECORD_LAYER_FAILURE",
    "WRONG_VERSION_NUMBER",
)
# The faults of a certificate that the user can do something about, by the codes of OpenSSL.
_FAULTS = {
    **dict.fromkeys((2, 18, 19, 20, 21), "authority"),
    **dict.fromkeys((9, 10), "time"),
    **dict.fromkeys((62, 64), "name"),
}
_TUNNEL_REFUSED = "Tunnel connection failed: "  # of http.client, for an answer to CONNECT
_RESETS = (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ENOTCONN)


def network_error(
    error: Exception,
    url: str,
    *,
    late: bool,
    body: bool,
    certificates: Certificates | None = None,
) -> RegistryError:
    """The `RegistryError` for an error that urllib3 or a socket raised.

    Args:
        error: the error.
        url: of the request.
        late: the request was cut because its deadline passed.
        body: the error occurred while a body was read.
        certificates: that were trusted in addition to those of the system.
    """
    where = {"url": redact_url(url), "host": urlsplit(url).netloc.rpartition("@")[2]}
    if late or isinstance(error, exceptions.ReadTimeoutError):
        cause, reason = ("stalled" if body else "silent"), "timed out"
    else:
        code, facts = _classify(error)
        if code == "registry.tls":
            facts = {"fault": "", **facts, **_trusted(certificates)}
        if code != "registry.unreachable":
            return RegistryError(code, **where, **facts)
        cause, reason = facts["cause"], facts["reason"]
    if body:
        return RegistryError("registry.broken", cause=cause, reason=reason, **where)
    return RegistryError("registry.unreachable", cause=cause, reason=reason, **where)


def _trusted(certificates: Certificates | None) -> dict[str, Any]:
    """The facts about the certificates that were trusted, and are not those of the server."""
    if certificates is None:
        return {"authorities": (), "without_certificates": ()}
    from towline.registry.tls import files_without_certificates

    empty = files_without_certificates(certificates)
    return {"authorities": certificates.authorities, "without_certificates": empty}


def _classify(error: Exception) -> tuple[str, dict[str, str]]:
    """Code and facts, by the most specific error of the chain."""
    chain = list(_chain(error))
    if (reason := _proxy_reason(chain)) is not None:
        return _unreachable("proxy", reason)
    for each in chain:
        if isinstance(each, ssl.SSLError):
            return _tls(each)
        if isinstance(each, ssl.CertificateError):
            return "registry.tls", {"reason": printable(str(each)), "fault": "name"}
    for each in chain:
        match each:
            case exceptions.LocationParseError():  # a port above 65535, a label that is too long
                return _unreachable("refused", "no valid host and port")
            case exceptions.NameResolutionError():
                return _unreachable("unresolved", "no such host")
            case exceptions.NewConnectionError():
                pass
            case exceptions.ConnectTimeoutError():
                return _unreachable("timeout", "no connection in time")
            case IncompleteRead() | exceptions.IncompleteRead():
                return _unreachable("short", "unexpected EOF")
            case RemoteDisconnected():
                return _unreachable("closed", "EOF")
            case OSError() if each.errno is not None:
                cause = "reset" if each.errno in _RESETS else "refused"
                return _unreachable(cause, os.strerror(each.errno).lower())
            case BadStatusLine() | LineTooLong() | exceptions.InvalidChunkLength():
                return "registry.bad_answer", {"reason": "malformed HTTP response"}
            case _:
                pass
    return _unreachable("broken", printable(type(chain[-1]).__name__))


def _proxy_reason(chain: list[BaseException]) -> str | None:
    """Why the proxy cannot be used; None if it was used, or is not the cause."""
    for each in chain:
        if str(each).startswith(_TUNNEL_REFUSED):
            # The text after the number is the proxy's, which may repeat the password.
            status = str(each).removeprefix(_TUNNEL_REFUSED).partition(" ")[0]
            phrase = reason_phrase(int(status)) if status.isdecimal() else ""
            return f"it answers {printable(status)} {phrase}".rstrip()
        if type(each).__module__ == "socks" and isinstance(each, OSError):  # PySocks
            return printable(str(each))
    if not any(isinstance(each, exceptions.ProxyError) for each in chain):
        return None
    last = chain[-1]
    if isinstance(last, ssl.SSLCertVerificationError):
        return printable(last.verify_message)
    if isinstance(last, OSError) and last.errno is not None and last.strerror:
        return printable(last.strerror.lower())
    return "no connection"


def _unreachable(cause: str, reason: str) -> tuple[str, dict[str, str]]:
    return "registry.unreachable", {"cause": cause, "reason": reason}


def _tls(error: ssl.SSLError) -> tuple[str, dict[str, str]]:
    if isinstance(error, ssl.SSLCertVerificationError):
        fault = _FAULTS.get(error.verify_code, "")
        return "registry.tls", {
            "reason": printable(error.verify_message.rstrip(".")),
            "fault": fault,
        }
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return _unreachable("closed", "EOF")
    if error.reason in _NOT_TLS:
        return "registry.plain_http", {}
    return "registry.tls", {"reason": printable(str(error.reason or "").lower().replace("_", " "))}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and the errors it wraps, outermost first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        wrapped = [each for each in error.args if isinstance(each, BaseException)]
        error = wrapped[0] if wrapped else error.__cause__ or error.__context__
