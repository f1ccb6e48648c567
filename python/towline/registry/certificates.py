"""The certificates for a registry; `towline.config` finds them, and `tls` loads them.

This module does not import ssl, which is slow.
"""

from __future__ import annotations

from towline.frozen import frozen

__all__ = ["Certificates"]


@frozen
class Certificates:
    """The certificates in the directory of a host below certs.d, as paths of PEM files.

    Attributes:
        authorities: ``*.crt``: trusted in addition to those of the system.
        pairs: ``NAME.cert`` with ``NAME.key``: client certificates and their keys.
    """

    authorities: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
