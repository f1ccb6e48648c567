"""``oci:path[:image]`` and ``oci:path:@N``: an OCI image layout.

TRANS-030 to TRANS-036.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from towline.errors import InvalidNameError
from towline.frozen import frozen
from towline.image.oci_layout import is_layout_name
from towline.transport.reference import image_number, path_namespaces, valid_path_scope

if TYPE_CHECKING:
    from towline.rules.names import NameRules
    from towline.transport.facts import Facts

__all__ = ["NAME", "OciReference", "parse", "split", "valid_scope"]

NAME = "oci"


@frozen
class OciReference:
    """A layout, and the name of the image in it; ``""`` for its only image, ``@N`` for a number."""

    transport: ClassVar[str] = NAME
    path: str
    image: str
    resolved: str

    @property
    def within_transport(self) -> str:
        """``path:image``, with the colon even if no image is named (TRANS-032)."""
        return f"{self.path}:{self.image}"

    @property
    def docker_reference(self) -> None:
        """None: the name in a layout is not a Docker name."""

    @property
    def policy_identity(self) -> str:
        """The resolved path; the image is not part of it (TRANS-035)."""
        return self.resolved

    @property
    def policy_namespaces(self) -> tuple[str, ...]:
        """The path itself and its ancestors (TRANS-041)."""
        own = () if self.resolved == "/" else (self.resolved,)
        return (*own, *path_namespaces(self.resolved))


def split(text: str, facts: Facts, rules: NameRules) -> tuple[str, str, str]:
    """Path, image and resolved path of ``path[:image]`` (TRANS-031).

    Raises:
        InvalidNameError: ``transport.oci_image``, ``transport.oci_index``.
        PathError: the path's parent does not exist.
    """
    path, _, image = text.partition(":")
    resolved = facts.resolve_path(path)
    if image.startswith("@") and rules.layout_numbers:  # TRANS-036
        number = image_number(image[1:])
        if number is None:
            raise InvalidNameError("transport.oci_index", image=image)
        return path, f"@{number}", resolved
    if image and not is_layout_name(image):  # TRANS-033
        raise InvalidNameError("transport.oci_image", image=image)
    return path, image, resolved


def parse(text: str, facts: Facts, rules: NameRules) -> OciReference:
    """Parse ``path[:image]``; raises as `split`."""
    return OciReference(*split(text, facts, rules))


def valid_scope(scope: str) -> bool:
    """Whether a scope is an absolute, clean path (POLICY-011)."""
    return valid_path_scope(scope)
