"""A process that stores images and is killed: `python -m tests.support.storing_process`.

Modes: `loop` stores images forever and prints a line before each step; `fetch` waits for a line of
input, stores one image and prints each blob that it wrote; `pull`, `evict` and `remove` change the
store once and kill the process at the Nth change of a folder.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from tests.support.store_images import Made, layer, make, put
from towline.store.layout.store import open_store

MOVING = "localhost/moving:latest"
IMAGES = [
    make(bytes([n]) * 50_000, b"shared" * 10_000, names=[MOVING, f"localhost/image-{n}:1"])
    for n in range(4)
]
# Both have the same config and therefore the same ID, but different layers; only the layers of
# PROVEN match the config's diff IDs.
SHARED_NAME = "localhost/shared:1"
CLAIMED = make(
    b"enemy",
    names=["evil.example.com/x:1", SHARED_NAME],
    diff_ids=[layer(b"trusted")[1]],
)
PROVEN = make(b"trusted", names=["docker.io/library/trusted:1", SHARED_NAME])
LARGE = make(*(bytes([n]) * 300_000 for n in range(8)))


def loop(root: str) -> None:
    store = open_store(root)
    for number in itertools.count():
        made = IMAGES[number % len(IMAGES)]
        if number % 3 == 2:
            print("remove", flush=True)
            for image in store.images()[:1]:
                store.remove(image.id)
        if number % 5 == 4:
            print("gc", flush=True)
            store.gc()
        with store.begin(made.plan) as ingest:
            for missing in ingest.missing():
                sink = ingest.sink(missing)
                if sink is None:  # killed after the rename of the blob and before its stamp
                    continue
                with sink:
                    data = made.blobs[missing.descriptor.digest_text]
                    for offset in range(sink.writer.offset, len(data), 64):
                        print("write", flush=True)
                        sink.writer.write(data[offset : offset + 64])
                    print("commit", flush=True)
                    sink.commit()
            print("publish", flush=True)
            ingest.publish()


def fetch(root: str) -> None:
    store = open_store(root)
    sys.stdin.readline()
    with store.begin(LARGE.plan) as ingest:
        for missing in ingest.missing():
            sink = ingest.sink(missing)
            if sink is not None:
                with sink:
                    sink.writer.write(LARGE.blobs[missing.descriptor.digest_text])
                    print(sink.commit().digest, flush=True)
        ingest.publish()


def kill_at_change(number: int) -> None:
    """Make the process kill itself instead of its Nth rename or removal."""
    calls = itertools.count(1)

    def wrapped(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            if next(calls) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments)

        return counted

    os.replace, os.unlink = wrapped(os.replace), wrapped(os.unlink)


def run_and_kill(action: Callable[[], object], number: int) -> None:
    kill_at_change(number)
    action()


def one_change(mode: str, root: str) -> Callable[[], object]:
    store = open_store(root)
    made: Made = PROVEN if mode == "evict" else IMAGES[1]
    if mode != "remove":
        return lambda: put(store, made)
    return lambda: store.remove(IMAGES[0].plan.id)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["loop", root]:
            loop(root)
        case ["fetch", root]:
            fetch(root)
        case [("pull" | "evict" | "remove") as mode, root, number]:
            run_and_kill(one_change(mode, root), int(number))
        case arguments:
            raise SystemExit(f"unknown: {arguments}")
