"""Curves: costs by image size, number of layers, number of files, and images in the store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from benchmarks.measuring.machine import find
from benchmarks.measuring.run import Sample, middle
from benchmarks.measuring.turns import Contender
from benchmarks.measuring.workspace import remove
from benchmarks.peers.pulls import contenders
from benchmarks.report.document import Curve, Point, Samples
from benchmarks.sections.bench import Bench
from benchmarks.workloads.images import MIB, Image, sized_image, small_files_image
from benchmarks.workloads.stores import fill_layout, fill_store, publish, tiny_layout
from towline.store.layout.store import LayoutStore

__all__ = ["every_image", "files", "layers", "sizes", "stores"]

_SIZES = (64, 256, 1024, 4096)
_LAYERS = (1, 2, 5, 10, 20, 50, 100)
_FILES = (1_000, 10_000, 100_000)
_STORES = (1, 10, 100, 1_000, 10_000)
_PUBLISHED = 10
_SPLIT = 200  # MiB, over all layers


def every_image(bench: Bench) -> Iterator[Image]:
    """The images of all curves."""
    yield from _by_size(bench)
    yield from _by_layers(bench)
    yield from _by_files(bench)


def sizes(bench: Bench) -> None:
    """Measure pulls of one layer, by its size."""
    names = ("towline", "skopeo to oci:", "curl")
    images = _by_size(bench)
    _pulls(bench, "size", "pull of one layer, by its size", "MB", images, names, _megabytes)


def layers(bench: Bench) -> None:
    """Measure pulls of the same number of bytes, by the number of layers."""
    names = ("towline", "skopeo to oci:", "curl")
    images = _by_layers(bench)
    title = f"pull of {bench.scaled(_SPLIT)} MiB, by the number of layers"
    _pulls(bench, "layers", title, "layers", images, names, lambda image: len(image.layers))


def files(bench: Bench) -> None:
    """Measure pulls of one layer, by the number of its files."""
    names = ("towline --verify-diff-ids", "towline", "skopeo to oci:")
    images = _by_files(bench)
    counts = {image.name: bench.scaled(count) for count, image in zip(_FILES, images, strict=True)}
    title = "pull of one layer, by the number of its files"
    _pulls(bench, "files", title, "files", images, names, lambda image: counts[image.name])


def stores(bench: Bench) -> None:
    """Measure storing a tiny image, by the number of images in the store.

    towline runs in this process, the peer by command line.
    """
    source = tiny_layout(bench.workspace.folder / "tiny")
    points = []
    for count in _STORES:
        images = bench.scaled(count)
        ours, theirs = bench.workspace.folder / "filled", bench.workspace.folder / "layout"
        samples: Samples = {"towline, in process": _publish(fill_store(ours, images), images)}
        if find("skopeo"):
            fill_layout(theirs, images)
            copy = ["skopeo", "--policy", str(bench.workspace.policy), "copy", "--quiet", source]
            # The flushes of this process reach the disk, so those of the peer must too.
            peer = Contender("skopeo to oci:", [*copy, f"oci:{theirs}:new"], flushes=True)
            samples |= bench.turns([peer], bench.few, lambda: None, rehearse=False).samples
        points.append(Point(images, samples))
        remove(ours)
        remove(theirs)
    title = "a tiny image into a store, by the images in it, flushed to the disk"
    _add(bench, Curve("store", title, "images", points))


def _publish(store: LayoutStore, images: int) -> list[Sample]:
    samples = []
    for number in range(images, images + _PUBLISHED):
        wall, cpu = time.perf_counter(), time.process_time()
        publish(store, number)
        samples.append(Sample(time.perf_counter() - wall, time.process_time() - cpu, 0, 0))
    return samples


def _by_size(bench: Bench) -> list[Image]:
    return [sized_image(bench.cache, 1, bench.scaled(size * MIB)) for size in _SIZES]


def _by_layers(bench: Bench) -> list[Image]:
    split = bench.scaled(_SPLIT) * MIB
    return [sized_image(bench.cache, count, split // count) for count in _LAYERS]


def _by_files(bench: Bench) -> list[Image]:
    return [small_files_image(bench.cache, bench.scaled(count)) for count in _FILES]


def _pulls(
    bench: Bench,
    key: str,
    title: str,
    unit: str,
    images: Sequence[Image],
    names: Sequence[str],
    x: Callable[[Image], float],
) -> None:
    points = []
    for image in images:
        bench.registry.offer(image)
        peers = contenders(names, bench.registry.host, image, bench.workspace)
        runs = bench.turns(peers, bench.few, counter=bench.registry, rehearse=False)
        points.append(Point(x(image), runs.samples))
    _add(bench, Curve(key, title, unit, points))


def _add(bench: Bench, curve: Curve) -> None:
    bench.document.curves.append(curve)
    for point in curve.points:
        walls = {name: middle(runs, lambda run: run.wall) for name, runs in point.samples.items()}
        costs = ", ".join(f"{name} {wall:.2f} s" for name, wall in walls.items())
        bench.say(f"{curve.title}: {point.x:,.0f} {curve.unit}: {costs}")


def _megabytes(image: Image) -> float:
    return round(image.size / 1e6)
