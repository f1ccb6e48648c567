"""Locks between tasks: threads of one process and processes alike.

A lock is a flock on a file that each task opens for itself, so it ends with its holder, however
that dies.  Who holds the store's lock is written beside it, for the message to whoever wants it.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from towline.cancel import CancelToken
from towline.store.layout import files

__all__ = ["Holder", "Lock", "acquire", "announced", "holders", "try_acquire"]

_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.05


class Lock:
    """A lock that is held, until `release`."""

    __slots__ = ("_descriptor", "_passing", "_path")

    def __init__(self, descriptor: int, path: str, *, passing: bool) -> None:
        self._descriptor = descriptor
        self._path = path
        self._passing = passing

    def release(self) -> None:
        """Let go; once more changes nothing.  The file of a passing lock goes too."""
        if self._descriptor < 0:
            return
        descriptor, self._descriptor = self._descriptor, -1
        try:
            if self._passing:
                files.remove(self._path)  # while it is held: see _still_there
        finally:
            os.close(descriptor)

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def try_acquire(path: str, *, shared: bool = False, passing: bool = False) -> Lock | None:
    """The lock, or None where another task holds it.

    Args:
        path: of the lock's file, made where there is none.
        shared: together with other shared holders.
        passing: the file goes with the lock; for locks of which there are many.
    """
    return _acquire(path, shared=shared, passing=passing, wait=False)


def acquire(
    path: str, *, shared: bool = False, passing: bool = False, cancel: CancelToken | None = None
) -> Lock:
    """The lock, after waiting for those who hold it.

    Raises:
        PullCancelledError: while waiting.
    """
    if cancel is None:
        lock = _acquire(path, shared=shared, passing=passing, wait=True)
        assert lock is not None  # only a lock that is not waited for can be missed
        return lock
    pause = _FIRST_PAUSE
    while (lock := try_acquire(path, shared=shared, passing=passing)) is None:
        cancel.wait(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
    return lock


def _acquire(path: str, *, shared: bool, passing: bool, wait: bool) -> Lock | None:
    how = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    with files.using("open", path):
        while True:
            descriptor = os.open(path, _OPEN, 0o666)
            try:
                fcntl.flock(descriptor, how)
                if not passing or _still_there(descriptor, path):
                    kept, descriptor = descriptor, -1
                    return Lock(kept, path, passing=passing)
            except BlockingIOError:
                return None
            finally:
                if descriptor >= 0:
                    os.close(descriptor)


def _still_there(descriptor: int, path: str) -> bool:
    # The last holder removed the file before it let go, so a lock on a removed file is none.
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the store, and what for; prints as ``process 42 (pulling x)``."""

    pid: int
    purpose: str
    since: float

    def __str__(self) -> str:
        return f"process {self.pid} ({self.purpose})"


@contextmanager
def announced(folder: str, purpose: str) -> Iterator[None]:
    """Say in `folder` what this task holds the store for, as long as it does."""
    path = files.unused_path(folder)
    with acquire(path, passing=True):
        told = {"pid": os.getpid(), "purpose": purpose, "since": time.time()}
        with files.using("write", path):
            descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.write(descriptor, json.dumps(told).encode())
            finally:
                os.close(descriptor)
        yield


def holders(folder: str) -> tuple[Holder, ...]:
    """Who holds the store now; what dead holders left is cleared away."""
    found = []
    with files.using("readdir", folder):
        names = sorted(os.listdir(folder))
    for name in names:
        path = f"{folder}/{name}"
        stale = try_acquire(path, passing=True)
        if stale is not None:
            stale.release()
            continue
        with suppress(
            ValueError, KeyError, TypeError, OverflowError, RecursionError
        ):  # half written: it is not told
            told = json.loads(files.read(path) or b"")
            found.append(Holder(int(told["pid"]), str(told["purpose"]), float(told["since"])))
    return tuple(found)
