"""Running one command once: wall time, CPU time and peak memory of it and its children."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

__all__ = ["Sample", "Spread", "run", "spread"]


@dataclass(frozen=True)
class Sample:
    """One run.

    Attributes:
        wall: seconds from start to end.
        cpu: seconds of user and system time, children included.
        peak: bytes of resident memory of the largest process.
    """

    wall: float
    cpu: float
    peak: int


@dataclass(frozen=True)
class Spread:
    """Median, lowest and highest of several runs."""

    median: float
    low: float
    high: float


def run(command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> Sample:
    """Run a command to its end; RuntimeError with the end of its log where it fails."""
    with log.open("wb") as output:
        begun = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=output, env=env)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        told = log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {told}")
    return Sample(wall, usage.ru_utime + usage.ru_stime, _peak(usage))


def _peak(usage: resource.struct_rusage) -> int:
    return usage.ru_maxrss * 1024


def spread(values: Sequence[float]) -> Spread:
    """The spread of some numbers."""
    return Spread(median(values), min(values), max(values))
