"""The archives of one run, and blobs that are members of them."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Self

from towline.core import Member, Stop
from towline.source.archive import ArchiveMembers

if TYPE_CHECKING:
    from towline.core import BlobWriter

__all__ = ["ArchiveCache", "MemberBlob", "open_members"]

_Key = tuple[str, tuple[str, ...], bool]


def open_members(
    path: str, formats: tuple[str, ...], archives: ArchiveCache | None, *, sizes: bool = False
) -> tuple[ArchiveMembers, bool]:
    """An archive, and whether others share it, so that it is not to be closed.

    Raises:
        TowlineError: as `ArchiveMembers`.
    """
    if archives is None:
        return ArchiveMembers(path, formats, sizes=sizes), False
    return archives.members(path, formats, sizes=sizes), True


class ArchiveCache:
    """The archives of one run, each opened and indexed once.

    The goal's questions and the copies of all images of a file share what is here.
    """

    def __init__(self, stop: Stop | None = None) -> None:
        """Empty; `stop` ends all that is done with the archives."""
        self._stop = stop
        self._lock = threading.Lock()
        self._open: dict[_Key, tuple[tuple[int, ...], ArchiveMembers]] = {}

    def members(
        self, path: str, formats: tuple[str, ...], *, sizes: bool = False
    ) -> ArchiveMembers:
        """The members of an archive, as it is now; raises as `ArchiveMembers`."""
        key = (path, formats, sizes)
        with self._lock:
            now = _signature(path)
            then, members = self._open.get(key, ((), None))
            if members is None or then != now:
                members = ArchiveMembers(path, formats, sizes=sizes, stop=self._stop)
                self._open[key] = (now, members)
            return members

    def close(self) -> None:
        """Close all of them; idempotent."""
        with self._lock:
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
        held = members.size_of(member)
        self.size: int | None = None if decompress else held
        self.offset = 0 if decompress or offset > held else offset

    def deliver(self, writer: BlobWriter) -> None:
        """Write the member's bytes from `offset` on; raises as `ArchiveMembers.deliver`."""
        self._members.deliver(self._member, self.offset, writer, decompress=self._decompress)

    def close(self) -> None:
        """Nothing: the archive stays open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _signature(path: str) -> tuple[int, ...]:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return ()  # the opening says what is wrong
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
