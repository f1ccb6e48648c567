"""The members of an archive: found by name, read in place, never unpacked to the disk.

An archive is indexed once.  While a compressed one is, its smallest files are kept, and the first
bytes of all others, so that it is decompressed twice in a pull: once to decide, and once to deliver
what is wanted.  A third pass is made for a document that is not among them, which takes an archive
with a document of megabytes, or with thousands of files smaller than its documents.  (ARCH-008)
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from towline.core import TRANSIENT, Archive, CoreError, Member, Stop
from towline.errors import (
    LimitExceededError,
    PathError,
    SourceError,
    TowlineError,
    step,
)
from towline.source.files import naming_path, raise_the_writers

if TYPE_CHECKING:
    from towline.core import BlobWriter

__all__ = ["ArchiveMembers"]

T = TypeVar("T")

_MAGIC = {
    "gzip": b"\x1f\x8b\x08",
    "bzip2": b"BZh",
    "xz": b"\xfd7zXZ\x00",
    "zstd": b"\x28\xb5\x2f\xfd",
}
_HEAD = 6  # the longest magic
_ROUNDS = 2  # ARCH-003: an archive that was compressed twice is read
_KEPT = 8 << 20  # bytes of a compressed archive that are kept in memory
_LINKS = 40  # as many as Linux follows
_PATH_MAX = 4096  # bytes; and no longer path than Linux opens

_FILE = ("0", "7")
_HARD_LINK = "1"
_SYMLINK = "2"


class ArchiveMembers:
    """An open archive and the index of its members.  Safe in any number of threads.

    Attributes:
        path: as given.
        framing: the compressions of the whole archive, outermost first.
    """

    def __init__(
        self,
        path: str,
        formats: tuple[str, ...],
        *,
        sizes: bool = False,
        stop: Stop | None = None,
    ) -> None:
        """Open and index an archive.

        Args:
            path: the archive.
            formats: the compressions that are looked for, around it and around its members.
            sizes: what compressed members grow to is wanted.
            stop: ends all that is done with it.

        Raises:
            PathError: it cannot be opened, or is no file.
            SourceError: ``archive.compression``, ``archive.unreadable``.
            LimitExceededError: ``limit.archive``.
        """
        _check_file(path)
        self.path = path
        self._formats = formats
        self._measured: dict[int, int] = {}
        self._remembered: dict[str, Any] = {}
        self.framing: tuple[str, ...] = ()
        try:
            self._archive = Archive(path, formats=formats, rounds=_ROUNDS, stop=stop)
            self.framing = self._archive.framing
            members, failure = self._archive.index(keep=_KEPT, sizes=sizes)
        except CoreError as error:
            raise self._damage(error, self.framing or self._outermost()) from None
        if failure is not None and _is_fatal(failure, self.framing):
            self._archive.close()
            raise self._damage(failure, self.framing)
        self._failure = failure
        self.members = members
        self._by_name: dict[bytes, Member] = {}
        self._by_path: dict[bytes, Member] = {}
        self._last_by_path: dict[bytes, Member] = {}
        for member in members:
            self._by_name.setdefault(member.name, member)
            self._by_path.setdefault(_cleaned(member.name), member)
            self._last_by_path[_cleaned(member.name)] = member

    def __repr__(self) -> str:
        return f"ArchiveMembers({self.path!r})"

    @property
    def failure(self) -> TowlineError | None:
        """What ends the index before the archive's end, None where nothing does; a new one."""
        return None if self._failure is None else self._damage(self._failure, ())

    def remember(self, key: str, find: Callable[[], T]) -> T:
        """What `find` found in the archive the first time, under a key of its user."""
        if key not in self._remembered:
            self._remembered[key] = find()
        found: T = self._remembered[key]
        return found

    def named(self, name: str) -> Member | None:
        """The first member of literally this name, whatever it is."""
        return self._by_name.get(_encoded(name))

    def literal(self, name: str) -> Member:
        """The file of literally this name, or that a symbolic link of this name leads to.

        ARCH-007: one link is followed, relative to the folder of its own name.  A hard link is a
        file without content.

        Raises:
            SourceError: ``archive.no_member``, ``archive.not_regular``, or the damage that may
                hide the member.
        """
        member = self.named(name)
        if member is not None and member.type == _SYMLINK:
            folder = posixpath.dirname(_encoded(name)) or b"."
            member = self._by_name.get(posixpath.normpath(folder + b"/" + member.linkname))
        if member is None:
            raise self.missing(name)
        if member.type not in (*_FILE, _HARD_LINK):
            raise self._not_regular(member)
        return member

    def resolved(self, name: str, *, last: bool = False) -> Member | None:
        """The file of a path, through whatever links lead to it inside the archive; None if none.

        Args:
            name: the path, relative to the root of the archive.
            last: of members with one path the last counts, as after unpacking; else the first.

        Raises:
            SourceError: ``archive.not_regular``, ``archive.link_loop``.
        """
        members = self._last_by_path if last else self._by_path
        path = _cleaned(_encoded(name))
        for _ in range(_LINKS):
            if len(path) > _PATH_MAX:
                return None
            member = members.get(path)
            if member is None:
                through = self._through_linked_folder(path, members)
                if through is None:
                    return None
                path = through
            elif member.type == _SYMLINK:
                path = _led(path, member.linkname)
            elif member.type == _HARD_LINK:
                path = _cleaned(member.linkname)
            elif member.type in _FILE:
                return member
            else:
                raise self._not_regular(member)
        raise SourceError("archive.link_loop", path=self.path, member=name)

    def missing(self, name: str) -> TowlineError:
        """The error of a member that is not there: the damage of the archive, if it has any."""
        return self.failure or SourceError("archive.no_member", path=self.path, member=name)

    def document(self, member: Member, what: str, limit: int) -> bytes:
        """The whole of a small member.

        Raises:
            LimitExceededError: ``limit.document``.
            SourceError: the archive cannot be read.
        """
        size = self.size_of(member)
        if size > limit:
            raise LimitExceededError("limit.document", what=what, limit=limit, origin=self.path)
        return self._read(member, size)

    def size_of(self, member: Member) -> int:
        """The bytes of a member; a link has none of its own."""
        return member.size if member.type in _FILE else 0

    def compressed(self, member: Member) -> bool:
        """Whether the member itself is compressed, by its first bytes."""
        head = self._read(member, min(_HEAD, self.size_of(member)))
        return any(head.startswith(_MAGIC[name]) for name in self._formats)

    def measure(self, member: Member) -> int:
        """The size of a member, decompressed once if it is compressed.

        Raises:
            SourceError: ``archive.member_compression``.
            LimitExceededError: ``limit.archive``.
        """
        if member.offset not in self._measured:
            try:
                found = self._archive.measure(member.offset, self.size_of(member))
            except CoreError as error:
                raise self._member_damage(member, error) from None
            self._measured[member.offset] = found
        return self._measured[member.offset]

    def deliver(self, member: Member, offset: int, writer: BlobWriter, *, decompress: bool) -> None:
        """Append a member's bytes from `offset` on to a writer; decompressed, it is all of them.

        Raises:
            SourceError: the archive or the member is damaged.
            LimitExceededError: ``limit.archive``.
            CoreError: the writer's own.
        """
        size = self.size_of(member)
        try:
            self._archive.copy_to(member.offset + offset, size - offset, writer, decompress)
        except CoreError as error:
            raise_the_writers(error, writer)
            raise self._member_damage(member, error) from None

    def close(self) -> None:
        """Close the archive; idempotent."""
        self._archive.close()

    def _read(self, member: Member, size: int) -> bytes:
        if size == 0:
            return b""
        try:
            return self._archive.read([(member.offset, size)])[0]
        except CoreError as error:
            raise self._member_damage(member, error) from None

    def _through_linked_folder(self, path: bytes, members: dict[bytes, Member]) -> bytes | None:
        # A layout whose blobs/ is a link: the nearest ancestor that is a member decides
        rest: list[bytes] = []
        while b"/" in path:
            path, _, last = path.rpartition(b"/")
            rest.insert(0, last)
            member = members.get(path)
            if member is not None:
                if member.type != _SYMLINK:
                    return None
                return b"/".join([_led(path, member.linkname), *rest])
        return None

    def _not_regular(self, member: Member) -> SourceError:
        return SourceError(
            "archive.not_regular", path=self.path, member=_decoded(member.name), type=member.type
        )

    def _member_damage(self, member: Member, error: CoreError) -> TowlineError:
        if error.code in TRANSIENT or error.code.startswith("limit_"):
            return self._damage(error, self.framing)
        return SourceError(
            "archive.member_damaged",
            path=self.path,
            member=_decoded(member.name),
            reason=error.code,
            offset=error.offset,
            detail=error.detail,
        )

    def _damage(self, error: CoreError, framing: tuple[str, ...]) -> TowlineError:
        facts = {
            "path": self.path,
            "reason": error.code,
            "offset": error.offset,
            "detail": error.detail,
        }
        if error.code.startswith("limit_"):
            return LimitExceededError("limit.archive", **facts)
        if error.code in TRANSIENT:
            return SourceError("archive.unreadable", **facts)
        if error.code == "not_tar":
            return SourceError("archive.not_tar", **facts)
        if framing:
            return SourceError("archive.compression", format=framing[0], **facts)
        return SourceError("archive.damaged", **facts)

    def _outermost(self) -> tuple[str, ...]:
        with naming_path("read", self.path), open(self.path, "rb") as file:
            head = file.read(_HEAD)
        return tuple(name for name in self._formats if head.startswith(_MAGIC[name]))


