"""What the parts are measured on, and how their CPU time is told."""

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

_CPU_SECONDS = 0.5  # for which CPU time is looked at


class Measure(Protocol):
    """The type of the fixture `measure`."""

    def __call__(self, part: str, work: Callable[[], Any], core: str = "", size: int = 0) -> Any:
        """Measure a call of `work`, and give what it gave.

        Args:
            part: its name on the page.
            work: one call of it.
            core: ``native`` or ``twin``, where there are both.
            size: bytes that one call goes through.
        """


@pytest.fixture
def measure(benchmark: Any) -> Measure:
    """Measures wall time by pytest-benchmark, and CPU time of all threads beside it."""

    def measured(part: str, work: Callable[[], Any], core: str = "", size: int = 0) -> Any:
        given = benchmark(work)
        spent: list[float] = []
        while sum(spent) < _CPU_SECONDS:
            begun = time.process_time()
            work()
            spent.append(time.process_time() - begun)
        benchmark.extra_info.update(part=part, core=core, size=size, cpu=median(spent))
        return given

    return measured


@pytest.fixture(scope="session")
def tar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some 60 MB in 4,000 files, as compressible as real layers are."""
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
    """The same tar through gzip, level 6."""
    path = tar.with_suffix(".tar.gz")
    path.write_bytes(gzip.compress(tar.read_bytes(), 6))
    return path


@pytest.fixture(scope="session")
def zstandard_layer(tar: Path) -> Path:
    """The same tar through zstd, level 3."""
    path = tar.with_suffix(".tar.zst")
    path.write_bytes(zstandard.ZstdCompressor(3).compress(tar.read_bytes()))
    return path
