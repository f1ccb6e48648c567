"""``docker-archive:path[:name]``: a tar as ``docker save`` writes it.

TRANS-020 to TRANS-024.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from towline.errors import InvalidName, step
from towline.facts import Facts
from towline.reference import Reference, parse_normalized
from towline.rules import Rules

__all__ = ["NAME", "DockerArchiveReference", "parse", "valid_scope"]

NAME = "docker-archive"


@dataclass(frozen=True, slots=True)
class DockerArchiveReference:
    """A docker-archive, and the image in it where one is named."""

    transport: ClassVar[str] = NAME
    path: str
    reference: Reference | None = None
    index: int = 0  # which item of manifest.json, where no name chooses

    @property
    def within_transport(self) -> str:
        """``path`` or ``path:name``."""
        return self.path if self.reference is None else f"{self.path}:{self.reference}"

    @property
    def docker_reference(self) -> Reference | None:
        """The name given with the path."""
        return self.reference

    @property
    def policy_identity(self) -> str:
        """None: only the transport's default applies (POLICY-010)."""
        return ""

    @property
    def policy_namespaces(self) -> tuple[str, ...]:
        """None."""
        return ()


def parse(text: str, facts: Facts, rules: Rules) -> DockerArchiveReference:
    """Read ``path[:name]``; the path ends at the first colon.

    Raises:
        InvalidName: ``transport.docker_archive_empty``, ``reference.archive_digest``, or the
            fault of the name.
    """
    if not text:
        raise InvalidName("transport.docker_archive_empty")
    path, colon, name = text.partition(":")
    if not colon:
        return DockerArchiveReference(path)
    with step("parsing-archive-name", name=name):
        reference = parse_normalized(name).tagged()
    if reference.digest is not None:
        raise InvalidName("reference.archive_digest", text=text)
    return DockerArchiveReference(path, reference)


def valid_scope(scope: str) -> bool:
    """Only the default scope ``""``, which is not asked about here (POLICY-011)."""
    return False
