"""``dir:``: reading an image from a folder of blobs with a manifest.json.

(DIR-001 to DIR-005)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.image.manifest import RawManifest, recognise
from towline.source.checks import check_config, check_manifest, check_size
from towline.source.files import FileBlob, joined, read_document
from towline.source.other_kinds import recognising

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.image.descriptor import Descriptor
    from towline.name.digest import Digest
    from towline.rules.limits import TransferLimits
    from towline.transport import ImageReference
    from towline.transport.dir import DirReference

__all__ = ["DirSource", "open_source"]


def open_source(reference: DirReference, limits: TransferLimits) -> DirSource:
    """The source of the image in a folder; reads nothing yet."""
    return DirSource(reference, limits)


class DirSource:
    """The image in a folder.  Links in it are followed, because the folder belongs to the user."""

    parallel = 4

    def __init__(self, reference: DirReference, limits: TransferLimits) -> None:
        self.reference: ImageReference = reference
        self._folder = reference.path
        self._resolved = reference.resolved  # the folder is read from there (TRANS-043)
        self._limits = limits

    def __repr__(self) -> str:
        return f"DirSource({self._folder!r})"

    def manifest(self, instance: Digest | None = None) -> RawManifest:
        """manifest.json, or ``<hex>.manifest.json`` for an instance of a list.

        A folder has no media types, so the content determines the type (DIR-002).

        Raises:
            PathError: the file cannot be read.
            LimitExceededError: ``limit.document``.
            VerificationError: ``verify.manifest`` of an instance.
        """
        name = "manifest.json" if instance is None else f"{instance.hex}.manifest.json"
        path = joined(self._folder, name)
        with recognising(self.reference.transport, self._folder):
            data = self._document(name, "manifest")
        if instance is not None:
            check_manifest(data, instance, path)
        return RawManifest(data, recognise(data))

    def config(self, descriptor: Descriptor) -> bytes:
        """The config blob, limited in size; its digest is checked."""
        name = descriptor.digest.hex  # raises unless it is valid, so the path stays in the folder
        data = self._document(name, "config")
        return check_config(data, descriptor.digest, joined(self._folder, name))

    def in_order(self, wanted: Sequence[Descriptor]) -> Sequence[Descriptor]:
        """The same order: a folder has no better one."""
        return wanted

    def open_blob(self, descriptor: Descriptor, offset: int = 0) -> FileBlob:
        """A layer; PathError if it is missing, VerificationError if it is much too large."""
        name = descriptor.digest.hex
        path, resolved = joined(self._folder, name), joined(self._resolved, name)
        return check_size(FileBlob(path, offset, resolved), descriptor)

    def close(self) -> None:
        """Do nothing: files are open only while they are read."""

    def _document(self, name: str, what: str) -> bytes:
        path, resolved = joined(self._folder, name), joined(self._resolved, name)
        return read_document(path, what, self._limits.document_size, resolved)
