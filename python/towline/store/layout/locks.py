"""Locks between tasks, which are threads of the same or of different processes.

A lock is a flock on a file that each task opens separately, so the system releases it when the
process ends.  A forked process shares the open file, so the lock is released explicitly, and only
by the process that acquired it.  The process of an exclusive lock is recorded in the file of the
lock, and the holders of the store's lock are recorded in files of their own, for messages to
others.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from towline.errors import PathError, path_errors
from towline.frozen import frozen
from towline.store.layout import files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towline.cancel import CancelToken

__all__ = ["Holder", "Lock", "WaitLog", "acquire", "holder_file", "holders", "try_acquire"]

_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.05
_SILENT = 1.0  # seconds of waiting before it is logged
_PURPOSE_MAX = 300  # characters that are shown; anybody may have written the file
_PID_WIDTH = 20  # a shorter number must replace a longer one


@frozen
class WaitLog:
    """The message that is logged during a long wait for a lock.

    Attributes:
        used: what the lock is for.
        folder: the folder of the holder files.
    """

    used: str
    folder: str


class Lock:
    """A lock that is held until `release`."""

    __slots__ = ("_descriptor", "_path", "_pid", "_temporary")

    def __init__(self, descriptor: int, path: str, *, temporary: bool) -> None:
        self._descriptor = descriptor
        self._path = path
        self._pid = os.getpid()
        self._temporary = temporary

    def release(self) -> None:
        """Release the lock, and remove the file of a temporary one; a second call has no effect.

        In a forked process it only closes the file: the lock belongs to the parent.
        """
        if self._descriptor < 0:
            return
        descriptor, self._descriptor = self._descriptor, -1
        try:
            if self._pid == os.getpid():
                if self._temporary:
                    files.remove(self._path)  # before the release: see _is_current
                fcntl.flock(descriptor, fcntl.LOCK_UN)  # also for forked processes that have it
        finally:
            os.close(descriptor)

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def try_acquire(path: str, *, shared: bool = False, temporary: bool = False) -> Lock | None:
    """Acquire a lock without waiting; None if another task holds it.

    Args:
        path: the file of the lock, which is created if necessary.
        shared: acquire a shared lock.
        temporary: remove the file on release; for locks of which there are many.
    """
    return _acquire(path, shared=shared, temporary=temporary, wait=False)


def acquire(
    path: str,
    *,
    shared: bool = False,
    temporary: bool = False,
    cancel: CancelToken | None = None,
    log: WaitLog | None = None,
) -> Lock:
    """Acquire a lock; wait while other tasks hold it.

    Args:
        path: the file of the lock, which is created if necessary.
        shared: acquire a shared lock.
        temporary: remove the file on release.
        cancel: ends the wait.
        log: the message that is logged if the wait for another process is long; None: none.

    Raises:
        PullCancelledError: the caller cancelled during the wait.
    """
    if cancel is None and log is None:
        lock = _acquire(path, shared=shared, temporary=temporary, wait=True)
        assert lock is not None  # None is only returned without wait
        return lock
    pause, silent = _FIRST_PAUSE, _SILENT
    while (lock := try_acquire(path, shared=shared, temporary=temporary)) is None:
        if cancel is None:
            time.sleep(pause)
        else:
            cancel.wait(pause)
        silent -= pause
        pause = min(2 * pause, _LONGEST_PAUSE)
        if log is not None and silent <= 0:
            silent = float("inf")
            _log_waiting(path, log)
    return lock


def _acquire(path: str, *, shared: bool, temporary: bool, wait: bool) -> Lock | None:
    operation = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    with path_errors("open", path):
        while True:
            descriptor = _open(path)
            try:
                fcntl.flock(descriptor, operation)
                if not temporary or _is_current(descriptor, path):
                    if not shared:
                        _record_process(descriptor)
                    kept, descriptor = descriptor, -1
                    return Lock(kept, path, temporary=temporary)
            except BlockingIOError:
                return None
            finally:
                if descriptor >= 0:
                    os.close(descriptor)


def _open(path: str) -> int:
    try:
        return os.open(path, _OPEN, 0o666)
    except PermissionError:  # the file of another user, which need not be writable for a lock
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _record_process(descriptor: int) -> None:
    with suppress(OSError):  # a full disk, or the file of another user
        found = os.fstat(descriptor)
        if found.st_nlink != 1 or found.st_size > _PID_WIDTH:  # no file of a lock
            return
        os.pwrite(descriptor, b"%-*d" % (_PID_WIDTH, os.getpid()), 0)


def _log_waiting(path: str, log: WaitLog) -> None:
    """Log which other process holds a lock, if it is known."""
    try:
        pid = int((files.read(path) or b"")[:_PID_WIDTH])
    except (PathError, ValueError):
        return
    if pid != os.getpid():
        import logging

        holder = next((each for each in holders(log.folder) if each.pid == pid), f"process {pid}")
        stopped = " and is stopped" if _is_stopped(pid) else ""
        text = "waiting for %s, which uses %s%s"
        logging.getLogger("towline").warning(text, holder, log.used, stopped)


def _is_stopped(pid: int) -> bool:
    try:
        return (files.read(f"/proc/{pid}/stat") or b"").rpartition(b") ")[2][:1] in (b"T", b"t")
    except PathError:
        return False


def _is_current(descriptor: int, path: str) -> bool:
    # The last holder removes the file before the release; a lock on a removed file is void.
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


@frozen
class Holder:
    """A process that holds the store's lock; ``str()`` gives ``process 42 (pulling x)``.

    Attributes:
        pid: of the process.
        purpose: of the process; empty if it is unknown, as that of another user may be.
        since: the time at which it began, in seconds since 1970.
    """

    pid: int
    purpose: str
    since: float

    def __str__(self) -> str:
        return f"process {self.pid}" + (f" ({self.purpose})" if self.purpose else "")


@contextmanager
def holder_file(folder: str, purpose: str) -> Iterator[None]:
    """Return a context during which a file in `folder` records this task and its purpose."""
    path = files.unused_path(folder)
    with acquire(path, temporary=True):
        holder = {"pid": os.getpid(), "purpose": purpose, "since": time.time()}
        with path_errors("write", path):
            descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.write(descriptor, json.dumps(holder).encode())
            finally:
                os.close(descriptor)
        yield


def holders(folder: str) -> tuple[Holder, ...]:
    """Return the holders of the store's lock; remove the files of killed processes."""
    found = []
    with path_errors("readdir", folder):
        names = sorted(os.listdir(folder))
    for name in names:
        path = f"{folder}/{name}"
        try:
            stale = try_acquire(path, temporary=True)
            data = files.read(path) if stale is None else None
        except PathError:  # the file of another user
            stale, data = None, None
        if stale is None:
            found.append(_holder(name, data))
        else:
            with suppress(PathError):
                stale.release()
    return tuple(found)


def _holder(name: str, data: bytes | None) -> Holder:
    """The content of a holder file; if it is unreadable, the process is in its name."""
    try:
        holder = json.loads(data or b"")
        purpose = "".join(filter(str.isprintable, str(holder["purpose"])))[:_PURPOSE_MAX]
        return Holder(int(holder["pid"]), purpose, float(holder["since"]))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        pid = name.partition("-")[0]
        return Holder(int(pid) if pid.isdecimal() else 0, "", 0.0)
