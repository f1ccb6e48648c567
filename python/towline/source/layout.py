"""Reading an image in an OCI layout, for ``oci:`` and ``oci-archive:``.

Source: the OCI image layout specification.  (LAYOUT-001 to LAYOUT-020)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from towline.errors import step
from towline.image.descriptor import Descriptor
from towline.image.manifest import OCI_INDEX, RawManifest, Typeless, typed
from towline.source.checks import check_config, check_manifest, check_size
from towline.source.layout_choice import blob_name, choose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.name.digest import Digest
    from towline.rules.archives import ArchiveRules
    from towline.source.protocol import OpenBlob
    from towline.transport import ImageReference
    from towline.transport.oci import OciReference

__all__ = ["LayoutFiles", "LayoutSource"]


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


class LayoutSource:
    """One image of a layout.  Safe in any number of threads."""

    def __init__(
        self,
        reference: OciReference,
        rules: ArchiveRules,
        files: LayoutFiles,
        *,
        typeless: Typeless,
    ) -> None:
        """Choose the image; raises as `choose`."""
        self.reference: ImageReference = reference
        self._typeless: Typeless = typeless
        self.parallel = files.parallel
        self._files = files
        self._choice = choose(files, reference.image, rules)

    def __repr__(self) -> str:
        return f"LayoutSource({self.reference.within_transport!r})"

    def annotated_names(self) -> tuple[str, ...]:
        """The names of the image in the layout."""
        return self._choice.names

    def listed_manifest(self) -> Descriptor | None:
        """The chosen entry of index.json; None if index.json is the index of the image."""
        return self._choice.descriptor

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
        return check_size(self._files.blob(_blob_name(descriptor), offset), descriptor)

    def close(self) -> None:
        """Close the files; idempotent."""
        self._files.close()

    def _read_manifest(self, descriptor: Descriptor) -> RawManifest:
        data = self._files.document(_blob_name(descriptor), "manifest")
        check_manifest(data, descriptor.digest, self._files.origin)
        media_type = descriptor.media_type
        return typed(data, media_type, self._typeless)


def _blob_name(descriptor: Descriptor) -> str:
    with step("reading-descriptor", digest=descriptor.digest_text):
        return blob_name(descriptor)
