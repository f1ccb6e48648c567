"""Files of the store: whole or not there at all, and never reached through a symbolic link.

Every file is written beside the others in ``tmp/`` under a name that nobody can have taken, and
renamed into its place: a rename replaces a link that was planted there and does not follow it.
Folders are looked at when the store is opened.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from towline.errors import PathError, StoreError

__all__ = [
    "Prepared",
    "allows",
    "make_folder",
    "prepare",
    "read",
    "regular_size",
    "remove",
    "room",
    "sync_folder",
    "unused_path",
    "using",
    "write",
]

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_LARGEST = 1 << 28  # bytes of a file that is read whole; nothing that we write so is larger
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def using(operation: str, path: str) -> Iterator[None]:
    """Turns an error of the operating system into ``path.unusable``."""
    try:
        yield
    except OSError as error:
        raise PathError(
            "path.unusable", operation=operation, path=path, errno=error.errno
        ) from error


def make_folder(path: str) -> None:
    """Make a folder where there is none.

    Raises:
        StoreError: ``store.not_a_folder``: something else is there, perhaps a link elsewhere.
    """
    with using("mkdir", path), suppress(FileExistsError):
        os.mkdir(path)
    with using("lstat", path):
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            raise StoreError("store.not_a_folder", path=path)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file that is written and waits for its rename."""

    temporary: str
    target: str

    def put(self) -> None:
        """Put it in its place, for all readers at once."""
        with using("rename", self.target):
            os.replace(self.temporary, self.target)

    def drop(self) -> None:
        """Let it go, unless it was put."""
        remove(self.temporary)


def unused_path(folder: str) -> str:
    """A path in `folder` that no other task has, of this process or another one."""
    return f"{folder}/{os.getpid()}-{os.urandom(8).hex()}"


def prepare(folder: str, target: str, data: bytes, *, sync: bool) -> Prepared:
    """Write the future content of `target` into a new file in `folder`, flushed on `sync`."""
    temporary = unused_path(folder)
    with using("open", temporary):
        descriptor = os.open(temporary, _CREATE, 0o666)
    prepared = Prepared(temporary, target)
    try:
        with using("write", temporary):
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(descriptor, view) :]
                if sync:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
    except PathError:
        prepared.drop()
        raise
    return prepared


def write(folder: str, target: str, data: bytes, *, sync: bool) -> None:
    """Write a file whole, by way of `folder`."""
    prepare(folder, target, data, sync=sync).put()


def read(path: str) -> bytes | None:
    """The content of a regular file, None where there is none.

    Raises:
        PathError: it cannot be read, or is far larger than any file of the store.
    """
    with using("open", path):
        try:
            descriptor = os.open(path, _READ)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:  # a symbolic link
                return None
            raise
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            if os.fstat(descriptor).st_size > _LARGEST:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
            pieces = []
            left = _LARGEST
            while piece := os.read(descriptor, min(left, 1 << 22)):
                pieces.append(piece)
                left -= len(piece)
        finally:
            os.close(descriptor)
    return b"".join(pieces)


def allows(path: str, mode: int) -> bool:
    """Whether this process may use a file so: ``os.R_OK``, ``os.W_OK``."""
    return os.access(path, mode, effective_ids=True)


def regular_size(path: str) -> int | None:
    """The size of a regular file, None where there is none."""
    with using("lstat", path):
        try:
            found = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def room(path: str) -> int:
    """The bytes of the disk that a regular file has: its own, or more that was set aside."""
    with using("lstat", path):
        try:
            found = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return 0
    return max(found.st_size, found.st_blocks * 512) if stat.S_ISREG(found.st_mode) else 0


def remove(path: str) -> bool:
    """Remove a file or link; whether it was there."""
    with using("unlink", path):
        try:
            os.unlink(path)
        except FileNotFoundError:
            return False
    return True


def sync_folder(path: str) -> None:
    """Flush the entries of a folder."""
    with using("fsync", path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
