"""TLS contexts for a registry, with its certificates or without verification (REG-040)."""

from __future__ import annotations

import contextlib
import errno
import os
import ssl
from typing import TYPE_CHECKING

from towline.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towline.registry.certificates import Certificates

__all__ = ["context"]


def context(certificates: Certificates | None, *, verify: bool, own_host: bool) -> ssl.SSLContext:
    """The TLS context for connections to a host.

    Args:
        certificates: of the registry.
        verify: whether the certificate of the server is verified.
        own_host: whether the host is the registry: only it gets the client certificates.

    Raises:
        ConfigurationError: ``certs.unusable`` for a file that is not a certificate or key.
    """
    if verify:
        new = ssl.create_default_context()
    else:
        new = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        new.check_hostname = False
        new.verify_mode = ssl.CERT_NONE
    if certificates is None:
        return new
    for path in certificates.authorities if verify else ():
        with _convert_errors(path):
            new.load_verify_locations(path)
    for certificate, key in certificates.pairs if own_host else ():
        with _convert_errors(key), _convert_errors(certificate):
            new.load_cert_chain(certificate, key, password="")  # so that OpenSSL does not prompt
    return new


@contextlib.contextmanager
def _convert_errors(path: str) -> Iterator[None]:
    """Convert errors of the ssl module to `ConfigurationError` with the path of the file."""
    try:
        if os.path.exists(path) and not os.path.isfile(path):  # OpenSSL would wait for a FIFO
            raise OSError(errno.EINVAL, "not a file")
        yield
    except OSError as error:  # an SSLError is one
        text = getattr(error, "reason", None) or error.strerror or "unreadable"
        reason = str(text).lower().replace("_", " ")
    else:
        return
    raise ConfigurationError("certs.unusable", path=path, reason=reason)
