"""``docker-daemon:name`` or ``docker-daemon:sha256:id``.

TRANS-060 to TRANS-064.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from towline.errors import InvalidNameError
from towline.frozen import frozen
from towline.name.digest import Digest, is_digest, parse_digest
from towline.name.reference import Reference, parse_normalized
from towline.transport.docker import docker_scopes

if TYPE_CHECKING:
    from towline.rules.names import NameRules
    from towline.transport.facts import Facts

__all__ = ["NAME", "DockerDaemonReference", "parse", "valid_scope"]

NAME = "docker-daemon"


@frozen
class DockerDaemonReference:
    """An image of a Docker daemon, by ID or by name."""

    transport: ClassVar[str] = NAME
    id: Digest | None
    reference: Reference | None

    @property
    def within_transport(self) -> str:
        """The ID, or the familiar form of the name."""
        return str(self.id) if self.reference is None else self.reference.familiar

    @property
    def docker_reference(self) -> Reference | None:
        """The name; None if the image is given by its ID."""
        return self.reference

    @property
    def policy_identity(self) -> str:
        """The full name; ``""`` for an ID (TRANS-064)."""
        return "" if self.reference is None else str(self.reference)

    @property
    def policy_namespaces(self) -> tuple[str, ...]:
        """The repository and its parents; empty for an ID."""
        return () if self.reference is None else docker_scopes(self.reference, wildcards=False)


def parse(text: str, facts: Facts, rules: NameRules) -> DockerDaemonReference:
    """Parse an ID, or a name that has either a tag or a digest.

    Raises:
        InvalidNameError: ``transport.daemon_*``, ``reference.tag_and_digest``, or an error of
            the name.
    """
    if is_digest(text):
        image_id = parse_digest(text)
        if image_id.algorithm != "sha256":
            raise InvalidNameError("transport.daemon_algorithm", text=text)
        return DockerDaemonReference(image_id, None)
    reference = parse_normalized(text, addresses=rules.address_hosts)
    if reference.familiar_name == "sha256":
        raise InvalidNameError("transport.daemon_reserved", text=text)
    if reference.tag is None and reference.digest is None:
        raise InvalidNameError("transport.daemon_untagged", name=reference.familiar)
    if reference.tag is not None and reference.digest is not None:
        raise InvalidNameError("reference.tag_and_digest", transport=NAME)
    return DockerDaemonReference(None, reference)


def valid_scope(scope: str) -> bool:
    """Every scope is valid except an ID, which has no scope (POLICY-011)."""
    return not is_digest(scope)
