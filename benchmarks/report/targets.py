"""Compare the results with the performance targets of the design, and with other tools."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median

from benchmarks.measuring.run import Sample, middle
from benchmarks.peers import processes
from benchmarks.report.document import Curve, Document, Row, Samples
from benchmarks.report.tables import table

__all__ = ["losses", "target_table"]

_UNVERIFIED = ("curl", "cp,", "gzip -dc")
_SAME = 1.05  # ratios up to this count as equal
_COSTS: tuple[Callable[[Sample], float], ...] = (lambda run: run.wall, lambda run: run.cpu)


def target_table(document: Document) -> list[str]:
    """Each target, the measured value, and whether the target is reached."""
    rows = [
        [what, target, measured, "yes" if reached else "**no**"]
        for what, target, measured, reached in _targets(document)
    ]
    return table(["", "target", "measured", "reached"], rows)


def _targets(document: Document) -> Iterator[tuple[str, str, str, bool]]:
    rows = {row.key: row for row in document.rows}
    for key, what in (("usr", "registry"), ("docker-archive",) * 2, ("oci-archive",) * 2):
        if key in rows:
            yield from _compared(what, rows[key])
    if "start" in rows:
        yield from _start(rows["start"])
    yield from _second(document, rows.get("second"))
    yield from _memory(document)
    yield from _parts(document)
    for curve in document.curves:
        if curve.key == "store":
            yield _store(curve)


def _compared(what: str, row: Row) -> Iterator[tuple[str, str, str, bool]]:
    walls = _walls(row.samples)
    own = walls.pop("towline")
    if theirs := [wall for name, wall in walls.items() if name.startswith("skopeo")]:
        times = min(theirs) / own
        yield f"{what}, against skopeo", "2.5 times as fast", f"{times:.2f}", times >= 2.5
    for name, wall in walls.items():
        if name.startswith(_UNVERIFIED):
            times = own / wall
            yield f"{what}, against {name}", "at most 1.2 of its time", f"{times:.2f}", times <= 1.2


def _start(row: Row) -> Iterator[tuple[str, str, str, bool]]:
    """The targets are for a machine on which the libraries take 108 ms, and are scaled to this one.

    Each is a time beyond that of another process.
    """
    walls = {name: wall * 1000 for name, wall in _walls(row.samples).items()}
    slower = walls[processes.LIBRARIES] / 108
    for name, base, most in (
        (processes.IMPORT, processes.BARE, 15),
        (processes.RESOLVE, processes.BARE, 60),
        (processes.VERSION, "", 65),
        (processes.TINY, processes.LIBRARIES, 55),
        (processes.REPEATED, processes.LIBRARIES, 45),
    ):
        if name in walls:
            took, limit = walls[name] - (walls[base] if base else 0), most * slower
            what = f"start: `{name}`" + (f" beyond `{base}`" if base else "")
            yield what, f"at most {limit:.0f} ms", f"{took:.0f} ms", took <= limit


def _second(document: Document, row: Row | None) -> Iterator[tuple[str, str, str, bool]]:
    if document.second:
        overhead = (median(document.second["pull"]) - median(document.second["HEAD"])) * 1000
        requests = document.second["requests a pull"][0]
        what = "second pull, in process"
        yield what, "at most 5 ms more than a request", f"{overhead:.1f} ms", overhead <= 5
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
        for name, measured in samples.items()
        if name.startswith("towline")
        for sample in measured
    ]
    if peaks:
        yield "highest peak of any run", "under 100 MB", f"{max(peaks):.0f} MB", max(peaks) < 100
    for curve in document.curves:
        if curve.key == "size":
            ends = (curve.points[0], curve.points[-1])
            low, high = (middle(end.samples["towline"], lambda run: run.peak) / 1e6 for end in ends)
            what = f"peak at {ends[1].x:,.0f} MB against {ends[0].x:,.0f} MB"
            yield what, "at most 1.25 times", f"{high:.0f} and {low:.0f} MB", high <= 1.25 * low


def _parts(document: Document) -> Iterator[tuple[str, str, str, bool]]:
    parts = {(part.name, part.core): part for part in document.parts}
    for form, least in (("gzip", 0.5), ("zstd", 0.75)):
        native, twin = (parts.get((f"layer pass, {form}", core)) for core in ("native", "twin"))
        if native and twin:
            rate = native.size / native.cpu / 1e9
            what = f"layer pass, {form}: GB of tar per second and core"
            yield what, f"at least {least}", f"{rate:.2f}", rate >= least
            times = twin.wall / native.wall
            yield f"layer pass, {form}: Rust over twin", "at least 2", f"{times:.1f}", times >= 2
            if form == "gzip":
                rate = native.size / native.wall / 1e9
                yield "the same on two cores", "0.75", f"{rate:.2f}", rate >= 0.75
    if resolve := parts.get(("resolve a short name", "")):
        rate = 1 / resolve.wall
        yield "resolve, calls per second", "at least 20,000", f"{rate:,.0f}", rate >= 20_000


def _store(curve: Curve) -> tuple[str, str, str, bool]:
    first, last = curve.points[0], curve.points[-1]
    name = next(iter(first.samples))
    walls = [middle(point.samples[name], lambda run: run.wall) * 1000 for point in (first, last)]
    what = f"publish into a store of {last.x:,.0f}"
    measured = f"{walls[1]:.0f} ms ({walls[0]:.0f} into an empty one)"
    reached = walls[1] <= max(50, 2 * walls[0])
    return what, "at most 50 ms, or twice the empty one", measured, reached


def losses(document: Document) -> list[str]:
    """A table of the rows in which another tool takes less wall time or CPU than towline."""
    rows = []
    for row in document.rows:
        runs = {name: samples for name, samples in row.samples.items() if samples}
        own = runs.pop("towline", [])
        for name, samples in runs.items():
            times = [middle(own or samples, value) / middle(samples, value) for value in _COSTS]
            if not name.startswith("towline") and max(times) > _SAME:
                rows.append([row.title, name, *(f"{each:.2f}" for each in times)])
    return table(["", "tool", "wall time", "CPU"], rows) if rows else []


def _walls(samples: Samples) -> dict[str, float]:
    return {name: middle(runs, lambda run: run.wall) for name, runs in samples.items() if runs}
