"""``oci-archive:``: reading an image from a layout in a tar, in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.errors import SourceError
from towline.frozen import frozen
from towline.source.archive_cache import ArchiveCache, MemberBlob, open_members
from towline.source.files import STDIN
from towline.source.layout import LayoutSource
from towline.source.other_kinds import recognising

if TYPE_CHECKING:
    from towline.core import Member
    from towline.image.manifest import Typeless
    from towline.rules.archives import ArchiveRules
    from towline.rules.limits import TransferLimits
    from towline.source.archive import ArchiveMembers
    from towline.transport.oci_archive import OciArchiveReference

__all__ = ["ArchiveFiles", "open_files", "open_source"]


@frozen
class ArchiveFiles:
    """A layout in an archive, read as if it had been unpacked into an empty folder."""

    members: ArchiveMembers
    limit: int
    shared: bool

    @property
    def origin(self) -> str:
        """The archive's path."""
        return self.members.path

    @property
    def parallel(self) -> int:
        """1 for a compressed archive, which is read sequentially."""
        return 1 if self.members.framing else 4

    def document(self, name: str, what: str) -> bytes:
        """The content of a small member.

        Raises:
            SourceError: ``archive.no_file``, or damage.
            LimitExceededError: ``limit.document``.
        """
        return self.members.document(self._member(name), what, self.limit)

    def blob(self, name: str, offset: int) -> MemberBlob:
        """The member of a blob; SourceError if it is missing."""
        return MemberBlob(self.members, self._member(name), offset)

    def position(self, name: str) -> int:
        """The offset in the archive; missing members come last."""
        member = self.members.resolved(name, last=True)
        return 1 << 63 if member is None else member.header

    def close(self) -> None:
        """Close the archive, unless others use it; idempotent."""
        if not self.shared:
            self.members.close()

    def _member(self, name: str) -> Member:
        member = self.members.resolved(name, last=True)
        if member is None:
            raise SourceError("archive.no_file", path=self.members.path, member=name)
        return member


def open_files(
    path: str,
    rules: ArchiveRules,
    limits: TransferLimits,
    archives: ArchiveCache | None = None,
    *,
    resolved: str = "",
) -> ArchiveFiles:
    """The files of an archive.

    Args:
        path: the archive.
        rules: the compressions that are recognised.
        limits: of its documents.
        archives: a cache of open archives; without it, `ArchiveFiles.close` closes the archive.
        resolved: as for `towline.source.archive.ArchiveMembers`.

    Raises:
        PathError: it cannot be opened.
        SourceError: it is damaged: later members, which replace earlier ones, may be missing.
    """
    members, shared = open_members(path, rules.archive_formats, archives, resolved=resolved)
    if members.failure is not None:
        if not shared:
            members.close()
        raise members.failure
    return ArchiveFiles(members, limits.document_size, shared)


def open_source(
    reference: OciArchiveReference,
    rules: ArchiveRules,
    limits: TransferLimits,
    archives: ArchiveCache | None = None,
    *,
    typeless: Typeless,
) -> LayoutSource:
    """The source of an image in an archive; raises as `open_files` and `layout.choose`."""
    with recognising(reference.transport, reference.path):
        resolved = reference.path if reference.path == STDIN else reference.resolved
        files = open_files(reference.path, rules, limits, archives, resolved=resolved)
        try:
            return LayoutSource(reference, rules, files, typeless=typeless)
        except BaseException:
            files.close()
            raise
