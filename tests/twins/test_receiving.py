"""Both writers take the same bytes from a socket, and judge the same of a layer that is written."""

from __future__ import annotations

import hashlib
import io
import socket
import tarfile
import threading
import zlib
from pathlib import Path
from typing import Any

import pytest

from tests.support.twin_actions import CORES, Core, judged

every_core = pytest.mark.parametrize("core", CORES)


def layer(size: int, *, packed: bool) -> tuple[bytes, str]:
    """A layer with one file, and its diff ID."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as tar:
        entry = tarfile.TarInfo("file")
        entry.size = size
        tar.addfile(entry, io.BytesIO(hashlib.shake_128(b"layer").digest(size)))
    data = output.getvalue()
    diff_id = f"sha256:{hashlib.sha256(data).hexdigest()}"
    if not packed:
        return data, diff_id
    gzip = zlib.compressobj(wbits=31)
    return gzip.compress(data) + gzip.flush(), diff_id


@every_core
@pytest.mark.parametrize("size", [0, 1, 262_144, 1_000_001])
def test_receiving_up_to_a_number_of_bytes(tmp_path: Path, core: Core, size: int) -> None:
    """Not a byte more than asked for is taken; the end of the other side ends it."""
    data = hashlib.shake_128(b"sent").digest(size + 100)
    here, there = socket.socketpair()
    with here, there:

        def send() -> None:
            there.sendall(data)
            there.close()

        sender = threading.Thread(target=send)
        sender.start()
        writer = core.BlobWriter(str(tmp_path / "blob"))
        assert writer.receive(here.fileno(), size, 60.0)[0] == size
        assert writer.offset == size
        assert writer.receive(here.fileno(), 1 << 20, 60.0)[0] == 100
        sender.join()
    assert writer.finish() == (f"sha256:{hashlib.sha256(data).hexdigest()}", len(data))
    assert (tmp_path / "blob").read_bytes() == data


@every_core
def test_patience_is_bounded(tmp_path: Path, core: Core) -> None:
    """Where nothing comes, it ends when it has waited long enough, and keeps what came."""
    here, there = socket.socketpair()
    with here, there:
        there.sendall(b"some")
        writer = core.BlobWriter(str(tmp_path / "blob"))
        count, waited = writer.receive(here.fileno(), 100, 0.05)
        assert (count, writer.offset) == (4, 4)
        assert waited >= 0.05
        assert writer.receive(here.fileno(), 100, 0.0)[0] == 0
    writer.abort()


@every_core
def test_sockets_that_are_none(tmp_path: Path, core: Core) -> None:
    """What is no socket, or no number, is refused, and the writer goes on."""
    writer = core.BlobWriter(str(tmp_path / "blob"))
    with (tmp_path / "file").open("wb") as file, pytest.raises(OSError, match="socket"):
        writer.receive(file.fileno(), 1, 1.0)
    for timeouts in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"."):
            writer.receive(0, 1, timeouts)
    writer.write(b"more")
    assert writer.finish()[1] == 4


def followed(core: Core, path: Path, data: bytes, size: int) -> Any:
    """What `follow` says of a layer that is written meanwhile."""
    writer = core.BlobWriter(str(path))
    told: list[Any] = []
    reader = threading.Thread(target=lambda: told.append(judged(lambda: writer.follow(size))))
    reader.start()
    for at in range(0, len(data), 100_000):
        writer.write(data[at : at + 100_000])
    writer.end_following()
    reader.join()
    writer.finish()
    return told[0]


@every_core
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("size", [0, 5_000, 1_000_000])
def test_following_a_layer(tmp_path: Path, core: Core, size: int, packed: bool) -> None:
    """The diff ID is known with the last byte; damage is judged as a layer pass judges it."""
    data, diff_id = layer(size, packed=packed)
    path = tmp_path / "blob"
    assert followed(core, path, data, len(data)) == diff_id
    assert core.layer_pass(str(path)).diff_id == diff_id
    damaged = data[: len(data) // 2] + b"\xff" * (len(data) - len(data) // 2)
    told = followed(core, path, damaged, len(damaged))
    found = judged(lambda: core.layer_pass(str(path)).diff_id)
    assert told == found


@every_core
def test_following_what_ends_early(tmp_path: Path, core: Core) -> None:
    """Who waits for bytes that do not come is told, and the writer is as good as before."""
    data, _ = layer(5_000, packed=False)
    assert followed(core, tmp_path / "blob", data, len(data) + 1)[1] == "cancelled"
