"""Where the images of a name really lie: mirrors, other locations, and what is blocked.

Pure: from what registries.conf says and a reference, the places to ask, in order.
"""

from __future__ import annotations

from dataclasses import dataclass

from towline.config.registries import Mirror, Registries, Registry
from towline.errors import InvalidNameError, RegistryError
from towline.name.reference import Reference, parse_normalized, parse_reference

__all__ = ["Endpoint", "endpoints_of"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One place that has the image, or may have it.

    Attributes:
        reference: the name under which it lies there.
        mirror: whether it is a mirror; else it is the registry of the name, perhaps moved.
        insecure: plain HTTP and unverified TLS are accepted there.
        problem: why it is not asked at all, None where it is.
    """

    reference: Reference
    mirror: bool = False
    insecure: bool = False
    problem: RegistryError | None = None


def endpoints_of(registries: Registries, reference: Reference) -> tuple[Endpoint, ...]:
    """The mirrors in the order of the file, and then the registry itself (CONF-042).

    A mirror that is not for such a reference is left out.

    Args:
        registries: the configuration.
        reference: the name as the user means it.
    """
    entry = registries.find(reference.name)
    if entry is None:
        return (Endpoint(reference),)
    covered = entry.matched(reference.name) or 0
    made = [
        _endpoint(registries, entry, reference, covered, mirror)
        for mirror in entry.mirrors
        if _is_for(entry, mirror, reference)
    ]
    return (*made, _endpoint(registries, entry, reference, covered, None))


def _is_for(entry: Registry, mirror: Mirror, reference: Reference) -> bool:
    by_digest = reference.digest is not None  # a tag beside it does not count
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
    place, problem = reference, None
    if location:  # CONF-044: what the prefix covers is replaced, the rest stays
        text = location + str(reference)[covered:]
        rewritten = _whole_name(text)
        if rewritten is None:
            problem = RegistryError("registry.location", prefix=entry.prefix, name=text)
        else:
            place = rewritten
    # CONF-041: an entry blocks its own registry, and whatever leads to where it would be
    blocking = registries.find(place.name)
    if mirror is None and entry.blocked:
        blocking = entry
    if problem is None and blocking is not None and blocking.blocked:
        origin = registries.origin(f"registry.{blocking.prefix}") or "registries.conf"
        problem = RegistryError(
            "registry.blocked", prefix=blocking.prefix, name=place.name, path=origin
        )
    return Endpoint(place, mirror is not None, insecure, problem)


def _whole_name(text: str) -> Reference | None:
    """The name, if it says all by itself: nothing such as ``docker.io`` is filled in."""
    try:
        parsed = parse_reference(text)
        return parsed if parse_normalized(text) == parsed else None
    except InvalidNameError:
        return None
