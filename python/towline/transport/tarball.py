"""``tarball:file[:file...]``: layers without a manifest.

TRANS-050 to TRANS-052.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from towline.errors import step
from towline.frozen import frozen

if TYPE_CHECKING:
    from towline.rules.names import NameRules
    from towline.transport.facts import Facts

__all__ = ["NAME", "TarballReference", "parse", "valid_scope"]

NAME = "tarball"


@frozen
class TarballReference:
    """Files, each of which becomes a layer."""

    transport: ClassVar[str] = NAME
    files: tuple[str, ...]

    @property
    def within_transport(self) -> str:
        """The files, joined by colons."""
        return ":".join(self.files)

    @property
    def docker_reference(self) -> None:
        """None."""

    @property
    def policy_identity(self) -> str:
        """Empty: only the transport's default scope applies."""
        return ""

    @property
    def policy_namespaces(self) -> tuple[str, ...]:
        """None."""
        return ()


def parse(text: str, facts: Facts, rules: NameRules) -> TarballReference:
    """Parse file names; each file is opened, and parsing fails if it cannot be (TRANS-051).

    Raises:
        PathError: a file cannot be opened.
    """
    files = tuple(text.split(":"))
    for file in files:
        if file != "-":
            with step("opening-tarball", path=file):
                facts.open_file(file)
    return TarballReference(files)


def valid_scope(scope: str) -> bool:
    """No scope is valid; the caller accepts the default scope ``""`` itself (POLICY-011)."""
    return False
