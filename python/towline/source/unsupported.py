"""Transports that are parsed but cannot be read; each error names an alternative."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.errors import UnsupportedError

if TYPE_CHECKING:
    from towline.source.protocol import Source
    from towline.transport import ImageReference

__all__ = ["open_source"]


def open_source(reference: ImageReference) -> Source:
    """Raise the error for an unsupported transport (TRANS-100).

    Raises:
        UnsupportedError: ``unsupported.atomic``, ``unsupported.containers_storage``,
            ``unsupported.docker_daemon``, or ``unsupported.transport``.
    """
    within = reference.within_transport
    match reference.transport:
        case "atomic":
            raise UnsupportedError("unsupported.atomic", within=within)
        case "containers-storage":
            raise UnsupportedError("unsupported.containers_storage", within=within)
        case "docker-daemon":
            raise UnsupportedError("unsupported.docker_daemon", within=within)
        case other:
            raise UnsupportedError("unsupported.transport", transport=other, within=within)
