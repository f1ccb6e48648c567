"""After a process is killed, the store is consistent, and the next pull succeeds."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import towline.store.layout
from tests.support.store_images import put, state
from tests.support.storing_process import CLAIMED, IMAGES, LARGE, MOVING, PROVEN, SHARED_NAME
from towline.store.layout.locks import acquire
from towline.store.layout.store import open_store

KILLS = 20


def start(*arguments: str) -> subprocess.Popen[bytes]:
    """Start a process that stores images, with the same import path as this one."""
    package = Path(towline.store.layout.__file__).parents[3]
    paths = [str(package), os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.storing_process", *arguments],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


@pytest.mark.clause("STORE-008", "STORE-014")
def test_a_store_survives_kills_at_random_moments(tmp_path: Path) -> None:
    """After each kill the store opens, lists and verifies, and the next pull succeeds."""
    root = str(tmp_path / "store")
    moments = random.Random(os.urandom(8).hex())
    for kill in range(KILLS):
        with start("loop", root) as process:
            assert process.stdout is not None
            for _ in range(moments.randrange(1, 60)):
                assert process.stdout.readline()
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
        store = open_store(root)
        names = [name for image in store.images() for name in image.names]
        assert len(names) == len(set(names))
        report = store.verify()
        assert report.clean, report.faults
        made = IMAGES[kill % len(IMAGES)]
        assert put(store, made).names[0] == MOVING
        assert store.image(MOVING).id == made.plan.id
        assert store.verify().clean


@pytest.mark.clause("STORE-008")
@pytest.mark.parametrize("mode", ["pull", "remove"])
def test_every_change_is_all_or_nothing(tmp_path: Path, mode: str) -> None:
    """If it is killed before any of its renames and removals, a change is done wholly or not."""
    before = tmp_path / "before"
    store = open_store(before)
    put(store, IMAGES[0])
    put(store, IMAGES[2].named("localhost/other:1"))
    old, seen = state(store), set()
    for deaths in itertools.count(1):
        root = tmp_path / str(deaths)
        shutil.copytree(before, root)
        with start(mode, str(root), str(deaths)) as process:
            done = process.wait() == 0
        with acquire(f"{root}/towline/locks/index"):  # so that nothing is repaired yet
            names = state(open_store(root))
            seen.add(tuple(sorted(names.items())))
        now = open_store(root)
        assert state(now) == names
        assert now.verify().clean
        holders = {name: key for key, held in names.items() for name in held}
        for name, holder in holders.items():
            assert now.image(name).id == holder
        put(now, IMAGES[1])
        assert now.image(MOVING).id == IMAGES[1].plan.id
        assert now.verify().clean
        now.gc()
        assert now.verify().clean
        shutil.rmtree(root)
        if done:
            break
    new = dict(old)
    if mode == "pull":
        new[IMAGES[0].plan.id] = ("localhost/image-0:1",)
        new[IMAGES[1].plan.id] = (MOVING, "localhost/image-1:1")
    else:
        del new[IMAGES[0].plan.id]
    assert seen == {tuple(sorted(old.items())), tuple(sorted(new.items()))}


@pytest.mark.clause("STORE-008", "STORE-024")
def test_an_image_that_loses_its_id_is_never_lost(tmp_path: Path) -> None:
    """If a process is killed while one image takes the ID of another, both keep their names."""
    before = tmp_path / "before"
    put(open_store(before), CLAIMED)
    (other_name, _), (name, _) = CLAIMED.plan.names, PROVEN.plan.names
    moved = set()
    for deaths in itertools.count(1):
        root = tmp_path / str(deaths)
        shutil.copytree(before, root)
        with start("evict", str(root), str(deaths)) as process:
            done = process.wait() == 0
        store = open_store(root)
        for _ in range(2):  # as it was left, and after a repair
            for key in (other_name, str(CLAIMED.plan.manifest.digest)):
                assert store.image(key).manifest == CLAIMED.plan.manifest
            expected = PROVEN if store.holds(name) else CLAIMED
            assert store.image(SHARED_NAME).manifest == expected.plan.manifest
            if store.holds(name):
                assert store.image(name).manifest == PROVEN.plan.manifest
            moved.add((store.image(other_name).id, store.holds(name)))
            assert {fault.code for fault in store.verify().faults} == {"verify.diff_id"}
            store.recover()
        put(store, PROVEN)
        assert store.image(name).id == PROVEN.plan.id
        assert store.image(other_name).id == CLAIMED.plan.manifest.digest.hex
        store.gc()
        names = sorted(image.names for image in store.images())
        assert names == [(name, SHARED_NAME), (other_name,)]
        shutil.rmtree(root)
        if done:
            break
    own = CLAIMED.plan.manifest.digest.hex
    assert moved == {(PROVEN.plan.id, False), (own, False), (own, True)}


@pytest.mark.clause("STORE-013")
def test_two_processes_fetch_each_blob_once(tmp_path: Path) -> None:
    """The second process waits for a blob and takes it from the store."""
    root = str(tmp_path / "store")
    open_store(root)
    with start("fetch", root) as first, start("fetch", root) as second:
        for process in (first, second):
            assert process.stdin is not None
            process.stdin.write(b"go\n")
            process.stdin.flush()
        fetched = []
        for process in (first, second):
            assert process.stdout is not None
            fetched += process.stdout.read().split()
            assert process.wait() == 0
    assert sorted(fetched) == sorted(digest.encode() for digest in LARGE.blobs)
    store = open_store(root)
    assert store.image("hello").id == LARGE.plan.id
    assert store.verify().clean
