"""``oci-archive:path[:image]`` and ``oci-archive:path:@N``: a tar of an OCI image layout.

TRANS-030 to TRANS-036.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from towline.frozen import frozen
from towline.transport import oci
from towline.transport.reference import valid_path_scope

if TYPE_CHECKING:
    from towline.rules.names import NameRules
    from towline.transport.facts import Facts

__all__ = ["NAME", "OciArchiveReference", "parse", "valid_scope"]

NAME = "oci-archive"


@frozen
class OciArchiveReference(oci.OciReference):
    """An archive of a layout, and the name of the image in it; ``""`` for its only image."""

    transport: ClassVar[str] = NAME


def parse(text: str, facts: Facts, rules: NameRules) -> OciArchiveReference:
    """Parse ``path[:image]``; raises as `towline.transport.oci.split`."""
    return OciArchiveReference(*oci.split(text, facts, rules))


def valid_scope(scope: str) -> bool:
    """Whether a scope is an absolute, clean path (POLICY-011)."""
    return valid_path_scope(scope)
