"""``dir:path``: a directory of blobs with a manifest.json.

TRANS-040 to TRANS-043.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from towline.frozen import frozen
from towline.transport.reference import path_namespaces, valid_path_scope

if TYPE_CHECKING:
    from towline.rules.names import NameRules
    from towline.transport.facts import Facts

__all__ = ["NAME", "DirReference", "parse", "valid_scope"]

NAME = "dir"


@frozen
class DirReference:
    """A directory that holds one image."""

    transport: ClassVar[str] = NAME
    path: str
    resolved: str

    @property
    def within_transport(self) -> str:
        """The path as given."""
        return self.path

    @property
    def docker_reference(self) -> None:
        """None."""

    @property
    def policy_identity(self) -> str:
        """The resolved path."""
        return self.resolved

    @property
    def policy_namespaces(self) -> tuple[str, ...]:
        """Its strict ancestors (TRANS-041)."""
        return path_namespaces(self.resolved)


def parse(text: str, facts: Facts, rules: NameRules) -> DirReference:
    """Parse a path; it need not exist, but its parent must (TRANS-040).

    Raises:
        PathError: the path's parent does not exist.
    """
    return DirReference(text, facts.resolve_path(text))


def valid_scope(scope: str) -> bool:
    """Whether a scope is an absolute, clean path (POLICY-011)."""
    return valid_path_scope(scope)
