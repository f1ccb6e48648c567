"""``docker-archive:path[:name|:@index]``: a tar in the format of ``docker save``.

TRANS-020 to TRANS-023.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from towline.errors import InvalidNameError, step
from towline.frozen import frozen
from towline.name.reference import Reference, parse_normalized
from towline.transport.reference import image_number

if TYPE_CHECKING:
    from towline.rules.names import NameRules
    from towline.transport.facts import Facts

__all__ = ["NAME", "DockerArchiveReference", "parse", "valid_scope"]

NAME = "docker-archive"


@frozen
class DockerArchiveReference:
    """A docker-archive, and the image in it if the reference has a name or an index.

    Attributes:
        index: the item of manifest.json, if there is no name.
        counted: whether the reference has an index (``:@index``).
    """

    transport: ClassVar[str] = NAME
    path: str
    reference: Reference | None = None
    index: int = 0
    counted: bool = False

    @property
    def within_transport(self) -> str:
        """``path``, ``path:name`` or ``path:@index``."""
        if self.counted:
            return f"{self.path}:@{self.index}"
        return self.path if self.reference is None else f"{self.path}:{self.reference}"

    @property
    def docker_reference(self) -> Reference | None:
        """The name in the reference."""
        return self.reference

    @property
    def policy_identity(self) -> str:
        """Empty: only the transport's default scope applies (POLICY-010)."""
        return ""

    @property
    def policy_namespaces(self) -> tuple[str, ...]:
        """None."""
        return ()


def parse(text: str, facts: Facts, rules: NameRules) -> DockerArchiveReference:
    """Parse ``path[:name]`` or ``path:@index``; the path ends at the first colon.

    Raises:
        InvalidNameError: ``transport.docker_archive_empty``, ``transport.docker_archive_index``,
            ``reference.archive_digest``, or an error of the name.
    """
    if not text:
        raise InvalidNameError("transport.docker_archive_empty")
    path, colon, name = text.partition(":")
    if not colon:
        return DockerArchiveReference(path)
    if name.startswith("@") and rules.archive_images == "all":  # TRANS-023
        return DockerArchiveReference(path, index=_index(name[1:], text), counted=True)
    with step("parsing-archive-name", name=name):
        reference = parse_normalized(name, addresses=rules.address_hosts).tagged()
    if reference.digest is not None:
        raise InvalidNameError("reference.archive_digest", text=text)
    return DockerArchiveReference(path, reference)


def _index(digits: str, text: str) -> int:
    number = image_number(digits)
    if number is None:
        raise InvalidNameError("transport.docker_archive_index", text=text)
    return number


def valid_scope(scope: str) -> bool:
    """No scope is valid; the caller accepts the default scope ``""`` itself (POLICY-011)."""
    return False
