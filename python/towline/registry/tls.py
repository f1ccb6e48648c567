"""TLS as a registry wants it: certificates of its own, or none of the usual checks (REG-040)."""

from __future__ import annotations

import contextlib
import errno
import os
import ssl
from collections.abc import Iterator, Sequence
from typing import Protocol

from towline.errors import ConfigurationError

__all__ = ["Certificates", "context"]


class Certificates(Protocol):
    """The files of one host's directory below certs.d."""

    @property
    def authorities(self) -> Sequence[str]:
        """PEM files of authorities that are trusted beside the system's."""

    @property
    def pairs(self) -> Sequence[tuple[str, str]]:
        """Certificate and key, both PEM files, by which we say who we are."""


def context(certificates: Certificates | None, *, verify: bool, own_host: bool) -> ssl.SSLContext:
    """The rules by which a TLS connection is made.

    Args:
        certificates: of the registry.
        verify: whether the server must show a good certificate.
        own_host: whether it is the registry itself: no other host is shown our certificate.

    Raises:
        ConfigurationError: ``certs.unusable`` for a file that is no certificate or key.
    """
    if verify:
        made = ssl.create_default_context()
    else:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if certificates is None:
        return made
    for path in certificates.authorities if verify else ():
        with _naming(path):
            made.load_verify_locations(path)
    for certificate, key in certificates.pairs if own_host else ():
        with _naming(key), _naming(certificate):
            made.load_cert_chain(certificate, key, password="")  # never asked for
    return made


@contextlib.contextmanager
def _naming(path: str) -> Iterator[None]:
    """Say of which file the ssl module complains."""
    try:
        if os.path.exists(path) and not os.path.isfile(path):  # OpenSSL would wait for a FIFO
            raise OSError(errno.EINVAL, "not a file")
        yield
    except OSError as error:  # an SSLError is one
        words = getattr(error, "reason", None) or error.strerror or "unreadable"
        reason = str(words).lower().replace("_", " ")
    else:
        return
    raise ConfigurationError("certs.unusable", path=path, reason=reason)
