"""How costs grow: with size, with layers, with files, with images that are in the store."""

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
    """One layer that grows."""
    names = ("towline", "skopeo to oci:", "curl")
    images = _by_size(bench)
    _pulls(bench, "size", "pull of one layer, by its size", "MB", images, names, _megabytes)


def layers(bench: Bench) -> None:
    """The same bytes in more and more layers."""
    names = ("towline", "skopeo to oci:", "curl")
    images = _by_layers(bench)
    title = f"pull of {bench.scaled(_SPLIT)} MiB, by the number of layers"
    _pulls(bench, "layers", title, "layers", images, names, lambda image: len(image.layers))


def files(bench: Bench) -> None:
    """One layer with more and more files, looked into."""
    names = ("towline --verify-diff-ids", "towline", "skopeo to oci:")
    images = _by_files(bench)
    places = {image.name: bench.scaled(count) for count, image in zip(_FILES, images, strict=True)}
    title = "pull of one layer, by the number of its files"
    _pulls(bench, "files", title, "files", images, names, lambda image: places[image.name])


def stores(bench: Bench) -> None:
    """A tiny image into a store that has more and more images; by command line for the peer."""
    source = tiny_layout(bench.workspace.folder / "tiny")
    points = []
    for count in _STORES:
        held = bench.scaled(count)
        ours, theirs = bench.workspace.folder / "held", bench.workspace.folder / "layout"
        samples: Samples = {"towline, in process": _publishing(fill_store(ours, held), held)}
        if find("skopeo"):
            fill_layout(theirs, held)
            copy = ["skopeo", "--policy", str(bench.workspace.policy), "copy", "--quiet", source]
            # We cannot hold back what this process flushes, so the peer's is not held back either.
            peer = Contender("skopeo to oci:", [*copy, f"oci:{theirs}:new"], flushes=True)
            samples |= bench.turns([peer], bench.few, lambda: None, rehearse=False).samples
        points.append(Point(held, samples))
        remove(ours)
        remove(theirs)
    title = "a tiny image into a store, by the images in it, flushed to the disk"
    _keep(bench, Curve("store", title, "images", points))


def _publishing(store: LayoutStore, held: int) -> list[Sample]:
    samples = []
    for number in range(held, held + _PUBLISHED):
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
    place: Callable[[Image], float],
) -> None:
    points = []
    for image in images:
        bench.registry.offer(image)
        peers = contenders(names, bench.registry.host, image, bench.workspace)
        runs = bench.turns(peers, bench.few, counter=bench.registry, rehearse=False)
        points.append(Point(place(image), runs.samples))
    _keep(bench, Curve(key, title, unit, points))


def _keep(bench: Bench, curve: Curve) -> None:
    bench.document.curves.append(curve)
    for point in curve.points:
        walls = {name: middle(runs, lambda run: run.wall) for name, runs in point.samples.items()}
        told = ", ".join(f"{name} {wall:.2f} s" for name, wall in walls.items())
        bench.say(f"{curve.title}: {point.x:,.0f} {curve.unit}: {told}")


def _megabytes(image: Image) -> float:
    return round(image.size / 1e6)
