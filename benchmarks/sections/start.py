"""The start of a process: how long Python, the imports and the smallest commands take."""

from __future__ import annotations

import compileall
from pathlib import Path

import towline
from benchmarks.peers.processes import processes
from benchmarks.sections.bench import Bench
from benchmarks.workloads.images import sized_image

__all__ = ["start"]

_ROUNDS = 25
_TINY = 1000  # bytes of the layer


def start(bench: Bench) -> None:
    """Measure whole processes in turn; the first round, which is not counted, fills the store."""
    # Otherwise an edited module would be compiled in every run.
    compileall.compile_dir(Path(towline.__file__).parent, quiet=1)
    image = sized_image(bench.cache, 1, _TINY)
    bench.registry.offer(image)
    stored = bench.workspace.folder / "stored"
    measured = processes(bench.registry.host, image, bench.workspace, stored)
    bench.row("start", "start", "whole processes", measured, rounds=_ROUNDS)
