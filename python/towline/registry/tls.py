"""TLS contexts for a registry, with its certificates or without verification (REG-040).

Certificates are verified as Go does it (TLS-004), whose rules differ from Python's defaults.
"""

from __future__ import annotations

import contextlib
import errno
import os
import ssl
from typing import TYPE_CHECKING

from towline.errors import ConfigurationError, raise_or_warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towline.errors import Warn
    from towline.registry.certificates import Certificates

__all__ = ["context", "files_without_certificates"]

_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
_DER = b"\x30"  # the first byte of a certificate that is not PEM
_FILE_MAX = 16 << 20
# The certificates of the system, in the order of Go (crypto/x509).
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def context(certificates: Certificates | None, *, verify: bool, own_host: bool) -> ssl.SSLContext:
    """The TLS context for connections to a host.

    Args:
        certificates: of the registry.
        verify: whether the certificate of the server is verified.
        own_host: whether the host is the registry: only it gets the client certificates.

    Raises:
        ConfigurationError: ``certs.unusable`` for a client certificate or key.
    """
    if verify:
        new = ssl.create_default_context()
        # Any certificate may be a trust anchor, one of a CA that lacks extensions too, and the
        # common name is not a host name.
        new.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        new.verify_flags &= ~ssl.VERIFY_X509_STRICT
        new.hostname_checks_common_name = False
        _trust_system(new)
    else:
        new = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        new.check_hostname = False
        new.verify_mode = ssl.CERT_NONE
    if certificates is None:
        return new
    for path in certificates.authorities if verify else ():
        if not _trust(new, path) and certificates.warn is not None:
            reason = "it has no certificate that can be read"
            certificates.warn(ConfigurationError("certs.unusable", path=path, reason=reason))
    for certificate, key in certificates.pairs if own_host else ():
        with _warning(certificates.warn), _convert_errors(key), _convert_errors(certificate):
            new.load_cert_chain(certificate, key, password="")  # so that OpenSSL does not prompt
    return new


def files_without_certificates(certificates: Certificates) -> tuple[str, ...]:
    """The files of authorities that have no certificate that can be read."""
    empty = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return tuple(path for path in certificates.authorities if not _trust(empty, path))


def _trust_system(new: ssl.SSLContext) -> None:
    """Trust the certificates of the system where OpenSSL does not find them and Go does."""
    paths = ssl.get_default_verify_paths()
    if folders := os.environ.get(paths.openssl_capath_env):
        # OpenSSL finds only files that are named by a hash.
        for folder in folders.split(os.pathsep):
            for name in _names(folder):
                _trust(new, os.path.join(folder, name))
        return
    named = os.environ.get(paths.openssl_cafile_env) or paths.cafile
    if named or any(name.endswith(".0") for name in _names(paths.capath)):
        return
    # This Python was built for another system, which has its certificates elsewhere.
    if bundle := next(filter(os.path.isfile, _BUNDLES), None):
        _trust(new, bundle)


def _names(folder: str | None) -> list[str]:
    try:
        return os.listdir(folder) if folder else []
    except OSError:
        return []


def _trust(new: ssl.SSLContext, path: str) -> bool:
    """Trust the certificates in a file, and ignore anything else; whether there is one."""
    try:
        if not os.path.isfile(path):  # opening a FIFO would wait
            return False
        with open(path, "rb") as file:
            data = file.read(_FILE_MAX)
    except OSError:
        return False
    blocks = [part.partition(_END)[0] for part in data.split(_BEGIN)[1:]]
    found = False
    for block in blocks:
        with contextlib.suppress(ssl.SSLError, ValueError):
            text = (_BEGIN + block + _END).decode("ascii")
            new.load_verify_locations(cadata=ssl.PEM_cert_to_DER_cert(text))
            found = True
    if data.startswith(_DER):
        with contextlib.suppress(ssl.SSLError, ValueError):
            new.load_verify_locations(cadata=data)
            found = True
    return found


@contextlib.contextmanager
def _warning(warn: Warn | None) -> Iterator[None]:
    """Turn the error of an unusable file into a warning, unless `warn` is None (TLS-008)."""
    try:
        yield
    except ConfigurationError as error:
        raise_or_warn(error, warn)


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
