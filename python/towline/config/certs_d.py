"""certs.d: the certificates of one registry, in a directory named after it.

TLS-001 to TLS-004.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from towline.errors import ConfigurationError, raise_or_warn
from towline.registry.certificates import Certificates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.errors import Warn

__all__ = ["certificates_of"]


def certificates_of(
    directory: str,
    names: Sequence[str],
    warn: Warn | None = None,
) -> Certificates:
    """The certificates in a directory, by the names of its files.

    Args:
        directory: in certs.d.
        names: of its files.
        warn: called with each error that is only a warning; None: such an error is raised.

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
                raise_or_warn(lacking, warn)
                continue
            pairs.append((path, os.path.join(directory, f"{stem}.key")))
        elif suffix == ".key" and f"{stem}.cert" not in names:
            certificate = f"{stem}.cert"
            lacking = ConfigurationError(
                "certs.lacks_certificate", path=path, certificate=certificate
            )
            raise_or_warn(lacking, warn)
    return Certificates(tuple(authorities), tuple(pairs), warn)
