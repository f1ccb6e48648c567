"""A full disk: rm of an image and gc still free its space."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.store_images import make, put, state
from towline.errors import PathError
from towline.store.layout.store import LayoutStore, open_store

OLD, KEPT = "localhost/old:1", "localhost/kept:1"


@contextmanager
def full_disk(writes: int) -> Iterator[None]:
    """A disk on which this many more writes succeed; all later ones fail, new files too."""
    left = writes
    real: dict[str, Callable[..., Any]] = {
        name: vars(os)[name] for name in ("write", "open", "mkdir", "link", "symlink")
    }

    def limited(name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            present = name in ("open", "mkdir") and os.path.lexists(args[0])
            creates = not present and (name != "open" or args[1] & os.O_CREAT)
            if creates:
                if left <= 0:
                    raise OSError(errno.ENOSPC, "full")
                left -= 1
            return real[name](*args, **kwargs)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in real:
            patch.setattr(os, name, limited(name))
        yield


def full_store(root: Path) -> LayoutStore:
    """A store with two images that share a layer, a partial blob, and a file of a killed task."""
    store = open_store(root)
    put(store, make(b"old", b"shared", names=[OLD, "localhost/old:2"]))
    put(store, make(b"kept", b"shared", names=[KEPT]))
    aborted = make(b"aborted" * 1000)
    with store.begin(aborted.plan) as ingest:
        sink = ingest.sink(aborted.plan.layers[0])
        assert sink is not None
        with sink:
            sink.writer.write(b"begun")
    Path(store.root, "towline/tmp/left").write_bytes(b"left")
    return store


EACH_COUNT = pytest.mark.parametrize("writes", [*range(12), 1000])
MARKED = pytest.mark.parametrize("marked", [False, True], ids=["clean", "unfinished"])


@pytest.mark.clause("STORE-016", "STORE-017")
@EACH_COUNT
@MARKED
def test_an_image_is_removed_and_its_space_freed(tmp_path: Path, writes: int, marked: bool) -> None:
    """However many writes still succeed; with space again, everything is consistent."""
    store = full_store(tmp_path / "store")
    image = store.image(OLD)
    if marked:
        Path(store.root, "towline/unfinished").touch()
    with full_disk(writes):
        store = open_store(store.root)
        removed = store.remove(image.id)
        assert (removed.id, removed.image) == (image.id, True)
        assert [each.names for each in store.images()] == [(KEPT,)]
        collected = store.gc()
    assert (collected.blobs, collected.partials) == (3, 1)
    assert os.listdir(f"{store.root}/towline/tmp") == []
    store = open_store(store.root)
    assert [each.names for each in store.images()] == [(KEPT,)]
    assert store.verify().clean
    put(store, make(b"new"))
    assert store.verify().clean


@pytest.mark.clause("STORE-016")
@EACH_COUNT
def test_a_name_is_removed_or_nothing_is_changed(tmp_path: Path, writes: int) -> None:
    """A record has to be written for the other names, so that this needs space."""
    store = full_store(tmp_path / "store")
    before = state(store)
    failure = None
    with full_disk(writes):
        try:
            store.remove(OLD)
        except PathError as error:
            failure = error.facts["errno"]
    assert failure is None or writes < 12
    if failure is None:
        assert store.image("localhost/old:2").names == ("localhost/old:2",)
    else:
        assert failure == errno.ENOSPC
        assert state(store) == before
    assert open_store(store.root).verify().clean


@pytest.mark.clause("STORE-017")
@EACH_COUNT
@MARKED
def test_gc_alone_on_a_full_disk(tmp_path: Path, writes: int, marked: bool) -> None:
    """It removes what no image reaches, and no image."""
    store = full_store(tmp_path / "store")
    store.remove(store.image(OLD).id)
    before = state(store)
    if marked:
        Path(store.root, "towline/unfinished").touch()
    with full_disk(writes):
        collected = store.gc()
    assert (collected.blobs, collected.partials) == (3, 1)
    assert state(store) == before
    assert open_store(store.root).verify().clean
