"""A process that forks at each lock of a store: `python -m tests.support.forking_process`.

The arguments are the folder of the store, and what the forked processes do: `sleep` keeps every
file open until the end, and `unwind` ends as a program does that leaves all its contexts.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import Any

from tests.support.store_images import make, put
from towline.cancel import CancelToken
from towline.errors import StoreError
from towline.registry.host_backoff import HOST_BACKOFF
from towline.store.layout import locks
from towline.store.layout.store import LayoutStore, open_store

CHILDREN: list[int] = []
HELD: list[locks.Lock] = []
UNWINDING: list[int] = []  # the status of each forked process that ended by itself


def fork(how: str, lock: locks.Lock) -> None:
    """Fork while a lock is held."""
    HELD.append(lock)
    child = os.fork()
    if child == 0:
        if how == "unwind":
            for each in HELD:
                each.release()
            os._exit(0)
        time.sleep(600)
    if how == "unwind":
        UNWINDING.append(os.waitpid(child, 0)[1])
    else:
        CHILDREN.append(child)


def is_busy(store: LayoutStore) -> bool:
    """Whether gc finds a pull."""
    try:
        store.gc()
    except StoreError as error:
        return error.code == "store.busy"
    return False


def main() -> None:
    """Store, remove and collect images, and print the number of forks."""
    root, how = sys.argv[1:]
    acquire: Any = vars(locks)["_acquire"]

    def forking(*args: Any, **kwargs: Any) -> locks.Lock | None:
        lock: locks.Lock | None = acquire(*args, **kwargs)
        if lock is not None:
            fork(how, lock)
        return lock

    vars(locks)["_acquire"] = forking
    try:
        store = open_store(root)
        for number in range(2):
            made = make(b"%d" % number, b"shared", names=[f"localhost/image-{number}:1"])
            with store.begin(made.plan, cancel=CancelToken()):
                assert is_busy(store)  # an unwinding child has released nothing
            put(store, made)
        store.remove("localhost/image-0:1")
        assert store.gc().blobs
        assert store.verify().clean
        assert [image.names for image in store.images()] == [("localhost/image-1:1",)]
    finally:
        for child in CHILDREN:
            os.kill(child, signal.SIGKILL)
    print(len(CHILDREN) + len(UNWINDING))


def fork_with_the_lock_of_pauses() -> None:
    """Fork while another thread holds the lock of `HOST_BACKOFF`; the child uses it."""
    held, forked = threading.Event(), threading.Event()

    def hold() -> None:
        with vars(HOST_BACKOFF)["_lock"]:
            held.set()
            forked.wait()

    threading.Thread(target=hold).start()
    held.wait()
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        HOST_BACKOFF.pause("a.example", 5)
        os._exit(HOST_BACKOFF.left("a.example") == 0)
    forked.set()
    assert os.waitpid(child, 0)[1] == 0


if __name__ == "__main__":
    if sys.argv[1] == "pauses":
        fork_with_the_lock_of_pauses()
    else:
        main()
