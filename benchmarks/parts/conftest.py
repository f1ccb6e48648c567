"""Input files for the benchmarks of parts, and the measurement of CPU time."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import pytest
import zstandard

from benchmarks.workloads.content import pieces

_CPU_SECONDS = 0.5  # of CPU time, for which calls are repeated


class Measure(Protocol):
    """The type of the fixture `measure`."""

    def __call__(self, part: str, work: Callable[[], Any], core: str = "", size: int = 0) -> Any:
        """Measure calls of `work`, and return its result.

        Args:
            part: the name of the part on the page.
            work: one call of the part.
            core: ``native`` or ``twin``, if both exist.
            size: bytes that one call processes.
        """


@pytest.fixture
def measure(benchmark: Any) -> Measure:
    """Measure wall time by pytest-benchmark, and additionally the CPU time of all threads."""

    def measured(part: str, work: Callable[[], Any], core: str = "", size: int = 0) -> Any:
        result = benchmark(work)
        spent: list[float] = []
        while sum(spent) < _CPU_SECONDS:
            begun = time.process_time()
            work()
            spent.append(time.process_time() - begun)
        benchmark.extra_info.update(part=part, core=core, size=size, cpu=median(spent))
        return result

    return measured


@pytest.fixture(scope="session")
def tar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About 60 MB in 4,000 files, as compressible as real layers."""
    path = tmp_path_factory.mktemp("parts") / "layer.tar"
    sources = [piece.plain for piece in pieces()]
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as output:
        for number in range(4_000):
            entry = tarfile.TarInfo(f"usr/lib/part-{number % 40}/file-{number}")
            source = sources[number % len(sources)]
            begin = int(hashlib.sha256(entry.name.encode()).hexdigest(), 16) % 1_000_000
            data = source[begin : begin + 40_000] or source[:40_000]
            data = data[: 500 + begin % 30_000]
            entry.size = len(data)
            output.addfile(entry, io.BytesIO(data))
    return path


@pytest.fixture(scope="session")
def gzipped(tar: Path) -> Path:
    """The tar compressed by gzip, level 6."""
    path = tar.with_suffix(".tar.gz")
    path.write_bytes(gzip.compress(tar.read_bytes(), 6))
    return path


@pytest.fixture(scope="session")
def zstandard_layer(tar: Path) -> Path:
    """The tar compressed by zstd, level 3."""
    path = tar.with_suffix(".tar.zst")
    path.write_bytes(zstandard.ZstdCompressor(3).compress(tar.read_bytes()))
    return path
