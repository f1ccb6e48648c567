"""``tarball:file[:file...]``: plain layers without a manifest.

TRANS-050 to TRANS-052.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from towline.errors import step
from towline.rules import Rules
from towline.transport.facts import Facts

__all__ = ["NAME", "TarballReference", "parse", "valid_scope"]

NAME = "tarball"


@dataclass(frozen=True, slots=True)
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
        """None."""
        return ""

    @property
    def policy_namespaces(self) -> tuple[str, ...]:
        """None."""
        return ()


def parse(text: str, facts: Facts, rules: Rules) -> TarballReference:
    """Read file names; each is opened at once, so that a wrong one is no tarball (TRANS-051).

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
    """Only the default scope ``""``, which is not asked about here (POLICY-011)."""
    return False
