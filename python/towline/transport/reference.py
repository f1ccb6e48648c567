"""The interfaces of image references and transports, and helpers for policy scopes of paths."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from towline.name.reference import Reference
    from towline.rules.names import NameRules
    from towline.transport.facts import Facts

__all__ = [
    "ImageReference",
    "Transport",
    "image_name",
    "image_number",
    "path_namespaces",
    "valid_path_scope",
]

_NUMBER = re.compile(r"[+-]?[0-9]+")
_LARGEST = (1 << 63) - 1


class ImageReference(Protocol):
    """A transport and a location in it; `image_name` formats it as ``transport:rest``.

    Parsing the formatted text gives an equivalent reference.
    """

    @property
    def transport(self) -> str:
        """The transport's name."""

    @property
    def within_transport(self) -> str:
        """The location in the transport's format."""

    @property
    def docker_reference(self) -> Reference | None:
        """The image name in the reference; None if it has none."""

    @property
    def policy_identity(self) -> str:
        """The policy.json scope of exactly this image; ``""`` if there is none."""

    @property
    def policy_namespaces(self) -> tuple[str, ...]:
        """The wider scopes, narrowest first."""


class Transport(Protocol):
    """The interface of a transport's module: ``NAME``, ``parse`` and ``valid_scope``."""

    NAME: str

    def parse(self, text: str, facts: Facts, rules: NameRules) -> ImageReference:
        """Parse the text after ``transport:``."""

    def valid_scope(self, scope: str) -> bool:
        """Whether policy.json may contain this scope for the transport."""


def image_name(reference: ImageReference) -> str:
    """Format a reference as ``transport:rest``."""
    return f"{reference.transport}:{reference.within_transport}"


def image_number(digits: str) -> int | None:
    """The number of an image in an archive or layout, None if the text is not one."""
    # the length first: Python converts long numbers slowly and rejects very long ones
    if len(digits) <= 40 and _NUMBER.fullmatch(digits) and 0 <= int(digits) <= _LARGEST:
        return int(digits)
    return None


def path_namespaces(resolved: str) -> tuple[str, ...]:
    """The strict ancestors of a resolved path, nearest first, without ``/`` (TRANS-041)."""
    parts = []
    while (resolved := resolved.rpartition("/")[0]) not in ("", "/"):
        parts.append(resolved)
    return tuple(parts)


def valid_path_scope(scope: str) -> bool:
    """Whether a policy scope is an absolute, clean path other than ``/`` (POLICY-011)."""
    if not scope.startswith("/") or scope == "/":
        return False
    parts = scope[1:].split("/")
    return all(part not in ("", ".", "..") for part in parts)
