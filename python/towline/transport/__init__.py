"""The ten transports, one module each: parse, format and policy scopes.  No I/O of their own."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from towline.errors import InvalidNameError
from towline.transport.reference import ImageReference, Transport, image_name

if TYPE_CHECKING:
    from towline.rules.names import NameRules
    from towline.transport.facts import Facts

__all__ = [
    "TRANSPORTS",
    "ImageReference",
    "Transport",
    "image_name",
    "parse_image_name",
    "transport_named",
]

#: The names of the transports; the module of each has the same name with underscores.
TRANSPORTS = (
    "atomic",
    "containers-storage",
    "dir",
    "docker",
    "docker-archive",
    "docker-daemon",
    "oci",
    "oci-archive",
    "ostree",
    "tarball",
)


def transport_named(name: str) -> Transport | None:
    """Return the module of a transport, which is imported now; None if there is none."""
    if name not in TRANSPORTS:
        return None
    module: Any = import_module(f"{__name__}.{name.replace('-', '_')}")
    return cast(Transport, module)


def parse_image_name(text: str, facts: Facts, rules: NameRules) -> ImageReference:
    """Parse ``transport:rest``; the transport's name ends at the first colon (TRANS-001).

    Raises:
        InvalidNameError: ``transport.missing``, ``transport.unknown``, or an error of the
            transport's parser.
        PathError: a path that the transport needs does not exist.
    """
    name, colon, rest = text.partition(":")
    if not colon:
        raise InvalidNameError("transport.missing", text=text)
    transport = transport_named(name)
    if transport is None:
        raise InvalidNameError("transport.unknown", text=text, transport=name)
    return transport.parse(rest, facts, rules)
