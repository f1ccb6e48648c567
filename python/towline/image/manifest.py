"""Parse manifests and indexes, and detect their media type.

Sources: the OCI image specification (manifest.md, image-index.md), Docker's image manifest
version 2 schema 2.  (MANIFEST-001 to MANIFEST-012)
"""

from __future__ import annotations

from typing import Literal

from towline.errors import SourceError
from towline.frozen import field, frozen
from towline.go.go_json import GoJsonError, Struct, decode, integer, list_of, string, struct
from towline.image.descriptor import Descriptor, read_descriptor
from towline.name.digest import Digest, sha256_of
from towline.rules.media_types import (
    DOCKER_LIST,
    DOCKER_SCHEMA1,
    DOCKER_SCHEMA1_SIGNED,
    DOCKER_SCHEMA2,
    OCI_INDEX,
    OCI_MANIFEST,
)

__all__ = [
    "DOCKER_CONFIG",
    "DOCKER_LAYER_GZIP",
    "DOCKER_LIST",
    "DOCKER_SCHEMA1",
    "DOCKER_SCHEMA1_SIGNED",
    "DOCKER_SCHEMA2",
    "OCI_CONFIG",
    "OCI_INDEX",
    "OCI_MANIFEST",
    "SCHEMA1",
    "WHOLE_TYPES",
    "Index",
    "Manifest",
    "RawManifest",
    "Typeless",
    "parse_index",
    "parse_manifest",
    "recognise",
    "typed",
]

DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
# The digest of these covers all bytes; that of schema 1 covers its signed part.
WHOLE_TYPES = (OCI_MANIFEST, OCI_INDEX, DOCKER_SCHEMA2, DOCKER_LIST)
SCHEMA1 = (DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED)
_KNOWN_TYPES = (*WHOLE_TYPES, *SCHEMA1)
#: How a manifest of unknown media type is read: as schema 1, or by its content (REG-006).
Typeless = Literal["schema1", "recognise"]
_EMPTY = Descriptor("", "", -1)  # the value of ``null``


@frozen
class RawManifest:
    """The bytes of a manifest or index as received, and its media type."""

    data: bytes = field(repr=False)
    media_type: str

    @property
    def digest(self) -> Digest:
        """SHA-256 of the bytes as received."""
        return sha256_of(self.data)


@frozen
class Manifest:
    """An image or an artifact: its config and its layers, lowest first.

    Attributes:
        artifact_type: as written; ``""`` if absent, as in most images.
        has_subject: whether it is attached to another manifest, as a signature is.
    """

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    artifact_type: str = ""
    has_subject: bool = False


@frozen
class Index:
    """A list of instances of one image."""

    media_type: str
    instances: tuple[Descriptor, ...]


def recognise(data: bytes) -> str:
    """The media type of a manifest by its content, ``""`` if it cannot be detected (MANIFEST-003).

    The document's own ``mediaType`` is used if it is one of `WHOLE_TYPES`; otherwise the schema
    version and the keys decide.
    """
    try:
        document = struct(decode(data))
        media_type = document.get("mediaType", string, "")
        version = document.get("schemaVersion", integer, 0)
        config = document.get("config", struct, Struct([])).get("mediaType", string, "")
    except GoJsonError:
        return ""
    if media_type in WHOLE_TYPES:
        return media_type
    keys = {key.lower() for key, _ in document.pairs()}
    if version == 1:
        return DOCKER_SCHEMA1_SIGNED if "signatures" in keys else DOCKER_SCHEMA1
    if version != 2:
        return ""
    if config == DOCKER_CONFIG:
        return DOCKER_SCHEMA2
    if "manifests" in keys and "config" not in keys:
        return OCI_INDEX
    return OCI_MANIFEST


def parse_manifest(raw: RawManifest) -> Manifest:
    """Parse an image manifest of schema 2 or OCI.

    Raises:
        SourceError: ``manifest.schema_version`` for any other media type (MANIFEST-006),
            ``manifest.not_json``, ``manifest.ambiguous``, ``manifest.index_as_image``
            (MANIFEST-008).
    """
    if raw.media_type not in (DOCKER_SCHEMA2, OCI_MANIFEST):
        raise SourceError("manifest.schema_version", **_version(raw))
    document = _document(raw)
    keys = {key.lower() for key, _ in document.pairs()}
    if "manifests" in keys and not keys & {"config", "layers", "fslayers"}:
        raise SourceError("manifest.index_as_image", media_type=raw.media_type)
    _refuse_ambiguity(document, ("manifests", "fsLayers"))
    try:
        return Manifest(
            raw.media_type,
            document.get("config", read_descriptor, _EMPTY),
            tuple(document.get("layers", list_of(read_descriptor, _EMPTY), [])),
            document.get_lenient("artifactType", string, ""),
            has_subject=bool(document.get_lenient("subject", struct, Struct([])).pairs()),
        )
    except GoJsonError as fault:
        raise SourceError("manifest.not_json", reason=str(fault)) from None


def parse_index(raw: RawManifest) -> Index:
    """Parse a docker manifest list or an OCI index.

    Raises:
        SourceError: ``manifest.not_json``, ``manifest.ambiguous``.
    """
    document = _document(raw)
    _refuse_ambiguity(document, ("layers", "config", "fsLayers"))
    try:
        none: list[Descriptor] = []
        entries = document.get("manifests", list_of(read_descriptor, _EMPTY), none)
    except GoJsonError as fault:
        raise SourceError("manifest.not_json", reason=str(fault)) from None
    return Index(raw.media_type, tuple(entries))


def _document(raw: RawManifest) -> Struct:
    try:
        return struct(decode(raw.data))
    except GoJsonError as fault:
        raise SourceError("manifest.not_json", reason=str(fault)) from None


def _refuse_ambiguity(document: Struct, foreign: tuple[str, ...]) -> None:
    # MANIFEST-008: a document that could be read both as a manifest and as an index is refused
    present = {key.lower() for key, value in document.pairs() if value not in (None, [], "")}
    both = [field for field in foreign if field.lower() in present]
    if both:
        raise SourceError("manifest.ambiguous", fields=both)


def _version(raw: RawManifest) -> dict[str, object]:
    try:
        version = _document(raw).get("schemaVersion", integer, 0)
    except GoJsonError as fault:
        raise SourceError("manifest.not_json", reason=str(fault)) from None
    return {"media_type": raw.media_type, "version": version}


def typed(data: bytes, media_type: str, typeless: Typeless) -> RawManifest:
    """A manifest with its listed media type; an unknown one may be detected from the content."""
    if typeless == "recognise" and media_type not in _KNOWN_TYPES:  # REG-006
        media_type = recognise(data) or media_type
    return RawManifest(data, media_type)
