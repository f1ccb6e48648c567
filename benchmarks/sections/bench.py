"""What every section is given: the cache, the workspace, the registry, and a voice."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.measuring.run import Sample, middle, spread
from benchmarks.measuring.turns import Contender, Counter, Runs, take_turns
from benchmarks.measuring.workspace import Workspace
from benchmarks.report.document import Document, Row
from benchmarks.serving.registry import Registry

__all__ = ["Bench"]


@dataclass(slots=True)
class Bench:
    """One run of the benchmarks.

    Attributes:
        cache: where workloads are kept.
        workspace: where commands write.
        registry: whose requests are counted.
        document: takes the results.
        pairs: runs of each contender in the main rows.
        few: runs of each in cold, shaped and curve rows.
        small: workloads are a tenth of their size, for trying the benchmarks themselves.
        own_flushes: the kernel does not let flushes be held back, so each flushes what it will.
    """

    cache: Path
    workspace: Workspace
    registry: Registry
    document: Document
    pairs: int = 7
    few: int = 3
    small: bool = False
    own_flushes: bool = False
    begun: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        """One line of progress, with the seconds so far."""
        print(f"[{time.monotonic() - self.begun:4.0f} s] {text}", flush=True)

    def leave_out(self, text: str) -> None:
        """Note what is not measured, and why."""
        self.document.left_out.append(text)
        self.say(f"left out: {text}")

    def scaled(self, size: int) -> int:
        """A size, or a tenth of it."""
        return max(size // 10, 1) if self.small else size

    def row(
        self,
        key: str,
        section: str,
        title: str,
        contenders: Sequence[Contender],
        *,
        size: int = 0,
        rounds: int = 0,
        before: Callable[[], None] | None = None,
        counter: Counter | None = None,
        rehearse: bool = True,
    ) -> None:
        """Measure some contenders in turn and keep what came of it."""
        runs = self.turns(contenders, rounds or self.pairs, before, counter, rehearse=rehearse)
        row = Row(key, section, title, runs.samples, runs.refused, size)
        self.document.rows.append(row)
        for name, samples in row.samples.items():
            self.say(f"{title}: {name}: {_told(samples)}")
        for name, why in row.refused.items():
            self.say(f"{title}: {name}: {why.strip().splitlines()[-1][:100]}")

    def turns(
        self,
        contenders: Sequence[Contender],
        rounds: int,
        before: Callable[[], None] | None = None,
        counter: Counter | None = None,
        *,
        rehearse: bool = True,
    ) -> Runs:
        """Measure some contenders in turn, each into a fresh target unless told otherwise."""
        before = before or self.workspace.clean
        if self.own_flushes:
            contenders = [replace(each, flushes=True) for each in contenders]
        return take_turns(
            contenders, rounds, self.workspace.log, before, counter, rehearse=rehearse
        )


def _told(samples: Sequence[Sample]) -> str:
    wall = spread([sample.wall for sample in samples])
    cpu = middle(samples, lambda sample: sample.cpu)
    peak = middle(samples, lambda sample: sample.peak) / 1e6
    return f"{wall.median:.2f} s ({wall.low:.2f} to {wall.high:.2f}), CPU {cpu:.2f}, {peak:.0f} MB"
