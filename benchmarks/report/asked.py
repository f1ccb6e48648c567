"""What the design asks for, beside what was measured; and where others are better."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median

from benchmarks.measuring.run import Sample, middle
from benchmarks.report.document import Curve, Document, Row, Samples
from benchmarks.report.tables import table

__all__ = ["asked_table", "losses"]

_UNVERIFIED = ("curl", "cp,", "gzip -dc")
_SAME = 1.05  # less than this apart is level
_COSTS: tuple[Callable[[Sample], float], ...] = (lambda run: run.wall, lambda run: run.cpu)


def asked_table(document: Document) -> list[str]:
    """Each number to reach, what came of it, and whether it holds."""
    lines = [
        [what, wanted, told, "yes" if holds else "**no**"]
        for what, wanted, told, holds in _judged(document)
    ]
    return table(["", "to reach", "measured", "holds"], lines)


def _judged(document: Document) -> Iterator[tuple[str, str, str, bool]]:
    rows = {row.key: row for row in document.rows}
    for key, what in (("usr", "registry"), ("docker-archive",) * 2, ("oci-archive",) * 2):
        if key in rows:
            yield from _beside(what, rows[key])
    yield from _second(document, rows.get("second"))
    yield from _memory(document)
    yield from _parts(document)
    for curve in document.curves:
        if curve.key == "store":
            yield _store(curve)


def _beside(what: str, row: Row) -> Iterator[tuple[str, str, str, bool]]:
    walls = _walls(row.samples)
    own = walls.pop("towline")
    if theirs := [wall for name, wall in walls.items() if name.startswith("skopeo")]:
        times = min(theirs) / own
        yield f"{what}, beside skopeo", "2.5 times as fast", f"{times:.2f}", times >= 2.5
    for name, wall in walls.items():
        if name.startswith(_UNVERIFIED):
            times = own / wall
            yield f"{what}, beside {name}", "at most 1.2 of its time", f"{times:.2f}", times <= 1.2


def _second(document: Document, row: Row | None) -> Iterator[tuple[str, str, str, bool]]:
    if document.second:
        beyond = (median(document.second["pull"]) - median(document.second["HEAD"])) * 1000
        requests = document.second["requests a pull"][0]
        what = "second pull, in process"
        yield what, "at most 5 ms beyond a request", f"{beyond:.1f} ms", beyond <= 5
        yield f"{what}: requests", "one, without a body", f"{requests:g}", requests <= 1
    if row is not None:
        wall = _walls(row.samples)["towline"] * 1000
        yield "second pull, command line", "at most 250 ms", f"{wall:.0f} ms", wall <= 250


def _memory(document: Document) -> Iterator[tuple[str, str, str, bool]]:
    runs = [row.samples for row in document.rows]
    runs += [point.samples for curve in document.curves for point in curve.points]
    peaks = [
        sample.peak / 1e6
        for samples in runs
        for name, taken in samples.items()
        if name.startswith("towline")
        for sample in taken
    ]
    if peaks:
        yield "highest peak of any run", "under 100 MB", f"{max(peaks):.0f} MB", max(peaks) < 100
    for curve in document.curves:
        if curve.key == "size":
            ends = (curve.points[0], curve.points[-1])
            low, high = (middle(end.samples["towline"], lambda run: run.peak) / 1e6 for end in ends)
            what = f"peak at {ends[1].x:,.0f} MB beside {ends[0].x:,.0f} MB"
            yield what, "flat: 1.25 times", f"{high:.0f} beside {low:.0f} MB", high <= 1.25 * low


def _parts(document: Document) -> Iterator[tuple[str, str, str, bool]]:
    parts = {(part.name, part.core): part for part in document.parts}
    for form, least in (("gzip", 0.5), ("zstd", 0.75)):
        native, twin = (parts.get((f"layer pass, {form}", core)) for core in ("native", "twin"))
        if native and twin:
            rate = native.size / native.cpu / 1e9
            what = f"layer pass, {form}: GB of tar a second and core"
            yield what, f"at least {least}", f"{rate:.2f}", rate >= least
            times = twin.wall / native.wall
            yield f"layer pass, {form}: Rust over twin", "at least 2", f"{times:.1f}", times >= 2
            if form == "gzip":
                rate = native.size / native.wall / 1e9
                yield "the same on two cores", "0.75", f"{rate:.2f}", rate >= 0.75
    if resolve := parts.get(("resolve a short name", "")):
        rate = 1 / resolve.wall
        yield "resolve, calls a second", "at least 20,000", f"{rate:,.0f}", rate >= 20_000


def _store(curve: Curve) -> tuple[str, str, str, bool]:
    first, last = curve.points[0], curve.points[-1]
    name = next(iter(first.samples))
    walls = [middle(point.samples[name], lambda run: run.wall) * 1000 for point in (first, last)]
    what = f"publish into a store of {last.x:,.0f}"
    told = f"{walls[1]:.0f} ms ({walls[0]:.0f} into an empty one)"
    return what, "at most 50 ms, or twice the empty one", told, walls[1] <= max(50, 2 * walls[0])


def losses(document: Document) -> list[str]:
    """Every row in which another tool takes less wall time or CPU than towline, as a table."""
    lines = []
    for row in document.rows:
        runs = {name: samples for name, samples in row.samples.items() if samples}
        own = runs.pop("towline", [])
        for name, samples in runs.items():
            times = [middle(own or samples, value) / middle(samples, value) for value in _COSTS]
            if not name.startswith("towline") and max(times) > _SAME:
                lines.append([row.title, name, *(f"{each:.2f}" for each in times)])
    return table(["", "beside", "wall time", "CPU"], lines) if lines else []


def _walls(samples: Samples) -> dict[str, float]:
    return {name: middle(runs, lambda run: run.wall) for name, runs in samples.items() if runs}
