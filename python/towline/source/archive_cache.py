"""The open archives of one run, and blobs that are members of archives."""

from __future__ import annotations

import os
import threading
from typing import IO, TYPE_CHECKING, Self

if TYPE_CHECKING:
    from towline.core import ByteWriter, Member, Stop
    from towline.source.archive import ArchiveMembers

__all__ = ["ArchiveCache", "MemberBlob", "open_members"]

_Key = tuple[str, str, tuple[str, ...], bool]


def open_members(
    path: str,
    formats: tuple[str, ...],
    archives: ArchiveCache | None,
    *,
    sizes: bool = False,
    resolved: str = "",
) -> tuple[ArchiveMembers, bool]:
    """Open an archive, or get it from the cache; the arguments are those of `ArchiveMembers`.

    Returns:
        The archive, and whether it is shared: then the caller must not close it.

    Raises:
        TowlineError: as `ArchiveMembers`.
    """
    from towline.source.archive import ArchiveMembers

    if archives is None:
        return ArchiveMembers(path, formats, sizes=sizes, resolved=resolved), False
    return archives.members(path, formats, sizes=sizes, resolved=resolved), True


class ArchiveCache:
    """The archives of one run, each opened and indexed once, and copies of what is read only once.

    Goal resolution and the copies of all images in a file share the open archives.
    """

    def __init__(self, stop: Stop | None = None) -> None:
        """Create an empty cache; `stop` cancels all operations on its archives."""
        self._stop = stop
        self._lock = threading.Lock()
        self._open: dict[_Key, tuple[tuple[int, ...], ArchiveMembers]] = {}
        self._copies: dict[str, IO[bytes]] = {}

    def members(
        self, path: str, formats: tuple[str, ...], *, sizes: bool = False, resolved: str = ""
    ) -> ArchiveMembers:
        """An archive in its current state: a changed file is opened again.

        Raises:
            TowlineError: as `ArchiveMembers`.
        """
        from towline.source.archive import ArchiveMembers

        key = (path, resolved, formats, sizes)
        with self._lock:
            current = _signature(resolved or path)
            previous, members = self._open.get(key, ((), None))
            if members is None or previous != current:
                members = ArchiveMembers(
                    path, formats, sizes=sizes, stop=self._stop, resolved=resolved
                )
                self._open[key] = (current, members)
            return members

    def copy_of_stream(self, path: str) -> str:
        """The path of a copy of a pipe or the standard input, which lasts until `close`.

        Raises:
            TowlineError, CoreError: as `towline.source.spool.spooled`.
        """
        from towline.source.spool import path_of, spooled

        with self._lock:
            if path not in self._copies:
                self._copies[path] = spooled(path, self._stop)
            return path_of(self._copies[path])

    def close(self) -> None:
        """Close all of them; idempotent."""
        with self._lock:
            for copy in self._copies.values():
                copy.close()
            self._copies.clear()
            for _, members in self._open.values():
                members.close()
            self._open.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class MemberBlob:
    """A blob that is a member of an archive."""

    def __init__(
        self, members: ArchiveMembers, member: Member, offset: int = 0, *, decompress: bool = False
    ) -> None:
        self._members = members
        self._member = member
        self._decompress = decompress
        stored = members.size_of(member)
        self.size: int | None = None if decompress else stored
        self.offset = 0 if decompress or offset > stored else offset

    def deliver(self, writer: ByteWriter) -> None:
        """Write the member's bytes from `offset` on; raises as `ArchiveMembers.deliver`."""
        self._members.deliver(self._member, self.offset, writer, decompress=self._decompress)

    def close(self) -> None:
        """Do nothing: the archive stays open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _signature(path: str) -> tuple[int, ...]:
    from towline.source.files import is_stream

    if is_stream(path):
        return ()  # it is read only once
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return ()  # opening the archive raises the error
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
