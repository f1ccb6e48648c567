"""Descriptors: what a document says of a blob.

Source: the OCI image specification, descriptor.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from towline.go.go_json import Struct, integer, list_of, string, strings_by_key, struct
from towline.image.platform import Platform
from towline.name.digest import Digest, parse_digest

__all__ = ["Descriptor", "read_descriptor"]


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A blob as a document describes it; nothing of it is trusted before it was checked.

    Attributes:
        media_type: as written, ``""`` where absent.
        digest_text: as written; `digest` is the checked value.
        size: in bytes, as written; -1 where the document does not say.
        urls: other places of a foreign layer.
        platform: of an entry of an index.
    """

    media_type: str
    digest_text: str
    size: int
    urls: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None

    @property
    def attestation(self) -> bool:
        """Whether an entry of an index speaks about another entry, and is no image (PLAT-007)."""
        if self.annotations.get("vnd.docker.reference.type") == "attestation-manifest":
            return True
        have = self.platform
        return have is not None and (have.os, have.architecture) == ("unknown", "unknown")

    @property
    def digest(self) -> Digest:
        """The checked digest; only this may enter a path or a URL.

        Raises:
            InvalidNameError: a ``digest.*`` fault.
        """
        return parse_digest(self.digest_text)


def read_descriptor(raw: object) -> Descriptor:
    """Read a descriptor; ``null`` reads as an empty one.

    Raises:
        GoJsonError: a field of another type than the specification gives it.
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
    return Platform(
        os=entry.get("os", string, ""),
        architecture=entry.get("architecture", string, ""),
        variant=entry.get("variant", string, ""),
        os_version=entry.get("os.version", string, ""),
    )
