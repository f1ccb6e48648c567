"""``oci:``: reading an image from a layout in a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.frozen import frozen
from towline.source.files import FileBlob, joined, read_document
from towline.source.layout import LayoutSource
from towline.source.other_kinds import recognising

if TYPE_CHECKING:
    from towline.image.manifest import Typeless
    from towline.rules.archives import ArchiveRules
    from towline.rules.limits import TransferLimits
    from towline.transport.oci import OciReference

__all__ = ["FolderFiles", "open_source"]


@frozen
class FolderFiles:
    """A layout in a folder.  Links in it are followed, because the folder belongs to the user.

    Attributes:
        origin: its path as given, for messages.
        resolved: its path without links, from which it is read (TRANS-043).
        limit: the most bytes of a document.
    """

    origin: str
    resolved: str
    limit: int

    @property
    def parallel(self) -> int:
        """Enough to use two cores."""
        return 4

    def document(self, name: str, what: str) -> bytes:
        """The content of a small file; raises as `towline.source.files.read_document`."""
        path, resolved = joined(self.origin, name), joined(self.resolved, name)
        return read_document(path, what, self.limit, resolved)

    def blob(self, name: str, offset: int) -> FileBlob:
        """The file of a blob; PathError if it is missing."""
        return FileBlob(joined(self.origin, name), offset, joined(self.resolved, name))

    def position(self, name: str) -> int:
        """0: a folder has no order."""
        return 0

    def close(self) -> None:
        """Do nothing: files are open only while they are read."""


def open_source(
    reference: OciReference,
    rules: ArchiveRules,
    limits: TransferLimits,
    *,
    typeless: Typeless,
) -> LayoutSource:
    """The source of an image in a layout; raises as `towline.source.layout.choose`."""
    files = FolderFiles(reference.path, reference.resolved, limits.document_size)
    with recognising(reference.transport, reference.path):
        return LayoutSource(reference, rules, files, typeless=typeless)
