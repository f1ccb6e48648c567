"""The parts, one by one: ``make bench`` prints them (pytest-benchmark)."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.support.frozen_facts import FrozenFacts
from towline import open_store
from towline.core import _native, twin
from towline.errors import TowlineError
from towline.goal import goal_from_name
from towline.manifest import RawManifest, parse_manifest
from towline.reference import parse_normalized
from towline.rules import Rules
from towline.store.layout.store import LayoutStore
from towline.store.protocol import ImagePlan

CORES = {"native": _native, "twin": twin}
_OCI = "application/vnd.oci.image"
Bench = Callable[..., Any]
every_core = pytest.mark.parametrize("core", CORES)


@pytest.fixture(scope="module")
def tar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """32 MiB in 2,000 files, half of it repeated, as in programs."""
    path = tmp_path_factory.mktemp("parts") / "layer.tar"
    with tarfile.open(path, "w") as output:
        for number in range(2_000):
            entry = tarfile.TarInfo(f"usr/lib/part-{number % 40}/file-{number}")
            data = hashlib.shake_128(str(number).encode()).digest(4_000) * 4
            entry.size = len(data)
            output.addfile(entry, io.BytesIO(data))
    return path


@pytest.fixture(scope="module")
def packed(tar: Path) -> Path:
    path = tar.with_suffix(".tar.gz")
    path.write_bytes(gzip.compress(tar.read_bytes(), 6))
    return path


def test_resolve(benchmark: Bench) -> None:
    """A short name with two search registries; at least 20,000 a second are asked for."""
    facts = FrozenFacts(registries=("docker.io", "quay.io"))
    goal = benchmark(goal_from_name, "ns/busybox:1.36", facts, Rules.CURRENT)
    assert len(goal.pairs) == 2


@pytest.mark.parametrize("text", ["a" * 65_536, "a-" * 32_768, "a/" * 32_768, "-" * 65_536])
def test_names_of_64_kib(benchmark: Bench, text: str) -> None:
    """The worst names; each has 50 ms."""

    def parse() -> None:
        with contextlib.suppress(TowlineError):
            parse_normalized(text)

    benchmark(parse)


@every_core
def test_digest(benchmark: Bench, core: str, tar: Path) -> None:
    """SHA-256 of a file of 32 MiB."""
    assert benchmark(CORES[core].hash_file, str(tar))[1] == tar.stat().st_size


@every_core
def test_tar_walk(benchmark: Bench, core: str, tar: Path) -> None:
    """The index of 2,000 members, in place."""
    assert len(benchmark(lambda: CORES[core].Archive(str(tar)).index())[0]) == 2_000


@every_core
def test_inflate_and_walk(benchmark: Bench, core: str, packed: Path) -> None:
    """The index of the same, compressed by gzip."""
    assert len(benchmark(lambda: CORES[core].Archive(str(packed)).index())[0]) == 2_000


@every_core
@pytest.mark.parametrize("form", ["plain", "gzip"])
def test_layer_pass(benchmark: Bench, core: str, form: str, tar: Path, packed: Path) -> None:
    """Both digests, inflate, tar walk; native is to be twice as fast as its twin."""
    path = packed if form == "gzip" else tar
    assert benchmark(CORES[core].layer_pass, str(path)).entries == 2_000


@every_core
def test_writer(benchmark: Bench, core: str, tmp_path: Path) -> None:
    """64 MiB written and hashed, in pieces of 256 KiB."""
    piece = bytes(256 << 10)

    def write() -> None:
        writer = CORES[core].BlobWriter(str(tmp_path / "blob"))
        for _ in range(256):
            writer.write(piece)
        writer.finish()

    benchmark(write)


def _plan(number: int) -> ImagePlan:
    config = json.dumps({"os": "linux", "number": number}).encode()
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    kind = f"{_OCI}.manifest.v1+json"
    described = {"mediaType": f"{_OCI}.config.v1+json", "digest": digest, "size": len(config)}
    document = {"schemaVersion": 2, "mediaType": kind, "config": described, "layers": []}
    raw = RawManifest(json.dumps(document).encode(), kind)
    parsed = parse_manifest(raw)
    return ImagePlan(parsed.config.digest.hex, raw, config, (), (f"localhost/image:{number}",))


def _publish(store: LayoutStore, number: int) -> None:
    with store.begin(_plan(number)) as ingest:
        ingest.publish()


@pytest.mark.parametrize("held", [10, 1_000])
def test_publish(benchmark: Bench, held: int, tmp_path: Path) -> None:
    """An image without layers into a store that has so many."""
    store = open_store(tmp_path / "store")
    for number in range(held):
        _publish(store, number)
    numbers = count(held)
    benchmark(lambda: _publish(store, next(numbers)))
