"""Descriptors: the media type, digest and size of a blob as a document lists them.

Source: the OCI image specification, descriptor.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.frozen import field, frozen
from towline.go.go_json import Struct, integer, list_of, string, strings_by_key, struct
from towline.image.platform import Platform
from towline.name.digest import Digest, parse_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Descriptor", "read_descriptor"]


@frozen
class Descriptor:
    """A blob as a document describes it; the fields are not yet validated.

    Attributes:
        media_type: as written, ``""`` if absent.
        digest_text: as written; `digest` is the validated value.
        size: in bytes, as written; -1 if absent.
        urls: other locations of a foreign layer.
        platform: the platform of an entry of an index.
    """

    media_type: str
    digest_text: str
    size: int
    urls: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None

    @property
    def attestation(self) -> bool:
        """Whether an entry of an index is an attestation and not an image (PLAT-007)."""
        if self.annotations.get("vnd.docker.reference.type") == "attestation-manifest":
            return True
        have = self.platform
        return have is not None and (have.os, have.architecture) == ("unknown", "unknown")

    @property
    def digest(self) -> Digest:
        """The validated digest; only this form may be used in a path or a URL.

        Raises:
            InvalidNameError: ``digest.*``.
        """
        return parse_digest(self.digest_text)


def read_descriptor(raw: object) -> Descriptor:
    """Parse a descriptor; ``null`` gives an empty one.

    Raises:
        GoJsonError: a field has the wrong type.
    """
    entry = struct(raw)
    platform = entry.get("platform", _platform, None)
    return Descriptor(
        media_type=entry.get("mediaType", string, ""),
        digest_text=entry.get("digest", string, ""),
        size=entry.get("size", integer, -1),
        urls=tuple(entry.get("urls", list_of(string, ""), [])),
        annotations=entry.get("annotations", strings_by_key, {}),
        platform=platform,
    )


def _platform(raw: object) -> Platform | None:
    entry: Struct = struct(raw)
    platform = Platform(
        os=entry.get("os", string, ""),
        architecture=entry.get("architecture", string, ""),
        variant=entry.get("variant", string, ""),
        os_version=entry.get("os.version", string, ""),
    )
    # PLAT-005: both fields are required, so without one of them no platform is stated.
    return platform if platform.os and platform.architecture else None
