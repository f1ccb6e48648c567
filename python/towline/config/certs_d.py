"""certs.d: the certificates of one registry, in a directory named after it.

TLS-001 to TLS-004.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from towline.errors import ConfigurationError
from towline.registry.certificates import Certificates

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from towline.errors import TowlineError

__all__ = ["certificates_of"]


def certificates_of(
    directory: str,
    names: Sequence[str],
    warn: Callable[[TowlineError], None] | None = None,
) -> Certificates:
    """The certificates in a directory, by the names of its files.

    Args:
        directory: in certs.d.
        names: of its files.
        warn: takes the error of a file that cannot be used; None to raise it (TLS-008).

    Raises:
        ConfigurationError: ``certs.lacks_key``, ``certs.lacks_certificate``.
    """
    authorities, pairs = [], []
    for name in names:
        stem, suffix = os.path.splitext(name)
        path = os.path.join(directory, name)
        if suffix == ".crt":
            authorities.append(path)
        elif suffix == ".cert":
            if f"{stem}.key" not in names:
                lacking = ConfigurationError("certs.lacks_key", path=path, key=f"{stem}.key")
                _report(lacking, warn)
                continue
            pairs.append((path, os.path.join(directory, f"{stem}.key")))
        elif suffix == ".key" and f"{stem}.cert" not in names:
            certificate = f"{stem}.cert"
            lacking = ConfigurationError(
                "certs.lacks_certificate", path=path, certificate=certificate
            )
            _report(lacking, warn)
    return Certificates(tuple(authorities), tuple(pairs), warn)


def _report(error: TowlineError, warn: Callable[[TowlineError], None] | None) -> None:
    if warn is None:
        raise error
    warn(error)
