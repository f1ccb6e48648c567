"""Several commands in turn, so that whatever the machine does meanwhile meets all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from benchmarks.measuring.run import CommandError, Sample, run

__all__ = ["Contender", "Counter", "Runs", "take_turns"]


class Counter(Protocol):
    """Counts requests at the server."""

    def taken(self) -> tuple[int, int]:
        """Requests answered, and bytes of their bodies, since it was asked last."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A command that is measured.

    Attributes:
        name: that the page gives it.
        command: the program and its arguments.
        ours: whether it is towline, which must not fail.
        flushes: whether its flushes reach the disk.
    """

    name: str
    command: Sequence[str]
    ours: bool = False
    flushes: bool = False


@dataclass(slots=True)
class Runs:
    """What came of some contenders: samples by name, and why a name has none."""

    samples: dict[str, list[Sample]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


def take_turns(
    contenders: Sequence[Contender],
    rounds: int,
    log: Path,
    before: Callable[[], None],
    counter: Counter | None = None,
    *,
    rehearse: bool = True,
) -> Runs:
    """Run each contender `rounds` times, another one first in each round.

    Args:
        contenders: what is measured.
        rounds: how often.
        log: takes what a command prints.
        before: called before each run.
        counter: of requests.
        rehearse: one round before, which is not measured: it warms the caches, and what fails in
            it is left out of the others.

    Raises:
        CommandError: of towline, or of a peer that was well before.
    """
    runs = Runs({contender.name: [] for contender in contenders})
    taking = list(contenders)
    if rehearse:
        taking = [each for each in contenders if _rehearsed(each, log, before, runs)]
    for number in range(rounds):
        turn = number % max(len(taking), 1)
        for contender in (*taking[turn:], *taking[:turn]):
            before()
            if counter is not None:
                counter.taken()
            sample = run(contender.command, log, flushes=contender.flushes)
            if counter is not None:
                requests, received = counter.taken()
                sample = replace(sample, requests=requests, received=received)
            runs.samples[contender.name].append(sample)
    before()
    return runs


def _rehearsed(contender: Contender, log: Path, before: Callable[[], None], runs: Runs) -> bool:
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
