"""Benchmarks of the core, native and twin: digest, tar walk, inflate, layer pass, writer."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.parts.conftest import Measure
from towline.core import _native, twin

CORES = {"native": _native, "twin": twin}
FILES = 4_000
every_core = pytest.mark.parametrize("core", CORES)


@every_core
def test_digest(measure: Measure, core: str, tar: Path) -> None:
    """SHA-256 of a file."""
    size = tar.stat().st_size
    work = CORES[core].hash_file
    assert measure("digest of a file", lambda: work(str(tar)), core, size)[1] == size


@every_core
def test_tar_walk(measure: Measure, core: str, tar: Path) -> None:
    """The index of the members of an uncompressed tar."""
    size = tar.stat().st_size

    def walk() -> int:
        return len(CORES[core].Archive(str(tar)).index()[0])

    assert measure("walk of a tar in place", walk, core, size) == FILES


@every_core
def test_inflate(measure: Measure, core: str, tar: Path, gzipped: Path) -> None:
    """The index of a compressed tar: mostly inflate."""

    def walk() -> int:
        return len(CORES[core].Archive(str(gzipped)).index()[0])

    assert measure("inflate and tar walk, gzip", walk, core, tar.stat().st_size) == FILES


@every_core
@pytest.mark.parametrize("form", ["no compression", "gzip", "zstd"])
def test_layer_pass(
    measure: Measure, core: str, form: str, tar: Path, gzipped: Path, zstandard_layer: Path
) -> None:
    """Both digests, decompression, tar walk; the target is native twice as fast as the twin."""
    path = {"no compression": tar, "gzip": gzipped, "zstd": zstandard_layer}[form]
    work = CORES[core].layer_pass
    size = tar.stat().st_size
    assert measure(f"layer pass, {form}", lambda: work(str(path)), core, size).entries == FILES


@every_core
def test_writer(measure: Measure, core: str, tmp_path: Path) -> None:
    """Write and hash 64 MiB in pieces of 256 KiB."""
    piece, count = bytes(256 << 10), 256

    def write() -> int:
        writer = CORES[core].BlobWriter(str(tmp_path / "blob"))
        for _ in range(count):
            writer.write(piece)
        return int(writer.finish()[1])

    size = count * len(piece)
    assert measure("blob writer", write, core, size) == size


@every_core
def test_two_writers(measure: Measure, core: str, tmp_path: Path) -> None:
    """Write two blobs alternately, as for two layers: one core hashes both in two lanes."""
    piece, count = bytes(256 << 10), 128

    def write() -> int:
        writers = [CORES[core].BlobWriter(str(tmp_path / name)) for name in ("a", "b")]
        for _ in range(count):
            for writer in writers:
                writer.write(piece)
        return sum(writer.finish()[1] for writer in writers)

    size = 2 * count * len(piece)
    assert measure("blob writer, two at once", write, core, size) == size
