"""Pulls from archives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.measuring.machine import find
from benchmarks.peers.loads import contenders
from benchmarks.sections.bench import Bench
from benchmarks.sections.pulls import usr
from benchmarks.workloads.archives import archive, compressed
from benchmarks.workloads.images import MIB, first_layers, sized_image

__all__ = ["archives", "every_archive"]


def archives(bench: Bench) -> None:
    """Measure a docker-archive, an oci-archive and a compressed docker-archive."""
    if not find("skopeo"):
        bench.omit("archives (skopeo is needed to create them)")
        return
    docker, layout, packed = every_archive(bench)
    _load(bench, "docker-archive", "docker-archive", docker, bench.pairs)
    _load(bench, "oci-archive", "oci-archive", layout, bench.pairs)
    _load(bench, "compressed-archive", "docker-archive", packed, bench.few)


def every_archive(bench: Bench) -> Iterator[Path]:
    """A docker-archive of real files, an oci-archive of 40 layers, the first one compressed."""
    image = first_layers(bench.cache, usr(bench), 3)
    docker = archive(image, "docker-archive", bench.workspace.policy)
    yield docker
    layered = sized_image(bench.cache, 40, bench.scaled(10 * MIB))
    yield archive(layered, "oci-archive", bench.workspace.policy)
    yield compressed(docker)


def _load(bench: Bench, key: str, kind: str, path: Path, rounds: int) -> None:
    size = path.stat().st_size
    packed = ", compressed" if path.suffix == ".gz" else ""
    peers = contenders(kind, path, bench.workspace)
    title = f"{kind}{packed}: {size / 1e6:,.0f} MB"
    bench.row(key, "archives", title, peers, size=size, rounds=rounds)
