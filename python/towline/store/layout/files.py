"""Atomic writing and safe reading of the store's files; symbolic links are not followed.

Every file is written in ``tmp/`` under a random name and then renamed to its path.  A rename
replaces a symbolic link at that path and does not follow it.  Folders are checked when the store
is opened.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from towline.errors import PathError, StoreError, path_errors
from towline.frozen import frozen

__all__ = [
    "Prepared",
    "allows",
    "create",
    "disk_usage",
    "exists",
    "is_full",
    "make_folder",
    "open_regular",
    "prepare",
    "read",
    "regular",
    "regular_size",
    "remove",
    "sync_folder",
    "unused_path",
    "write",
]

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_LARGEST = 1 << 28  # bytes of a file that is read into memory; the store writes no larger one
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def make_folder(path: str) -> None:
    """Create a folder if it does not exist.

    Raises:
        StoreError: ``store.not_a_folder``: the path is another kind of file, or a symbolic link.
    """
    with path_errors("mkdir", path), suppress(FileExistsError):
        os.mkdir(path)
    with path_errors("lstat", path):
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            raise StoreError("store.not_a_folder", path=path)


@frozen
class Prepared:
    """A written file that is not yet renamed to its target."""

    temporary: str
    target: str

    def put(self) -> None:
        """Rename the file to its target."""
        with path_errors("rename", self.target):
            os.replace(self.temporary, self.target)

    def drop(self) -> None:
        """Remove the file, unless it was renamed."""
        remove(self.temporary)


def unused_path(folder: str) -> str:
    """Return a random path in `folder` that no other task or process uses."""
    return f"{folder}/{os.getpid()}-{os.urandom(8).hex()}"


def prepare(folder: str, target: str, data: bytes, *, sync: bool) -> Prepared:
    """Write the new content of `target` into a file in `folder`; flush it if `sync` is true."""
    temporary = unused_path(folder)
    with path_errors("open", temporary):
        descriptor = os.open(temporary, _CREATE, 0o666)
    prepared = Prepared(temporary, target)
    try:
        with path_errors("write", temporary):
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
    """Write a file atomically, with a temporary file in `folder`."""
    prepare(folder, target, data, sync=sync).put()


def create(folder: str, target: str, data: bytes) -> None:
    """Write a file that is flushed, unless there is one; another tool may create it meanwhile."""
    prepared = prepare(folder, target, data, sync=True)
    try:
        with path_errors("link", target), suppress(FileExistsError):
            os.link(prepared.temporary, target)
    except PathError:  # a file system without hard links
        if not exists(target):
            prepared.put()
    finally:
        prepared.drop()


def open_regular(path: str) -> int | None:
    """Open a regular file for reading; None if there is none.

    Raises:
        PathError: the file cannot be opened.
    """
    with path_errors("open", path):
        try:
            descriptor = os.open(path, _READ)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:  # a symbolic link
                return None
            raise
        kept = -1
        try:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                kept = descriptor
        finally:
            if kept < 0:
                os.close(descriptor)
    return None if kept < 0 else kept


def read(path: str) -> bytes | None:
    """Return the content of a regular file; None if there is none.

    Raises:
        PathError: the file cannot be read, or is larger than any file of the store.
    """
    descriptor = open_regular(path)
    if descriptor is None:
        return None
    with path_errors("open", path):
        try:
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
    """Whether this process has access to a file; `mode` is ``os.R_OK``, ``os.W_OK`` or both."""
    return os.access(path, mode, effective_ids=True)


def is_full(error: PathError) -> bool:
    """Whether the disk is full, or the quota of the user is reached."""
    return error.facts["errno"] in (errno.ENOSPC, errno.EDQUOT)


def exists(path: str) -> bool:
    """Whether there is anything at a path; a link counts as such.

    Raises:
        PathError: it cannot be found out at this moment.
    """
    with path_errors("lstat", path):
        try:
            os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
    return True


def regular(path: str) -> os.stat_result | None:
    """Return the status of a regular file; None if there is none."""
    with path_errors("lstat", path):
        try:
            found = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
    return found if stat.S_ISREG(found.st_mode) else None


def regular_size(path: str) -> int | None:
    """Return the size of a regular file; None if there is none."""
    found = regular(path)
    return None if found is None else found.st_size


def disk_usage(path: str) -> int:
    """Return the size of a regular file on the disk, including preallocated blocks."""
    with path_errors("lstat", path):
        try:
            found = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return 0
    return max(found.st_size, found.st_blocks * 512) if stat.S_ISREG(found.st_mode) else 0


def remove(path: str) -> bool:
    """Remove a file or link; return whether it existed."""
    with path_errors("unlink", path):
        try:
            os.unlink(path)
        except FileNotFoundError:
            return False
    return True


def sync_folder(path: str) -> None:
    """Flush the directory entries of a folder."""
    with path_errors("fsync", path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
