"""Decompose a name without normalising it, and complete it with a registry.

`decompose` decides whether a name is short.  Docker Hub's defaults are applied only afterwards.
(NAME-030 to NAME-039)
"""

from __future__ import annotations

from towline.errors import InvalidNameError, step
from towline.frozen import frozen
from towline.name.reference import Reference, parse_normalized, parse_reference

__all__ = ["ImageParts", "decompose", "is_registry"]


def is_registry(text: str) -> bool:
    """Whether the first part of a name is a registry (NAME-031)."""
    return "." in text or ":" in text or text == "localhost"


@frozen
class ImageParts:
    """A decomposed name.

    Attributes:
        unnormalized: the reference as written, without normalisation: ``busybox`` has no domain
            here and ``ns/busybox`` has the domain ``ns``.
        has_registry: whether that domain is a registry.
    """

    unnormalized: Reference
    has_registry: bool

    def reference_with_registry(self, registry: str) -> Reference:
        """The normalised reference of a short name under a registry (NAME-035).

        The registry is not validated on its own: it may contain a namespace, and one without a dot
        or colon is parsed as a namespace of Docker Hub.  It is no address in brackets (NAME-007).

        Raises:
            InvalidNameError: ``name.has_registry`` if the parts have a registry already, or an
                error of the joined name.
        """
        if self.has_registry:
            raise InvalidNameError("name.has_registry", parts=self)
        joined = f"{registry}/{self.unnormalized}"
        with step("completing-name", name=joined):
            return parse_normalized(joined, addresses=False)

    def normalized_reference(self) -> Reference:
        """The normalised reference of a name that has a registry (NAME-036).

        Raises:
            InvalidNameError: ``name.lacks_registry`` for a short name, or an error of the name.
        """
        if not self.has_registry:
            raise InvalidNameError("name.lacks_registry", parts=self)
        text = str(self.unnormalized)
        with step("normalizing-name", name=text):
            return parse_normalized(text)


def decompose(name: str, *, addresses: bool = True) -> ImageParts:
    """Decompose a name without normalising it (NAME-030).

    Args:
        name: as the user typed it.
        addresses: as in `towline.name.reference.parse_reference`.

    Raises:
        InvalidNameError: as `towline.name.reference.parse_reference`.
    """
    reference = parse_reference(name, addresses=addresses)
    return ImageParts(reference, has_registry=is_registry(reference.domain))
