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

_LARGEST = (1 << 63) - 1


@frozen
class Descriptor:
    """A blob as a document describes it; the fields are not yet validated.

    Attributes:
        media_type: as written, ``""`` if absent.
        digest_text: as written; `digest` is the validated value.
        size: in bytes, as written; -1 if absent.  It is advice: the digest decides (REG-027).
        urls: other locations of a foreign layer.
        platform: the platform of an entry of an index.
        artifact_type: of the manifest, if it is that of an artifact.
    """

    media_type: str
    digest_text: str
    size: int
    urls: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None
    artifact_type: str = ""

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

    The fields that do not decide what the blob is are absent if they are invalid (MANIFEST-012).

    Raises:
        GoJsonError: the media type or the digest is not a string, or the size is no whole number.
    """
    entry = struct(raw)
    return Descriptor(
        media_type=entry.get("mediaType", string, ""),
        digest_text=entry.get("digest", string, ""),
        size=entry.get("size", _size, -1),
        urls=tuple(entry.get_lenient("urls", list_of(string, ""), [])),
        annotations=entry.get_lenient("annotations", strings_by_key, {}),
        platform=entry.get_lenient("platform", _platform, None),
        artifact_type=entry.get_lenient("artifactType", string, ""),
    )


def _size(raw: object) -> int:
    """A size, limited to 64 bits."""
    if isinstance(raw, int) and not isinstance(raw, bool):
        return min(max(raw, -_LARGEST), _LARGEST)
    return integer(raw)


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
