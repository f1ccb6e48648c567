"""Axes of charts: positions of numbers, ticks, and labels."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Scale", "linear", "logarithmic", "short"]


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis between two positions of the drawing.

    Attributes:
        low, high: the numbers at its ends.
        begin, end: the positions of its ends, in pixels.
        ticks: the numbers with a tick.
        log: whether it is logarithmic.
    """

    low: float
    high: float
    begin: float
    end: float
    ticks: tuple[float, ...]
    log: bool = False

    def at(self, number: float) -> float:
        """The position of a number; a number beyond an end has the position of that end."""
        clamped = min(max(number, self.low), self.high)
        if self.log:
            share = math.log(clamped / self.low) / math.log(self.high / self.low)
        else:
            share = (clamped - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)


def linear(high: float, begin: float, end: float, steps: int = 5) -> Scale:
    """An axis from 0 to a round number of at least `high`, with at most `steps` steps."""
    if high <= 0:
        high = 1.0
    unit = 10.0 ** math.floor(math.log10(high / steps))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor * steps >= high * 0.999)
    count = math.ceil(high / step - 0.001)
    ticks = tuple(round(step * number, 9) for number in range(count + 1))
    return Scale(0.0, ticks[-1], begin, end, ticks)


def logarithmic(low: float, high: float, begin: float, end: float) -> Scale:
    """An axis that includes both numbers, with ticks at 1, 2 and 5 times each power of ten.

    A wide axis has ticks at the powers of ten only.
    """
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
    """A number with about two significant digits, or as an integer with separators."""
    if number == 0:
        return "0"
    if number >= 100:
        return f"{number:,.0f}"
    digits = max(0, 1 - math.floor(math.log10(abs(number)) + 1e-9))
    text = f"{number:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
