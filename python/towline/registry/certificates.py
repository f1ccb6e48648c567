"""The certificates for a registry; `towline.config` finds them, and `tls` loads them.

This module does not import ssl, which is slow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.frozen import field, frozen

if TYPE_CHECKING:
    from towline.errors import Warn

__all__ = ["Certificates"]


@frozen
class Certificates:
    """The certificates in the directory of a host below certs.d, as paths of PEM files.

    Attributes:
        authorities: ``*.crt``: trusted in addition to those of the system.
        pairs: ``NAME.cert`` with ``NAME.key``: client certificates and their keys.
        warn: called with each error that is only a warning; None: such an error is raised.
    """

    authorities: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    warn: Warn | None = field(default=None, repr=False, compare=False)
