"""Create all workloads before the measurements."""

from __future__ import annotations

from itertools import chain

from benchmarks.measuring.machine import find
from benchmarks.sections.archives import every_archive
from benchmarks.sections.bench import Bench
from benchmarks.sections.curves import every_image
from benchmarks.sections.pulls import every_pulled

__all__ = ["make_workloads"]


def make_workloads(bench: Bench) -> None:
    """Create the workloads that are not in the cache."""
    for image in chain(every_pulled(bench), every_image(bench)):
        count = len(image.layers)
        bench.say(f"workload {image.name}: {image.size / 1e6:,.0f} MB, layers: {count}")
    if find("skopeo"):
        for path in every_archive(bench):
            bench.say(f"workload {path.name}: {path.stat().st_size / 1e6:,.0f} MB")
