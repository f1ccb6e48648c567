"""``atomic:host/namespace/stream:tag``: an image stream of OpenShift.

TRANS-070 to TRANS-073.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from towline.errors import InvalidNameError, step
from towline.frozen import frozen
from towline.name.reference import Reference, parse_normalized
from towline.transport.docker import docker_scopes

if TYPE_CHECKING:
    from towline.rules.names import NameRules
    from towline.transport.facts import Facts

__all__ = ["NAME", "AtomicReference", "parse", "valid_scope"]

NAME = "atomic"


@frozen
class AtomicReference:
    """An image stream: a name with a host, two path components and a tag."""

    transport: ClassVar[str] = NAME
    reference: Reference

    @property
    def within_transport(self) -> str:
        """The familiar form."""
        return self.reference.familiar

    @property
    def docker_reference(self) -> Reference:
        """The name itself."""
        return self.reference

    @property
    def policy_identity(self) -> str:
        """The full name.

        Raises:
            InvalidNameError: ``reference.tag_and_digest``: such a name can be parsed but has no
                identity (TRANS-073).
        """
        if self.reference.digest is not None:
            raise InvalidNameError("reference.tag_and_digest", transport=NAME)
        return str(self.reference)

    @property
    def policy_namespaces(self) -> tuple[str, ...]:
        """The repository and its parents."""
        return docker_scopes(self.reference, wildcards=False)


def parse(text: str, facts: Facts, rules: NameRules) -> AtomicReference:
    """Parse a name that has a tag and two path components after its host.

    Raises:
        InvalidNameError: ``transport.atomic_untagged``, ``transport.atomic_parts``, or an error of
            the name.
    """
    with step("parsing-atomic", text=text):
        reference = parse_normalized(text, addresses=rules.address_hosts)
    if reference.tag is None:
        raise InvalidNameError("transport.atomic_untagged", text=text)
    if reference.path.count("/") != 1:
        raise InvalidNameError("transport.atomic_parts", name=reference.familiar)
    return AtomicReference(reference)


def valid_scope(scope: str) -> bool:
    """Every scope is valid (POLICY-011)."""
    return True
