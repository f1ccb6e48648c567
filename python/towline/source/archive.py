"""The members of an archive, found by name and read in place, without unpacking to disk.

An archive is indexed once.  The index of a compressed archive keeps the smallest files and the
first bytes of all others in memory.  So a pull decompresses the archive twice: once for the index
and the documents, and once to deliver the layers.  A third pass is needed only for a document that
was not kept: one of megabytes, or in an archive with thousands of smaller files.  (ARCH-008)
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from contextlib import ExitStack
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

from towline.core import TRANSIENT, Archive, CoreError, Member, Stop
from towline.core.compression import detect, is_skippable
from towline.errors import (
    LimitExceededError,
    PathError,
    SourceError,
    TowlineError,
    path_errors,
    step,
)
from towline.source.files import is_stream, raise_writer_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from towline.core import ByteWriter

__all__ = ["ArchiveMembers"]

T = TypeVar("T")

_ROUNDS = 2  # ARCH-003: an archive that was compressed twice is read
_KEPT = 8 << 20  # bytes of a compressed archive that are kept in memory
_LINKS = 40  # as many as Linux follows
_PATH_MAX = 4096  # bytes; and no longer path than Linux opens

_SKIPPABLE = 4096  # bytes before the magic of zstd in a member of a compressed archive
_UNCHECKED = 4096  # members between two checks of the stop

_FILE = ("0", "7", "S")  # S: a sparse file in the old format of GNU tar
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
        resolved: str = "",
    ) -> None:
        """Open and index an archive.

        Args:
            path: the archive; a pipe or ``-``, the standard input, is copied first (ARCH-024).
            formats: the compressions to detect, of the archive and of its members.
            sizes: also determine the decompressed size of compressed members.
            stop: cancels all operations.
            resolved: the path that is opened, which the policy accepted (TRANS-043); `path` is
                then for messages only.

        Raises:
            PathError: it cannot be opened, or is not a file.
            SourceError: ``archive.compression``, ``archive.unreadable``.
            LimitExceededError: ``limit.archive``.
        """
        self.path = path
        self._formats = formats
        self._stop = stop
        self._measured: dict[int, int] = {}
        self._compressed: dict[int, bool] = {}
        self._cache: dict[str, Any] = {}
        self.framing: tuple[str, ...] = ()
        with ExitStack() as resources:
            try:
                opened = self._seekable(resolved or path, resources)
                self._archive = Archive(opened, formats=formats, rounds=_ROUNDS, stop=stop)
                self.framing = self._archive.framing
                members, failure = self._archive.index(keep=_KEPT, sizes=sizes)
            except CoreError as error:
                raise self._damage_error(error, self.framing) from None
        if failure is not None and _is_fatal(failure, self.framing):
            self._archive.close()
            raise self._damage_error(failure, self.framing)
        self._failure = failure
        self.members = members

    def __repr__(self) -> str:
        return f"ArchiveMembers({self.path!r})"

    @property
    def failure(self) -> TowlineError | None:
        """A new error for the damage that ended the index early, None if there was none."""
        return None if self._failure is None else self._damage_error(self._failure, ())

    def remember(self, key: str, find: Callable[[], T]) -> T:
        """The result of the first call of `find` with this key, cached with the archive."""
        if key not in self._cache:
            self._cache[key] = find()
        result: T = self._cache[key]
        return result

    def named(self, name: str) -> Member | None:
        """The first member with exactly this name, of any type."""
        return self._by_name.get(_encode(name))

    def literal(self, name: str) -> Member:
        """The file with exactly this name, or the target of a symbolic link with this name.

        ARCH-007: one link is followed, relative to the folder of its own name.  A hard link is a
        file without content.

        Raises:
            SourceError: ``archive.no_member``, ``archive.not_regular``, or the damage of the
                archive, since the member may be in the damaged part.
        """
        member = self.named(name)
        if member is not None and member.type == _SYMLINK:
            folder = posixpath.dirname(_encode(name)) or b"."
            member = self._by_name.get(posixpath.normpath(folder + b"/" + member.linkname))
        if member is None:
            raise self.missing(name)
        if member.type not in (*_FILE, _HARD_LINK):
            raise self._not_regular(member)
        return member

    def resolved(self, name: str, *, last: bool = False) -> Member | None:
        """The file at a path, following all links inside the archive; None if there is none.

        Args:
            name: the path, relative to the root of the archive.
            last: of several members with one path use the last, as after unpacking; else the first.

        Raises:
            SourceError: ``archive.not_regular``, ``archive.link_loop``.
        """
        members = self._last_by_path if last else self._by_path
        path = _clean(_encode(name))
        for _ in range(_LINKS):
            if len(path) > _PATH_MAX:
                return None
            member = members.get(path)
            if member is None:
                target = self._through_linked_folder(path, members)
                if target is None:
                    return None
                path = target
            elif member.type == _SYMLINK:
                path = _link_target(path, member.linkname)
            elif member.type == _HARD_LINK:
                path = _clean(member.linkname)
            elif member.type in _FILE:
                return member
            else:
                raise self._not_regular(member)
        raise SourceError("archive.link_loop", path=self.path, member=name)

    def missing(self, name: str) -> TowlineError:
        """The error for a missing member: the damage of the archive, if it has any."""
        return self.failure or SourceError("archive.no_member", path=self.path, member=name)

    def document(self, member: Member, what: str, limit: int) -> bytes:
        """The content of a small member.

        Args:
            member: of the archive.
            what: the kind of document, for messages.
            limit: the most bytes.

        Raises:
            LimitExceededError: ``limit.document``.
            SourceError: the archive cannot be read.
        """
        size = self.size_of(member)
        if size > limit:
            raise LimitExceededError("limit.document", what=what, limit=limit, origin=self.path)
        return self._read(member, size)

    def size_of(self, member: Member) -> int:
        """The size of a member as stored; 0 for a link."""
        return member.size if member.type in _FILE else 0

    def compressed(self, member: Member) -> bool:
        """Whether the member itself is compressed, by its first bytes."""
        known = self._compressed.get(member.offset)
        if known is None:
            size = self.size_of(member)
            found = detect(lambda count: self._read(member, min(count, size)), self._formats)
            known = self._compressed[member.offset] = found is not None
        return known

    def examine(self, members: Iterable[Member]) -> None:
        """Find out together which members are compressed, in one pass of a compressed archive.

        The first bytes of each are kept, but skippable frames may be before the magic of zstd;
        only some of them are read, so that reading many members takes one pass.
        """
        ranges = {}
        for member in members:
            size = self.size_of(member)
            if self.framing and is_skippable(self._read(member, min(4, size))):
                ranges[member.offset] = (member.offset, min(_SKIPPABLE, size))
        if not ranges:
            return
        try:
            heads = self._archive.read(list(ranges.values()))
        except CoreError as error:
            raise self._damage_error(error, self.framing) from None
        for offset, head in zip(ranges, heads, strict=True):
            found = detect(partial(_first, head), self._formats)
            self._compressed[offset] = found is not None

    def measure(self, member: Member) -> int:
        """The size of a member, decompressed once if it is compressed.

        Raises:
            SourceError: ``archive.member_compression``.
            LimitExceededError: ``limit.archive``.
        """
        if member.offset not in self._measured:
            try:
                size = self._archive.measure(member.offset, self.size_of(member))
            except CoreError as error:
                raise self._member_error(member, error) from None
            self._measured[member.offset] = size
        return self._measured[member.offset]

    def deliver(self, member: Member, offset: int, writer: ByteWriter, *, decompress: bool) -> None:
        """Append the bytes of a member from `offset` on to a writer, or all of them decompressed.

        Raises:
            SourceError: the archive or the member is damaged.
            LimitExceededError: ``limit.archive``.
            CoreError: the writer's own.
        """
        size = self.size_of(member)
        try:
            self._archive.copy_to(member.offset + offset, size - offset, writer, decompress)
        except CoreError as error:
            raise_writer_error(error, writer)
            raise self._member_error(member, error) from None

    def close(self) -> None:
        """Close the archive; idempotent."""
        self._archive.close()

    def _read(self, member: Member, size: int) -> bytes:
        if size == 0:
            return b""
        try:
            return self._archive.read([(member.offset, size)])[0]
        except CoreError as error:
            raise self._member_error(member, error) from None

    def _through_linked_folder(self, path: bytes, members: dict[bytes, Member]) -> bytes | None:
        # For a layout whose blobs/ is a link: resolves the nearest ancestor that is a member.
        below: list[bytes] = []
        while b"/" in path:
            path, _, last = path.rpartition(b"/")
            below.insert(0, last)
            member = members.get(path)
            if member is not None:
                if member.type != _SYMLINK:
                    return None
                return b"/".join([_link_target(path, member.linkname), *below])
        return None

    def _not_regular(self, member: Member) -> SourceError:
        return SourceError(
            "archive.not_regular", path=self.path, member=_decode(member.name), type=member.type
        )

    def _member_error(self, member: Member, error: CoreError) -> TowlineError:
        if error.code in TRANSIENT or error.code.startswith("limit_"):
            return self._damage_error(error, self.framing)
        return SourceError(
            "archive.member_damaged",
            path=self.path,
            member=_decode(member.name),
            reason=error.code,
            offset=error.offset,
            detail=error.detail,
        )

    def _damage_error(self, error: CoreError, framing: tuple[str, ...]) -> TowlineError:
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

    def _seekable(self, path: str, resources: ExitStack) -> str:
        """The path of the archive, or of a temporary copy if it can be read only once."""
        if not is_stream(path):
            _check_file(self.path, path)
            return path
        from towline.source.spool import path_of, spooled

        # The archive opens the copy again, which exists as long as it is open.
        return path_of(resources.enter_context(spooled(path, self._stop)))

    @cached_property
    def _by_name(self) -> dict[bytes, Member]:
        return self._members_by(lambda name: name)

    @cached_property
    def _by_path(self) -> dict[bytes, Member]:
        return self._members_by(_clean)

    @cached_property
    def _last_by_path(self) -> dict[bytes, Member]:
        return self._members_by(_clean, last=True)

    def _members_by(
        self, key: Callable[[bytes], bytes], *, last: bool = False
    ) -> dict[bytes, Member]:
        """The first or the last member with each key, which is made of its name."""
        found: dict[bytes, Member] = {}
        for at, member in enumerate(self.members):
            if at % _UNCHECKED == 0 and self._stop is not None and self._stop.is_set:
                raise self._damage_error(CoreError("cancelled", 0, "stopped"), ())
            name = key(member.name)
            if last or name not in found:
                found[name] = member
        return found


def _first(data: bytes, count: int) -> bytes:
    return data[:count]


def _check_file(path: str, opened: str) -> None:
    with step("opening-archive", path=path), path_errors("open", path):
        fd = os.open(opened, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            mode = os.fstat(fd).st_mode
            empty = stat.S_ISCHR(mode) and not os.read(fd, 1)
        finally:
            os.close(fd)
    if stat.S_ISDIR(mode):
        raise PathError.of("read", path, IsADirectoryError(errno.EISDIR, "")).during(
            "detecting-compression", path=path
        )
    if not (stat.S_ISREG(mode) or empty):  # /dev/null is an empty archive, but /dev/zero never ends
        raise PathError("path.not_a_file", path=path)


def _is_fatal(failure: CoreError, framing: tuple[str, ...]) -> bool:
    """Whether not even the members before the damage can be used."""
    if failure.code.startswith("limit_"):
        return True
    # "not_tar" is raised only when a member is missing.
    return bool(framing) and failure.code != "not_tar"


def _encode(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _decode(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _clean(name: bytes) -> bytes:
    """A path relative to the root of the archive; ``..`` never leaves the root."""
    return posixpath.normpath(b"/" + name.lstrip(b"/")).lstrip(b"/")


def _link_target(path: bytes, link: bytes) -> bytes:
    """The target of a symbolic link at `path`; absolute targets are relative to the archive."""
    return _clean(link if link.startswith(b"/") else posixpath.dirname(path) + b"/" + link)
