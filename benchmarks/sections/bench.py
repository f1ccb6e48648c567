"""The context of all sections: cache, workspace, registry, results and progress output."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.measuring.run import Sample, middle, spread
from benchmarks.measuring.turns import Contender, Counter, Runs, run_in_turn
from benchmarks.measuring.workspace import Workspace
from benchmarks.report.document import Document, Row
from benchmarks.serving.registry import Registry

__all__ = ["Bench"]


@dataclass(slots=True)
class Bench:
    """One run of the benchmarks.

    Attributes:
        cache: the folder of the workloads.
        workspace: the paths that commands use.
        registry: counts requests.
        document: the results.
        pairs: runs of each contender in the main rows.
        few: runs of each contender in the other rows and the curves.
        small: whether workloads have a tenth of their size, to test the benchmarks themselves.
        real_flushes: whether flushes reach the disk because the kernel cannot ignore them.
    """

    cache: Path
    workspace: Workspace
    registry: Registry
    document: Document
    pairs: int = 7
    few: int = 3
    small: bool = False
    real_flushes: bool = False
    begun: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        """Print a line of progress, with the elapsed seconds."""
        print(f"[{time.monotonic() - self.begun:4.0f} s] {text}", flush=True)

    def omit(self, text: str) -> None:
        """Record an omitted measurement and its reason."""
        self.document.left_out.append(text)
        self.say(f"not measured: {text}")

    def scaled(self, size: int) -> int:
        """The size, or a tenth of it if `small` is set."""
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
        """Measure contenders in turn, and add the row to the document."""
        runs = self.turns(contenders, rounds or self.pairs, before, counter, rehearse=rehearse)
        row = Row(key, section, title, runs.samples, runs.refused, size)
        self.document.rows.append(row)
        for name, samples in row.samples.items():
            self.say(f"{title}: {name}: {_summary(samples)}")
        for name, error in row.refused.items():
            self.say(f"{title}: {name}: {error.strip().splitlines()[-1][:100]}")

    def turns(
        self,
        contenders: Sequence[Contender],
        rounds: int,
        before: Callable[[], None] | None = None,
        counter: Counter | None = None,
        *,
        rehearse: bool = True,
    ) -> Runs:
        """Measure contenders in turn; by default each run has an empty target."""
        before = before or self.workspace.clean
        if self.real_flushes:
            contenders = [replace(each, flushes=True) for each in contenders]
        return run_in_turn(
            contenders, rounds, self.workspace.log, before, counter, rehearse=rehearse
        )


def _summary(samples: Sequence[Sample]) -> str:
    wall = spread([sample.wall for sample in samples])
    cpu = middle(samples, lambda sample: sample.cpu)
    peak = middle(samples, lambda sample: sample.peak) / 1e6
    return f"{wall.median:.2f} s ({wall.low:.2f} to {wall.high:.2f}), CPU {cpu:.2f}, {peak:.0f} MB"
