"""Both cores end a stopped operation early."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.archives import tar
from tests.support.twin_actions import CORES, Core
from towline.core.failure import CoreError

pytestmark = [pytest.mark.clause("CORE-010"), pytest.mark.parametrize("core", CORES)]

ENDLESS = 4 << 40  # bytes of a sparse file


@pytest.fixture
def endless(tmp_path: Path) -> str:
    """A tar with one file that is too large to be read in a test."""
    path = tmp_path / "endless"
    header = bytearray(tar([("a", b"")])[:512])
    header[124:136] = b"\x80" + ENDLESS.to_bytes(11, "big")  # a size in base 256
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    path.write_bytes(header)
    os.truncate(path, ENDLESS)
    return str(path)


@contextmanager
def stopped(core: Core) -> Iterator[Any]:
    """A stop that is set after 0.1 s; the operation in the context must end with it."""
    stop = core.Stop()
    timer = threading.Timer(0.1, stop.set)
    timer.start()
    with pytest.raises(CoreError) as caught:
        yield stop
    timer.join()
    assert caught.value.code == "cancelled"


@pytest.mark.parametrize(
    "read",
    [
        lambda core, path, stop: core.hash_file(path, stop=stop),
        lambda core, path, stop: core.layer_pass(path, stop=stop),
    ],
    ids=["hash_file", "layer_pass"],
)
def test_reading_a_file_is_stopped(
    core: Core, endless: str, read: Callable[[Core, str, Any], object]
) -> None:
    """A call that reads a file ends."""
    with stopped(core) as stop:
        read(core, endless, stop)


def test_measuring_a_member_is_stopped(core: Core, endless: str) -> None:
    """A call of an archive with the stop ends."""
    with stopped(core) as stop:
        archive = core.Archive(endless, stop=stop)
        archive.measure(512, ENDLESS - 512)


def test_following_is_stopped(core: Core, tmp_path: Path) -> None:
    """`follow` ends although it waits for bytes that are never written."""
    with stopped(core) as stop:
        writer = core.BlobWriter(str(tmp_path / "blob"), stop=stop)
        writer.follow(1000)


@pytest.mark.parametrize(
    "call",
    [
        lambda core, path: core.hash_file(path),
        lambda core, path: core.layer_pass(path),
        lambda core, path: core.Archive(path).measure(512, ENDLESS - 512),
    ],
    ids=["hash_file", "layer_pass", "archive"],
)
def test_an_interrupt_in_the_main_thread_ends_a_call(
    core: Core, endless: str, call: Callable[[Core, str], object]
) -> None:
    """Ctrl-C ends a long call."""
    main = threading.main_thread().ident or 0
    timer = threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        call(core, endless)
    timer.join()


def test_a_stopped_writer_leaves_a_prefix(core: Core, tmp_path: Path) -> None:
    """All further operations of the writer raise `cancelled`."""
    stop = core.Stop()
    writer = core.BlobWriter(str(tmp_path / "blob"), stop=stop)
    writer.write(b"begun")
    stop.set()
    with open(__file__, "rb") as source:
        for act in (
            lambda: writer.write(b"more"),
            lambda: writer.copy_range(source.fileno(), 0, 10),
            lambda: writer.follow(5),
            writer.finish,
        ):
            with pytest.raises(CoreError) as caught:
                act()
            assert caught.value.code == "cancelled"
    writer.abort()
    assert (tmp_path / "blob").read_bytes() == b"begun"


def test_a_stop_that_is_not_set_has_no_effect(core: Core, tmp_path: Path) -> None:
    """The results with and without the stop are equal."""
    path = tmp_path / "layer"
    path.write_bytes(tar([("a", b"b")]))
    assert core.layer_pass(str(path), stop=core.Stop()) == core.layer_pass(str(path))
    assert core.hash_file(str(path), stop=core.Stop()) == core.hash_file(str(path))
