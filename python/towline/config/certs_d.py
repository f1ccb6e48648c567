"""certs.d: the certificates of one registry, in a directory named after it.

TLS-001 to TLS-004.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from towline.errors import ConfigurationError
from towline.registry.certificates import Certificates

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["certificates_of"]


def certificates_of(directory: str, names: Sequence[str]) -> Certificates:
    """The certificates in a directory, by the names of its files.

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
                raise ConfigurationError("certs.lacks_key", path=path, key=f"{stem}.key")
            pairs.append((path, os.path.join(directory, f"{stem}.key")))
        elif suffix == ".key" and f"{stem}.cert" not in names:
            raise ConfigurationError(
                "certs.lacks_certificate", path=path, certificate=f"{stem}.cert"
            )
    return Certificates(tuple(authorities), tuple(pairs))
