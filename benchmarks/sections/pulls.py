"""Pulls from a registry on loopback: warm, cold, flushed, and through a shaped link."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from benchmarks.measuring.machine import find
from benchmarks.measuring.workspace import can_drop_caches, drop_caches
from benchmarks.peers.pulls import contenders
from benchmarks.sections.bench import Bench
from benchmarks.serving.link import Link, shaped
from benchmarks.workloads.images import (
    MIB,
    Image,
    first_layers,
    sized_image,
    small_files_image,
    usr_image,
)

__all__ = ["cold", "every_pulled", "flushed", "links", "unpacking", "usr", "warm"]

_EVERY = ("towline", "skopeo to oci:", "crane to oci", "curl")
_LINKS = (
    (Link("20 ms, 1 Gbit/s", 0.020, 125e6, 125e6), 40, 10),
    (Link("80 ms, 20 MB/s a connection", 0.080, 20e6, 125e6), 1, 64),
)


def usr(bench: Bench) -> Image:
    """The image of the machine's files."""
    return usr_image(bench.cache, bench.scaled(950 * MIB), 12)


def every_pulled(bench: Bench) -> Iterator[Image]:
    """The images of the main rows."""
    yield usr(bench)
    yield sized_image(bench.cache, 1, bench.scaled(1024 * MIB))
    yield sized_image(bench.cache, 40, bench.scaled(10 * MIB))
    yield small_files_image(bench.cache, bench.scaled(100_000))


def warm(bench: Bench) -> None:
    """Measure the main rows, with a warm page cache."""
    real = ("towline", "towline --verify-diff-ids", *_EVERY[1:])
    files, one, many, small = every_pulled(bench)
    _pull(bench, "usr", _real(files), files, real)
    _pull(bench, "one-layer", "one layer", one, _EVERY)
    _pull(bench, "forty-layers", "40 layers", many, _EVERY)
    _pull(bench, "small-files", f"{bench.scaled(100_000):,} small files in a layer", small, real)


def unpacking(bench: Bench) -> None:
    """Measure podman, which unpacks layers, with a smaller image."""
    names = ("towline", "towline --verify-diff-ids", "podman")
    if find("podman") is None:
        return
    image = first_layers(bench.cache, usr(bench), 3)
    _pull(bench, "podman", f"{_real(image)}, with podman", image, names, bench.few)


def cold(bench: Bench) -> None:
    """Measure pulls with an empty page cache."""
    if not can_drop_caches():
        bench.omit("cold page cache (only root can empty it)")
        return

    def before() -> None:
        bench.workspace.clean()
        drop_caches()

    image = usr(bench)
    bench.registry.offer(image)
    names = ("towline", "skopeo to oci:", "curl")
    peers = contenders(names, bench.registry.host, image, bench.workspace)
    bench.row(
        "cold",
        "cold",
        f"{_real(image)}, cold: {_summary(image)}",
        peers,
        size=image.size,
        rounds=bench.few,
        before=before,
        counter=bench.registry,
        rehearse=False,
    )


def flushed(bench: Bench) -> None:
    """Measure pulls that flush every blob to the disk."""
    image = usr(bench)
    bench.registry.offer(image)
    names = ("towline, durability=power", "skopeo to oci:")
    peers = contenders(names, bench.registry.host, image, bench.workspace)
    bench.row(
        "flushed",
        "flushed",
        f"{_real(image)}, flushed: {_summary(image)}",
        [replace(peer, flushes=True) for peer in peers],
        size=image.size,
        rounds=bench.few,
        counter=bench.registry,
        rehearse=False,
    )


def links(bench: Bench) -> None:
    """Measure pulls through links with latency and limited bandwidth."""
    for number, (link, layers, each) in enumerate(_LINKS):
        image = sized_image(bench.cache, layers, bench.scaled(each * MIB))
        bench.registry.offer(image)
        names = ("towline", "skopeo to oci:", "curl, 6 at once")
        with shaped(link, bench.registry.host) as host:
            bench.row(
                f"link-{number + 1}",
                "links",
                f"{link.name}, {_layers(image)}: {_summary(image)}",
                contenders(names, host, image, bench.workspace),
                size=image.size,
                rounds=bench.few,
                counter=bench.registry,
                rehearse=False,
            )


def _pull(
    bench: Bench, key: str, title: str, image: Image, names: Sequence[str], rounds: int = 0
) -> None:
    bench.registry.offer(image)
    bench.row(
        key,
        "registry",
        f"{title}: {_summary(image)}",
        contenders(names, bench.registry.host, image, bench.workspace),
        size=image.size,
        rounds=rounds,
        counter=bench.registry,
    )


def _summary(image: Image) -> str:
    return f"{image.size / 1e6:,.0f} MB"


def _real(image: Image) -> str:
    return f"real files in {_layers(image)}"


def _layers(image: Image) -> str:
    count = len(image.layers)
    return f"{count} layer{'s' * (count > 1)}"
