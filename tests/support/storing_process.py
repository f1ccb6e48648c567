"""A process that stores images and is killed: `python -m tests.support.storing_process`.

Modes: `loop` stores images for ever and prints a line before each step; `fetch` waits for a line,
stores one image and prints each blob that it fetched; `pull`, `evict` and `remove` change the store
once and kill themselves at the Nth change of a folder.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from tests.support.store_images import Made, layer, make, put
from towline.store.layout import open_store

MOVING = "localhost/moving:latest"
IMAGES = [
    make(bytes([n]) * 50_000, b"shared" * 10_000, names=[MOVING, f"localhost/image-{n}:1"])
    for n in range(4)
]
# Of one config, with layers of its own each: the first has an ID that is the second one's.
CLAIMED = make(b"enemy", names=["evil.example.com/x:1"], diff_ids=[layer(b"trusted")[1]])
PROVEN = make(b"trusted", names=["docker.io/library/trusted:1"])
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
                assert sink is not None
                with sink:
                    data = made.blobs[missing.descriptor.digest_text]
                    for at in range(sink.offset, len(data), 64):
                        print("write", flush=True)
                        sink.writer.write(data[at : at + 64])
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


def mortal(deaths: int) -> None:
    """From now on the process kills itself instead of its Nth rename or removal."""
    left = itertools.count(1)

    def wrapped(call: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*arguments: Any) -> Any:
            if next(left) == deaths:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments)

        return instead

    os.replace, os.unlink = wrapped(os.replace), wrapped(os.unlink)


def change(what: Callable[[], object], deaths: int) -> None:
    mortal(deaths)
    what()


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
            change(one_change(mode, root), int(number))
        case words:
            raise SystemExit(f"unknown: {words}")
