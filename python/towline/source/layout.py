"""Choosing and reading an image in an OCI layout, for ``oci:`` and ``oci-archive:``.

Source: the OCI image layout specification.  (LAYOUT-001 to LAYOUT-020)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from towline.errors import SourceError, step
from towline.frozen import frozen
from towline.go.go_json import GoJsonError, decode_first, list_of, struct
from towline.image.descriptor import Descriptor, read_descriptor
from towline.image.manifest import (
    DOCKER_LIST,
    DOCKER_SCHEMA2,
    OCI_INDEX,
    OCI_MANIFEST,
    RawManifest,
    Typeless,
    typed,
)
from towline.image.oci_layout import CONTAINERD_NAME, REF_NAME
from towline.source.checks import BlobSize, check_config, check_manifest, check_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towline.name.digest import Digest
    from towline.rules.archives import ArchiveRules
    from towline.source.protocol import OpenBlob
    from towline.transport import ImageReference
    from towline.transport.oci import OciReference

__all__ = ["INDEX", "Choice", "LayoutFiles", "LayoutSource", "choose", "image_name_in", "names_of"]

INDEX = "index.json"

_IMAGE_TYPES = (OCI_MANIFEST, OCI_INDEX, DOCKER_SCHEMA2, DOCKER_LIST, "")


class LayoutFiles(Protocol):
    """The files of a layout; names are relative to it, with slashes."""

    @property
    def origin(self) -> str:
        """The path of the layout, for messages."""

    @property
    def parallel(self) -> int:
        """How many blobs may be read at once."""

    def document(self, name: str, what: str) -> bytes:
        """The content of a small file, limited in size; `what` is its kind, for messages."""

    def blob(self, name: str, offset: int) -> OpenBlob:
        """The file of a blob."""

    def position(self, name: str) -> int:
        """The position of a file in the best reading order, 0 if the order does not matter."""

    def close(self) -> None:
        """Close all files; idempotent."""


@frozen
class Choice:
    """The image that was chosen in a layout.

    Attributes:
        descriptor: of its manifest; None if index.json itself is the index of the image.
        index: the bytes of index.json.
        name: the image's name in the layout, ``""`` if it has none.
    """

    descriptor: Descriptor | None
    index: bytes
    name: str


def choose(files: LayoutFiles, image: str, rules: ArchiveRules) -> Choice:
    """Choose an image of a layout (LAYOUT-005).

    Args:
        files: the layout.
        image: its name, ``""`` for the only image in the layout.
        rules: which images can be chosen.

    Raises:
        SourceError: ``layout.index_not_json``, ``layout.choose_image``, ``layout.no_such_image``.
    """
    data = files.document(INDEX, "index")
    try:
        document = struct(decode_first(data))
        empty: list[Descriptor] = []
        entries = document.get("manifests", list_of(read_descriptor, Descriptor("", "", 0)), empty)
    except GoJsonError as fault:
        raise SourceError("layout.index_not_json", path=files.origin, reason=str(fault)) from None
    matching = [entry for entry in entries if not image or image in _names(entry, rules)]
    if rules.layout_images == "any" and _is_one_image(entries) and len(matching) == len(entries):
        return Choice(None, data, image_name_in(entries[0].annotations, rules))  # LAYOUT-008
    if image and not matching:
        raise SourceError(
            "layout.no_such_image", path=files.origin, image=image, names=names_of(entries, rules)
        )
    if not image and len(entries) != 1:
        raise SourceError(
            "layout.choose_image",
            path=files.origin,
            count=len(entries),
            names=names_of(entries, rules),
        )
    return Choice(matching[0], data, image_name_in(matching[0].annotations, rules))


def image_name_in(annotations: Mapping[str, str], rules: ArchiveRules) -> str:
    """The image name in the annotations of a descriptor, ``""`` if none (LAYOUT-007)."""
    if rules.layout_images == "any" and annotations.get(CONTAINERD_NAME):
        return annotations[CONTAINERD_NAME]
    return annotations.get(REF_NAME, "")


def names_of(entries: Sequence[Descriptor], rules: ArchiveRules) -> list[str]:
    """The names in a layout, for messages."""
    return [name for entry in entries if (name := image_name_in(entry.annotations, rules))]


def _names(entry: Descriptor, rules: ArchiveRules) -> tuple[str, ...]:
    """The names by which an entry can be chosen."""
    if rules.layout_images == "oci":  # LAYOUT-006: only OCI manifests can be chosen by name
        usable = entry.media_type == OCI_MANIFEST
        return (entry.annotations.get(REF_NAME, ""),) if usable else ()
    if entry.media_type not in _IMAGE_TYPES:
        return ()
    names = (entry.annotations.get(key, "") for key in (REF_NAME, CONTAINERD_NAME))
    return tuple(name for name in names if name)


def _is_one_image(entries: Sequence[Descriptor]) -> bool:
    # LAYOUT-008: several manifests with one name, or all without, each for another platform
    names = {entry.annotations.get(REF_NAME, "") for entry in entries}
    platforms = {entry.platform for entry in entries}
    several = len(entries) > 1 and len(names) == 1
    return several and None not in platforms and len(platforms) == len(entries)


class LayoutSource:
    """One image of a layout.  Safe in any number of threads."""

    def __init__(
        self,
        reference: OciReference,
        rules: ArchiveRules,
        files: LayoutFiles,
        *,
        typeless: Typeless,
        blob_size: BlobSize,
    ) -> None:
        """Choose the image; raises as `choose`."""
        self.reference: ImageReference = reference
        self._typeless: Typeless = typeless
        self._blob_size: BlobSize = blob_size
        self.parallel = files.parallel
        self._files = files
        self._choice = choose(files, reference.image, rules)

    def __repr__(self) -> str:
        return f"LayoutSource({self.reference.within_transport!r})"

    def annotated_name(self) -> str:
        """The name of the image in the layout, ``""`` if it has none."""
        return self._choice.name

    def manifest(self, instance: Digest | None = None) -> RawManifest:
        """The chosen manifest or index, or an instance of the index.

        Raises:
            InvalidNameError: ``digest.*`` for the descriptor in index.json.
            VerificationError: ``verify.manifest``.
            PathError, SourceError: the blob is missing.
        """
        chosen = self._choice.descriptor
        if instance is not None:
            return self._read_manifest(Descriptor("", str(instance), -1))
        if chosen is None:
            return RawManifest(self._choice.index, OCI_INDEX)
        return self._read_manifest(chosen)

    def config(self, descriptor: Descriptor) -> bytes:
        """The config blob, limited in size; its digest is checked."""
        data = self._files.document(_blob_name(descriptor), "config")
        return check_config(data, descriptor.digest, self._files.origin)

    def in_order(self, wanted: Sequence[Descriptor]) -> Sequence[Descriptor]:
        """The order of the archive; in a folder the order does not matter."""
        return sorted(wanted, key=lambda descriptor: self._files.position(_blob_name(descriptor)))

    def open_blob(self, descriptor: Descriptor, offset: int = 0) -> OpenBlob:
        """A layer.

        Raises:
            InvalidNameError: ``digest.*``.
            PathError, SourceError: the blob is missing.
            VerificationError: ``verify.size``.
        """
        return check_size(
            self._files.blob(_blob_name(descriptor), offset), descriptor, self._blob_size
        )

    def close(self) -> None:
        """Close the files; idempotent."""
        self._files.close()

    def _read_manifest(self, descriptor: Descriptor) -> RawManifest:
        data = self._files.document(_blob_name(descriptor), "manifest")
        check_manifest(data, descriptor.digest, self._files.origin)
        media_type = descriptor.media_type
        return typed(data, media_type, self._typeless)


def _blob_name(descriptor: Descriptor) -> str:
    # `digest` raises unless it is valid, so the path stays in the layout.
    with step("reading-descriptor", digest=descriptor.digest_text):
        digest = descriptor.digest
    return f"blobs/{digest.algorithm}/{digest.hex}"
