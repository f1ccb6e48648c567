"""The tables of the page in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.measuring.run import Sample, middle, spread
from benchmarks.report.document import Curve, Part, Row
from benchmarks.report.scale import short

__all__ = ["curve_table", "part_table", "row_table", "table"]

_BRIEF = 0.1  # seconds


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table; all columns except the first are right-aligned."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def row_table(row: Row) -> list[str]:
    """A table of contenders: wall time with its spread, CPU, peak, bytes written, requests."""
    runs = {name: samples for name, samples in row.samples.items() if samples}
    own = middle(next(iter(runs.values())), lambda run: run.wall)
    has_requests = any(run.requests is not None for samples in runs.values() for run in samples)
    head = ["", "runs", "wall s", "lowest to highest", "CPU s", "peak MB", "written MB"]
    lines = []
    for name, samples in runs.items():
        wall = spread([run.wall for run in samples])
        cells = [
            name,
            str(len(samples)),
            f"{wall.median:.2f}",
            f"{wall.low:.2f} to {wall.high:.2f}",
            f"{middle(samples, lambda run: run.cpu):.2f}",
            f"{middle(samples, lambda run: run.peak) / 1e6:.0f}",
            f"{middle(samples, lambda run: run.written) / 1e6:,.0f}",
        ]
        if has_requests:
            cells.append(f"{middle(samples, lambda run: run.requests or 0):.0f}")
        lines.append([*cells, f"{wall.median / own:.2f}"])
    requests = ["requests"] if has_requests else []
    return [
        *table([*head, *requests, "wall, towline = 1"], lines),
        *(f"\n{name} fails: `{_shorten(error)}`" for name, error in row.refused.items()),
    ]


def _shorten(error: str) -> str:
    text = " ".join(error.replace("`", "'").split())
    return text if len(text) <= 160 else f"{text[:60]} … {text[-90:]}"


def curve_table(curve: Curve) -> list[str]:
    """A table of the costs of each contender at each point."""
    names = list(dict.fromkeys(name for point in curve.points for name in point.samples))
    lines = []
    for point in curve.points:
        cells = [f"{point.x:,.0f}"]
        for name in names:
            samples = point.samples.get(name)
            cells.append(_costs(samples) if samples else "")
        lines.append(cells)
    return table([curve.unit, *names], lines)


def _costs(samples: Sequence[Sample]) -> str:
    wall = middle(samples, lambda run: run.wall)
    cpu = middle(samples, lambda run: run.cpu)
    peak = middle(samples, lambda run: run.peak) / 1e6
    time = f"{wall:.2f} s, CPU {cpu:.2f}"
    if wall < _BRIEF:
        time = f"{wall * 1000:.0f} ms, CPU {cpu * 1000:.0f}"
    return f"{time}, {peak:.0f} MB" if peak else time


def part_table(parts: Sequence[Part]) -> list[str]:
    """A table of parts: the costs with the native core and the twin, and their ratio."""
    lines = []
    for name in dict.fromkeys(part.name for part in parts):
        forms = {part.core: part for part in parts if part.name == name}
        native = forms.get("native") or forms.get("")
        twin = forms.get("twin")
        if native is None:
            continue
        cells = [name, _time(native.wall), _rate(native.size, native.wall)]
        cells += [_rate(native.size, native.cpu), _time(twin.wall) if twin else ""]
        lines.append([*cells, f"{twin.wall / native.wall:.1f}" if twin else ""])
    head = ["part", "per call", "GB/s", "GB/s of CPU", "twin, per call", "Rust over twin"]
    return table(head, lines)


def _time(seconds: float) -> str:
    return f"{short(seconds * 1e6)} µs" if seconds < 1e-3 else f"{short(seconds * 1e3)} ms"


def _rate(size: int, seconds: float) -> str:
    return f"{size / seconds / 1e9:.2f}" if size else ""
