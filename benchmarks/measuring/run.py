"""One run of one command: what it cost, and its end where it failed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

__all__ = ["CommandError", "Sample", "Spread", "can_be_even", "middle", "run", "spread"]

_LAUNCH = Path(__file__).with_name("launch.py")


class CommandError(Exception):
    """A command ended with another status than 0; the message has the end of what it wrote."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One run.

    Attributes:
        wall: seconds from start to end.
        cpu: seconds of user and system time of the process and of all its children.
        peak: bytes of resident memory of the largest process among them, at its peak.
        written: bytes that they made dirty in the page cache of a disk: what the kernel counts
            as written, whether or not the file is deleted before it reaches the disk.
        requests: that the registry answered; None where there is none.
        received: bytes of bodies in these answers.
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


def can_be_even() -> bool:
    """Whether the kernel lets flushes be held back, for every command alike."""
    launch = [sys.executable, "-I", "-S", str(_LAUNCH), "even", os.devnull, "true"]
    return subprocess.run(launch, capture_output=True, check=False).returncode == 0


def run(command: Sequence[str], log: Path, *, flushes: bool = False) -> Sample:
    """Run a command to its end.

    Args:
        command: the program and its arguments.
        log: takes what it prints.
        flushes: whether its flushes reach the disk, as `launch.py` explains.

    Raises:
        CommandError: it did not end well.
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
    told = subprocess.run(launch, capture_output=True, text=True, check=False)
    if told.returncode:
        raise CommandError(f"{command[0]} could not be run: {told.stderr.strip()[-500:]}")
    wall, cpu, peak, written, code = told.stdout.split()
    if code != "0":
        said = log.read_text(errors="replace").strip()[-2000:]
        raise CommandError(f"{command[0]} ended with {code}: {said}")
    return Sample(float(wall), float(cpu), int(peak), int(written))


def spread(values: Sequence[float]) -> Spread:
    """The spread of some numbers."""
    return Spread(median(values), min(values), max(values))


def middle(runs: Sequence[Sample], value: Callable[[Sample], float]) -> float:
    """The median of something over the runs."""
    return median(value(run) for run in runs)
