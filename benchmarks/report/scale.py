"""Axes: where a number lies, which numbers are marked, and how they are written."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Scale", "linear", "logarithmic", "short"]


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis from one place of the drawing to another.

    Attributes:
        low, high: the numbers at its ends.
        begin, end: where these are, in pixels.
        ticks: what is marked on it.
        log: whether equal steps are equal factors.
    """

    low: float
    high: float
    begin: float
    end: float
    ticks: tuple[float, ...]
    log: bool = False

    def at(self, number: float) -> float:
        """Where a number lies; numbers beyond an end lie at that end."""
        kept = min(max(number, self.low), self.high)
        if self.log:
            share = math.log(kept / self.low) / math.log(self.high / self.low)
        else:
            share = (kept - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)


def linear(high: float, begin: float, end: float, steps: int = 5) -> Scale:
    """From 0 to a round number that is not below `high`, in at most so many steps."""
    if high <= 0:
        high = 1.0
    unit = 10.0 ** math.floor(math.log10(high / steps))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor * steps >= high * 0.999)
    count = math.ceil(high / step - 0.001)
    ticks = tuple(round(step * number, 9) for number in range(count + 1))
    return Scale(0.0, ticks[-1], begin, end, ticks)


def logarithmic(low: float, high: float, begin: float, end: float) -> Scale:
    """Over both numbers, marked at 1, 2 and 5 of each power of ten, or at the powers alone."""
    marks = [
        factor * 10.0**power
        for power in range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
        for factor in (1, 2, 5)
    ]
    first = max(mark for mark in marks if mark <= low * 1.001)
    last = min((mark for mark in marks if mark >= high * 0.999), default=marks[-1])
    if last <= first:
        last = first * 10
    within = [mark for mark in marks if first <= mark <= last]
    if len(within) > 7:
        within = [mark for mark in within if f"{mark:e}".startswith("1.")]
    return Scale(first, last, begin, end, tuple(within), log=True)


def short(number: float) -> str:
    """A number in three digits or so, with separators."""
    if number == 0:
        return "0"
    if number >= 100:
        return f"{number:,.0f}"
    digits = max(0, 1 - math.floor(math.log10(abs(number)) + 1e-9))
    told = f"{number:.{digits}f}"
    return told.rstrip("0").rstrip(".") if "." in told else told
