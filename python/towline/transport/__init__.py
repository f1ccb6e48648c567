"""The ten transports, one module each: parse, format and policy scopes.  No I/O of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from towline.errors import InvalidNameError
from towline.transport import (
    atomic,
    containers_storage,
    dir,
    docker,
    docker_archive,
    docker_daemon,
    oci,
    oci_archive,
    ostree,
    tarball,
)
from towline.transport.reference import ImageReference, Transport, image_name

if TYPE_CHECKING:
    from towline.rules.names import NameRules
    from towline.transport.facts import Facts

__all__ = ["TRANSPORTS", "ImageReference", "Transport", "image_name", "parse_image_name"]

_MODULES: tuple[Any, ...] = (
    atomic,
    containers_storage,
    dir,
    docker,
    docker_archive,
    docker_daemon,
    oci,
    oci_archive,
    ostree,
    tarball,
)
TRANSPORTS: dict[str, Transport] = {module.NAME: cast(Transport, module) for module in _MODULES}


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
    if name not in TRANSPORTS:
        raise InvalidNameError("transport.unknown", text=text, transport=name)
    return TRANSPORTS[name].parse(rest, facts, rules)
