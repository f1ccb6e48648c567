"""``docker://name``: an image in a registry.

TRANS-010 to TRANS-019.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from towline.errors import InvalidNameError
from towline.frozen import frozen
from towline.name.reference import Reference, parse_normalized

if TYPE_CHECKING:
    from towline.rules.names import NameRules
    from towline.transport.facts import Facts

__all__ = ["NAME", "DockerReference", "docker_scopes", "parse", "valid_scope"]

NAME = "docker"


@frozen
class DockerReference:
    """An image in a registry: a normalised name with either a tag or a digest."""

    transport: ClassVar[str] = NAME
    reference: Reference
    wildcards: bool = True

    @property
    def within_transport(self) -> str:
        """``//`` and the familiar form (TRANS-011)."""
        return f"//{self.reference.familiar}"

    @property
    def docker_reference(self) -> Reference:
        """The name itself."""
        return self.reference

    @property
    def policy_identity(self) -> str:
        """The full name with its tag or digest."""
        return str(self.reference)

    @property
    def policy_namespaces(self) -> tuple[str, ...]:
        """The repository and its parents, then the wildcards for the host (POLICY-012)."""
        return docker_scopes(self.reference, wildcards=self.wildcards)


def docker_scopes(reference: Reference, *, wildcards: bool) -> tuple[str, ...]:
    """The policy namespaces of a name: itself, its parents, then ``*.example.com``, ``*.com``."""
    scopes = reference.namespaces()
    if wildcards:
        host = reference.domain.partition(":")[0]
        while "." in host:
            host = host.partition(".")[2]
            scopes += (f"*.{host}",)
    return scopes


def parse(text: str, facts: Facts, rules: NameRules) -> DockerReference:
    """Parse ``//name``; a name with neither tag nor digest gets ``latest``.

    Raises:
        InvalidNameError: ``transport.docker_slashes``, ``reference.tag_and_digest`` (TRANS-012), or
            an error of the name.
    """
    if not text.startswith("//"):
        raise InvalidNameError("transport.docker_slashes", text=text)
    return from_reference(parse_normalized(text[2:], addresses=rules.address_hosts), rules)


def from_reference(reference: Reference, rules: NameRules) -> DockerReference:
    """The image reference of a normalised name."""
    if reference.tag is not None and reference.digest is not None:
        if rules.tag_and_digest == "refuse":  # TRANS-012
            raise InvalidNameError("reference.tag_and_digest", transport=NAME)
        reference = reference.without_tag()
    return DockerReference(reference.tagged(), wildcards=rules.scope_wildcards)


def valid_scope(scope: str) -> bool:
    """Every scope is valid (POLICY-011)."""
    return True
