"""Run several commands in turn, so that other load on the machine affects all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from benchmarks.measuring.run import CommandError, Sample, run

__all__ = ["Contender", "Counter", "Runs", "run_in_turn"]


class Counter(Protocol):
    """Counts the requests at a server."""

    def new_requests(self) -> tuple[int, int]:
        """The number of requests since the last call, and the bytes of the response bodies."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A command that is measured.

    Attributes:
        name: its name on the page.
        command: the program and its arguments.
        ours: whether it is towline; then a failure is an error.
        flushes: whether its flushes reach the disk.
    """

    name: str
    command: Sequence[str]
    ours: bool = False
    flushes: bool = False


@dataclass(slots=True)
class Runs:
    """The samples of contenders by name, and the errors of those without samples."""

    samples: dict[str, list[Sample]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


def run_in_turn(
    contenders: Sequence[Contender],
    rounds: int,
    log: Path,
    before: Callable[[], None],
    counter: Counter | None = None,
    *,
    rehearse: bool = True,
) -> Runs:
    """Run each contender `rounds` times; each round begins with another one.

    Args:
        contenders: the commands to measure.
        rounds: the number of rounds.
        log: the file for the output of the commands.
        before: called before each run.
        counter: counts the requests of each run.
        rehearse: whether to run an unmeasured round first.  It warms the caches, and contenders
            that fail in it are omitted.

    Raises:
        CommandError: towline failed, or a peer failed after a successful rehearsal.
    """
    runs = Runs({contender.name: [] for contender in contenders})
    running = list(contenders)
    if rehearse:
        running = [each for each in contenders if _rehearse(each, log, before, runs)]
    for number in range(rounds):
        first = number % max(len(running), 1)
        for contender in (*running[first:], *running[:first]):
            before()
            if counter is not None:
                counter.new_requests()
            sample = run(contender.command, log, flushes=contender.flushes)
            if counter is not None:
                requests, received = counter.new_requests()
                sample = replace(sample, requests=requests, received=received)
            runs.samples[contender.name].append(sample)
    before()
    return runs


def _rehearse(contender: Contender, log: Path, before: Callable[[], None], runs: Runs) -> bool:
    before()
    try:
        run(contender.command, log, flushes=contender.flushes)
    except CommandError as failed:
        if contender.ours:
            raise
        runs.refused[contender.name] = str(failed)
        del runs.samples[contender.name]
        return False
    return True
