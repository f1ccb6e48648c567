"""The endpoints of an image name: mirrors, other locations, and blocked registries.

The functions are pure: they take the parsed registries.conf and a reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.errors import InvalidNameError, RegistryError
from towline.frozen import frozen
from towline.name.reference import Reference, parse_normalized, parse_reference

if TYPE_CHECKING:
    from towline.config.registries import Mirror, Registries, Registry

__all__ = ["Endpoint", "endpoints_of"]


@frozen
class Endpoint:
    """One registry that may have the image.

    Attributes:
        reference: the name of the image there.
        mirror: it is a mirror; else it is the registry of the name, or its other ``location``.
        insecure: plain HTTP and unverified TLS are accepted.
        problem: why it is not used, None if it is.
    """

    reference: Reference
    mirror: bool = False
    insecure: bool = False
    problem: RegistryError | None = None


def endpoints_of(registries: Registries, reference: Reference) -> tuple[Endpoint, ...]:
    """The mirrors in the order of the file, and then the registry itself (CONF-042).

    Mirrors that are not for this kind of reference are left out.

    Args:
        registries: the configuration.
        reference: the image name from the user.
    """
    entry = registries.find(reference.name)
    if entry is None:
        return (Endpoint(reference),)
    covered = entry.matched(reference.name) or 0
    mirrors = [
        _endpoint(registries, entry, reference, covered, mirror)
        for mirror in entry.mirrors
        if _is_for(entry, mirror, reference)
    ]
    return (*mirrors, _endpoint(registries, entry, reference, covered, None))


def _is_for(entry: Registry, mirror: Mirror, reference: Reference) -> bool:
    by_digest = reference.digest is not None  # an additional tag does not matter
    if entry.mirror_by_digest_only or mirror.pull_from == "digest-only":
        return by_digest
    return mirror.pull_from == "all" or not by_digest


def _endpoint(
    registries: Registries,
    entry: Registry,
    reference: Reference,
    covered: int,
    mirror: Mirror | None,
) -> Endpoint:
    location = entry.location if mirror is None else mirror.location
    insecure = entry.insecure if mirror is None else mirror.insecure
    target, problem = reference, None
    if location:  # CONF-044: the part that the prefix covers is replaced
        text = location + str(reference)[covered:]
        rewritten = _parse_complete(text)
        if rewritten is None:
            problem = RegistryError("registry.location", prefix=entry.prefix, name=text)
        else:
            target = rewritten
    # CONF-041: an entry blocks its own registry, and all endpoints with a matching name
    blocking = registries.find(target.name)
    if mirror is None and entry.blocked:
        blocking = entry
    if problem is None and blocking is not None and blocking.blocked:
        origin = registries.origin(f"registry.{blocking.prefix}") or "registries.conf"
        problem = RegistryError(
            "registry.blocked", prefix=blocking.prefix, name=target.name, path=origin
        )
    return Endpoint(target, mirror is not None, insecure, problem)


def _parse_complete(text: str) -> Reference | None:
    """The parsed name if it is complete: nothing such as ``docker.io`` has to be added."""
    try:
        parsed = parse_reference(text)
        return parsed if parse_normalized(text) == parsed else None
    except InvalidNameError:
        return None
