"""Charts: bars for rows, lines for curves."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from benchmarks.measuring.run import Sample, middle, spread
from benchmarks.report.document import Curve, Point, Row
from benchmarks.report.drawing import Drawing, css_class
from benchmarks.report.scale import Scale, linear, logarithmic, short

__all__ = ["bars", "lines"]

Value = Callable[[Sample], float]

_LABELS, _PLOT, _VALUES = 190.0, 400.0, 190.0  # widths
_CHARACTER = 3.4  # half the width of a digit
_ROW, _HEAD, _FOOT = 26.0, 34.0, 30.0  # heights
_PANEL, _GAP, _HIGH = 250.0, 62.0, 210.0
_PANELS: tuple[tuple[str, str, Value], ...] = (
    ("wall", "s", lambda sample: sample.wall),
    ("CPU", "s", lambda sample: sample.cpu),
    ("peak memory", "MB", lambda sample: sample.peak / 1e6),
)


def bars(title: str, rows: Sequence[Row]) -> str:
    """Wall and CPU time of each contender, one block for each row."""
    shown = [(row, {name: runs for name, runs in row.samples.items() if runs}) for row in rows]
    height = 40 + sum(_HEAD + _FOOT + _ROW * len(samples) for _, samples in shown)
    drawing = Drawing(_LABELS + _PLOT + _VALUES, height, title)
    drawing.text(12, 24, title, style="bold")
    legend = "upper bar: wall, lowest to highest; lower bar: CPU; grey: verifies nothing"
    drawing.text(_LABELS + _PLOT + _VALUES - 12, 24, legend, style="faint small", anchor="end")
    top = 40.0
    for row, samples in shown:
        drawing.text(12, top + 18, row.title, style="bold")
        most = max(
            max(spread([run.wall for run in runs]).high, middle(runs, lambda run: run.cpu))
            for runs in samples.values()
        )
        scale = linear(most, _LABELS, _LABELS + _PLOT)
        low = top + _HEAD + _ROW * len(samples)
        for tick in scale.ticks:
            drawing.line(scale.at(tick), top + _HEAD - 4, scale.at(tick), low, "grid")
            drawing.text(
                scale.at(tick), low + 14, f"{short(tick)} s", style="faint small", anchor="middle"
            )
        for number, (name, runs) in enumerate(samples.items()):
            _bar(drawing, scale, top + _HEAD + _ROW * number, name, runs)
        top = low + _FOOT
    return drawing.svg()


def _bar(drawing: Drawing, scale: Scale, top: float, name: str, runs: Sequence[Sample]) -> None:
    wall = spread([run.wall for run in runs])
    cpu = middle(runs, lambda run: run.cpu)
    own = "bold" if name.startswith("towline") else ""
    drawing.text(_LABELS - 8, top + 14, name, style=own, anchor="end")
    drawing.bar(_LABELS, top + 2, scale.at(wall.median) - _LABELS, 11, css_class(name))
    drawing.bar(_LABELS, top + 14, scale.at(cpu) - _LABELS, 5, f"{css_class(name)} cpu")
    low, high, centre = scale.at(wall.low), scale.at(wall.high), top + 7.5
    drawing.line(low, centre, high, centre, "whisker")
    for end in (low, high):
        drawing.line(end, centre - 3, end, centre + 3, "whisker")
    label = f"{wall.median:.2f} s, CPU {cpu:.2f} s"
    drawing.text(_LABELS + _PLOT + 12, top + 14, label, style=own)


def lines(curve: Curve) -> str:
    """Wall time, CPU time and memory over the x of a curve, on logarithmic axes."""
    panels = [panel for panel in _PANELS if _has_values(curve.points, panel[2])]
    names = list(dict.fromkeys(name for point in curve.points for name in point.samples))
    drawing = Drawing(_GAP + (_PANEL + _GAP) * len(panels) - 30, _HIGH + 116, curve.title)
    drawing.text(12, 24, curve.title, style="bold")
    left = 12.0
    for name in names:
        drawing.curve([(left, 42), (left + 18, 42)], css_class(name))
        drawing.text(left + 24, 46, name, style="small")
        left += 48 + 6.6 * len(name)
    for number, (what, unit, value) in enumerate(panels):
        begin = _GAP + (_PANEL + _GAP) * number
        _panel(drawing, curve, begin, f"{what}, {unit}", value)
    return drawing.svg()


def _panel(drawing: Drawing, curve: Curve, left: float, title: str, value: Value) -> None:
    top, low = 84.0, 84.0 + _HIGH - 20
    named: dict[str, list[tuple[float, float]]] = {}
    for point in curve.points:
        for name, runs in point.samples.items():
            if runs and (typical := middle(runs, value)) > 0:
                named.setdefault(name, []).append((point.x, typical))
    values = [y for points in named.values() for _, y in points]
    across = logarithmic(curve.points[0].x, curve.points[-1].x, left, left + _PANEL)
    up = logarithmic(min(values), max(values), low, top)
    drawing.text(left, top - 12, title, style="small bold")
    for tick in up.ticks:
        drawing.line(left, up.at(tick), left + _PANEL, up.at(tick), "grid")
        drawing.text(left - 6, up.at(tick) + 4, short(tick), style="faint small", anchor="end")
    for tick in across.ticks:
        drawing.line(across.at(tick), top, across.at(tick), low, "grid")
    for tick in _readable(across):
        drawing.text(across.at(tick), low + 15, short(tick), style="faint small", anchor="middle")
    drawing.line(left, low, left + _PANEL, low, "axis")
    drawing.text(left + _PANEL / 2, low + 31, curve.unit, style="faint small", anchor="middle")
    for name, points in named.items():
        drawing.curve([(across.at(x), up.at(y)) for x, y in points], css_class(name))


def _has_values(points: Sequence[Point], value: Value) -> bool:
    """Whether each sample has the value: code measured in this process has no own peak."""
    samples = (run for point in points for runs in point.samples.values() for run in runs)
    return all(value(run) > 0 for run in samples)


def _readable(scale: Scale) -> list[float]:
    """The ticks, if their labels do not overlap; otherwise those at powers of ten, or the ends."""
    for ticks in (list(scale.ticks), [tick for tick in scale.ticks if math.log10(tick) % 1 == 0]):
        ends = [scale.at(tick) + _CHARACTER * len(short(tick)) for tick in ticks[:-1]]
        starts = [scale.at(tick) - _CHARACTER * len(short(tick)) for tick in ticks[1:]]
        if all(end < start for end, start in zip(ends, starts, strict=True)):
            return ticks
    return [scale.ticks[0], scale.ticks[-1]]
