"""Both writers receive the same bytes from a socket, and compute the same diff IDs."""

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

from tests.support.twin_actions import CORES, Core, result_of

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
    """At most the given number of bytes is received; it ends when the peer closes."""
    data = hashlib.shake_128(b"sent").digest(size + 100)
    local, peer = socket.socketpair()
    with local, peer:

        def send() -> None:
            peer.sendall(data)
            peer.close()

        sender = threading.Thread(target=send)
        sender.start()
        writer = core.BlobWriter(str(tmp_path / "blob"))
        assert writer.receive(local.fileno(), size, 60.0)[0] == size
        assert writer.offset == size
        assert writer.receive(local.fileno(), 1 << 20, 60.0)[0] == 100
        sender.join()
    assert writer.finish() == (f"sha256:{hashlib.sha256(data).hexdigest()}", len(data))
    assert (tmp_path / "blob").read_bytes() == data


@every_core
def test_receiving_ends_after_the_timeout(tmp_path: Path, core: Core) -> None:
    """Without further bytes the call ends after the timeout, and keeps the received bytes."""
    local, peer = socket.socketpair()
    with local, peer:
        peer.sendall(b"some")
        writer = core.BlobWriter(str(tmp_path / "blob"))
        count, waited = writer.receive(local.fileno(), 100, 0.05)
        assert (count, writer.offset) == (4, 4)
        assert waited >= 0.05
        assert writer.receive(local.fileno(), 100, 0.0)[0] == 0
    writer.abort()


@every_core
def test_invalid_arguments_of_receive(tmp_path: Path, core: Core) -> None:
    """A file that is not a socket, or an invalid timeout, is refused; the writer is usable."""
    writer = core.BlobWriter(str(tmp_path / "blob"))
    with (tmp_path / "file").open("wb") as file, pytest.raises(OSError, match="socket"):
        writer.receive(file.fileno(), 1, 1.0)
    for timeout in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"."):
            writer.receive(0, 1, timeout)
    writer.write(b"more")
    assert writer.finish()[1] == 4


def diff_id_while_writing(core: Core, path: Path, data: bytes, size: int) -> Any:
    """The result of `follow` for a layer that is written at the same time."""
    writer = core.BlobWriter(str(path))
    results: list[Any] = []
    reader = threading.Thread(target=lambda: results.append(result_of(lambda: writer.follow(size))))
    reader.start()
    for at in range(0, len(data), 100_000):
        writer.write(data[at : at + 100_000])
    writer.end_following()
    reader.join()
    writer.finish()
    return results[0]


@every_core
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("size", [0, 5_000, 1_000_000])
def test_following_a_layer(tmp_path: Path, core: Core, size: int, packed: bool) -> None:
    """The diff ID, or the error of a damaged layer, is that of the layer pass."""
    data, diff_id = layer(size, packed=packed)
    path = tmp_path / "blob"
    assert diff_id_while_writing(core, path, data, len(data)) == diff_id
    assert core.layer_pass(str(path)).diff_id == diff_id
    damaged = data[: len(data) // 2] + b"\xff" * (len(data) - len(data) // 2)
    result = diff_id_while_writing(core, path, damaged, len(damaged))
    expected = result_of(lambda: core.layer_pass(str(path)).diff_id)
    assert result == expected


@every_core
def test_following_a_layer_that_ends_early(tmp_path: Path, core: Core) -> None:
    """`follow` raises `cancelled` if the writing ends early, and the writer is usable."""
    data, _ = layer(5_000, packed=False)
    assert diff_id_while_writing(core, tmp_path / "blob", data, len(data) + 1)[1] == "cancelled"


@every_core
@pytest.mark.parametrize("end", ["abort", "finish"])
def test_following_a_layer_of_a_closed_writer(tmp_path: Path, core: Core, end: str) -> None:
    """An aborted writer ends `follow`, also if all bytes are there; it cannot begin on either."""
    data, _ = layer(5_000, packed=False)
    writer = core.BlobWriter(str(tmp_path / "blob"))
    writer.write(data)
    started, results = threading.Event(), []

    def read() -> None:
        started.set()
        results.append(result_of(lambda: writer.follow(len(data) + 1)))

    reader = threading.Thread(target=read)
    reader.start()
    started.wait()
    getattr(writer, end)()
    writer.end_following()
    reader.join()
    assert results[0][1] == "cancelled"
    if end == "abort":
        assert result_of(lambda: writer.follow(len(data)))[1] == "cancelled"
