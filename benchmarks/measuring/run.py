"""Run one command and measure its costs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

__all__ = ["CommandError", "Sample", "Spread", "can_ignore_flushes", "middle", "run", "spread"]

_LAUNCH = Path(__file__).with_name("launch.py")


class CommandError(Exception):
    """A command failed; the message contains the end of its output."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One run.

    Attributes:
        wall: seconds from start to end.
        cpu: seconds of user and system time of the process and all its children.
        peak: peak resident memory of the largest of these processes, in bytes.
        written: bytes that they made dirty in the page cache.  The kernel counts these as written
            even if the file is deleted before it reaches the disk.
        requests: the number of requests that the registry answered; None without a registry.
        received: bytes of the response bodies.
    """

    wall: float
    cpu: float
    peak: int
    written: int
    requests: int | None = None
    received: int | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, lowest and highest of several numbers."""

    median: float
    low: float
    high: float


def can_ignore_flushes() -> bool:
    """Whether the kernel can make flushes do nothing, as `launch.py` explains."""
    launch = [sys.executable, "-I", "-S", str(_LAUNCH), "even", os.devnull, "true"]
    return subprocess.run(launch, capture_output=True, check=False).returncode == 0


def run(command: Sequence[str], log: Path, *, flushes: bool = False) -> Sample:
    """Run a command to its end.

    Args:
        command: the program and its arguments.
        log: the file for its output.
        flushes: whether its flushes reach the disk, as `launch.py` explains.

    Raises:
        CommandError: it could not be started, or its exit status is not 0.
    """
    launch = [
        sys.executable,
        "-I",
        "-S",
        str(_LAUNCH),
        "own" if flushes else "even",
        str(log),
        *command,
    ]
    done = subprocess.run(launch, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandError(f"{command[0]} could not be run: {done.stderr.strip()[-500:]}")
    wall, cpu, peak, written, code = done.stdout.split()
    if code != "0":
        output = log.read_text(errors="replace").strip()[-2000:]
        raise CommandError(f"{command[0]} ended with {code}: {output}")
    return Sample(float(wall), float(cpu), int(peak), int(written))


def spread(values: Sequence[float]) -> Spread:
    """The spread of numbers."""
    return Spread(median(values), min(values), max(values))


def middle(runs: Sequence[Sample], value: Callable[[Sample], float]) -> float:
    """The median of a value over the runs."""
    return median(value(run) for run in runs)