def _check_file(path: str) -> None:
    with step("opening-archive", path=path), naming_path("open", path):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            mode = os.fstat(fd).st_mode
            empty = stat.S_ISCHR(mode) and not os.read(fd, 1)
        finally:
            os.close(fd)
    if stat.S_ISDIR(mode):
        with step("detecting-compression", path=path):
            raise PathError("path.unusable", operation="read", path=path, errno=errno.EISDIR)
    if not (stat.S_ISREG(mode) or empty):  # /dev/null is an empty archive, /dev/zero is endless
        raise PathError("path.not_a_file", path=path)


def _is_fatal(failure: CoreError, framing: tuple[str, ...]) -> bool:
    """Whether nothing in the archive can be believed, not even what came before the damage."""
    if failure.code.startswith("limit_"):
        return True
    return bool(framing) and failure.code != "not_tar"  # which is told by who looks for a member


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _decoded(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _cleaned(name: bytes) -> bytes:
    """A path below the root of the archive, which nothing leads out of."""
    return posixpath.normpath(b"/" + name.lstrip(b"/")).lstrip(b"/")


def _led(path: bytes, link: bytes) -> bytes:
    """Where a symbolic link at `path` leads; the root is that of the archive."""
    return _cleaned(link if link.startswith(b"/") else posixpath.dirname(path) + b"/" + link)
