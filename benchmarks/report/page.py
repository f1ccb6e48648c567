"""The page of the results, `RESULTS.md`, with its charts beside the JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.peers import loads, pulls
from benchmarks.report.asked import asked_table, losses
from benchmarks.report.charts import bars, lines
from benchmarks.report.document import Document, Row
from benchmarks.report.tables import curve_table, part_table, row_table

__all__ = ["write_page"]

#: The rows of the chart that stands in the README.
_FIRST = ("usr", "docker-archive", "oci-archive")
#: Sections of rows: title, and what must be known to read them.
_SECTIONS = {
    "registry": (
        "From a registry on loopback",
        "Registry and tools share the cores, and the page cache is warm.",
    ),
    "archives": (
        "From archives",
        "The page cache is warm. No registry has a part in it.",
    ),
    "second": (
        "The second pull",
        "The image is in the store of each tool already; only the tag is asked for again.",
    ),
    "cold": (
        "With a cold page cache",
        """\
Before each run everything is written back and the page cache is emptied: the registry's files come
from the disk, and so does the program itself.""",
    ),
    "flushed": (
        "With every blob flushed to the disk",
        "No filter here: both sides flush all that they write.",
    ),
    "links": (
        "Over slower links",
        """\
A proxy of ours delays and narrows the way (`benchmarks/serving/link.py`); it models no slow start
and no loss, and takes its share of the cores.""",
    ),
}
_HOW = """\
Tools run in turn, another one first in each round, after one round that is not counted.
Every run begins with an empty directory. *Wall* is the time from start to end of the command,
*CPU* that of its whole process tree, *peak* the resident memory of the largest process in it,
*written* what the kernel counts as made dirty in the page cache (`ru_oublock`), and *requests* what
the registry's own access log has. Tables show medians.

Durability is the same for all: none. By themselves skopeo and podman flush every blob to the disk,
towline its records and its index, crane and curl nothing (seen by `strace`); so a filter of system
calls answers every `fsync` with success and does nothing (`benchmarks/measuring/launch.py`). One
section below is without it. Peaks under 11 MB cannot be seen: that is the size of what measures.

Synthetic layers come from a seed and compress about as programs do; "real files" are those
of the machine's own `/usr` and toolchains."""

_PARTS = """\
By pytest-benchmark, medians. *GB/s* is by wall time; *GB/s of CPU* is by the CPU time of all
threads, so it is what one core does. Bytes are those of the tar, or of the blob. The twin is the
readable form of the same part in Python, which hashes and inflates in C as well. A layer pass
without compression hashes the same bytes twice, in two lanes of one core: beside the digest of a
file it shows what the lanes are worth."""


def write_page(document: Document, name: str, folder: Path) -> None:
    """Write the page and its charts.

    Args:
        document: what was measured.
        name: of its JSON, which lies in ``results/``.
        folder: where the page goes.
    """
    charts = folder / "results"
    charts.mkdir(parents=True, exist_ok=True)
    told = [
        *("# What was measured", ""),
        *_where(document, name),
        *("", "## How", "", _HOW, ""),
        *_asked(document),
        *_rows(document, charts),
        *_curves(document, charts),
        *_parts(document),
        *_left_out(document),
    ]
    (folder / "RESULTS.md").write_text("\n".join(told).rstrip() + "\n")


def _where(document: Document, name: str) -> list[str]:
    machine = document.machine
    tools = ", ".join(f"{name} {version}" for name, version in document.tools.items())
    load = ", ".join(f"{each:.1f}" for each in document.load)
    minutes = sum(document.seconds.values()) / 60
    memory = f"{machine['memory'] / 2**30:.0f} GiB"
    lines = (
        f"{document.date[:16].replace('T', ' ')} UTC, commit `{document.commit}`.",
        f"{machine['processor']}, {machine['cores']} cores, {memory}, {machine['system']}.",
        f"Python {machine['python']}, {tools}.",
        f"`make bench` took {minutes:.0f} minutes.",
        f"Every sample is in [`results/{name}`](results/{name}).",
        f"Load average before each section, and at the end: {load};",
        f"the benchmarks alone make about {machine['cores']}.",
    )
    return list(lines)


def _asked(document: Document) -> list[str]:
    lost = losses(document)
    told = "Wherever another tool took at least 5 % less wall time or CPU, how many times as much"
    return [
        *("## What is asked for, and what came of it", "", *asked_table(document), ""),
        *("## Where towline loses", ""),
        *((f"{told} towline took.", "", *lost) if lost else ("Nowhere in this run.",)),
        "",
    ]


def _rows(document: Document, charts: Path) -> list[str]:
    told: list[str] = []
    first = [row for row in document.rows if row.key in _FIRST]
    if first:
        _draw(charts / "pulls.svg", bars("From a registry and from archives into a store", first))
    for section, (title, note) in _SECTIONS.items():
        rows = [row for row in document.rows if row.section == section]
        if not rows:
            continue
        different = [line for line in _different(rows) if line not in told]
        told += [f"## {title}", "", note, "", *different, ""]
        chart = f"{section}.svg"
        _draw(charts / chart, bars(title, rows))
        told += [f"![{title}: wall and CPU time](results/{chart})", ""]
        for row in rows:
            told += [f"### {row.title}", "", *row_table(row), ""]
        if section == "second":
            told += _in_process(document)
    return told


def _different(rows: Sequence[Row]) -> list[str]:
    """What each contender of these rows does."""
    pulling = {peer.name: peer.said for peer in pulls.PEERS.values()}
    said = loads.SAID if rows[0].section == "archives" else pulling
    names = dict.fromkeys(name for row in rows for name in (*row.samples, *row.refused))
    return [f"* {name.rstrip(':')}: {said[name]}" for name in names if name in said]


def _in_process(document: Document) -> list[str]:
    if not document.second:
        return []
    pull, head = (median(document.second[name]) * 1000 for name in ("pull", "HEAD"))
    calls, requests = len(document.second["pull"]), document.second["requests a pull"][0]
    bodies = document.second["bytes of bodies a pull"][0]
    lines = (
        f"In one process, {calls} calls of `towline.pull` in turn with as many bare HEAD requests,",
        f"each on a new connection: {pull:.2f} ms a call, {head:.2f} ms a request,",
        f"so {pull - head:.2f} ms beyond it (medians).",
        f"A call made {requests:g} requests and fetched {bodies:,.0f} bytes of bodies.",
    )
    return [*lines, ""]


def _curves(document: Document, charts: Path) -> list[str]:
    told = ["## How costs grow", ""] if document.curves else []
    for curve in document.curves:
        _draw(charts / f"curve-{curve.key}.svg", lines(curve))
        title = curve.title[0].upper() + curve.title[1:]
        told += [f"### {title}", "", f"![{title}](results/curve-{curve.key}.svg)", ""]
        told += [*curve_table(curve), ""]
    return told


def _parts(document: Document) -> list[str]:
    if not document.parts:
        return []
    return [
        *("## The parts", ""),
        _PARTS,
        *("", *part_table(document.parts), ""),
    ]


def _left_out(document: Document) -> list[str]:
    if not document.left_out:
        return []
    return ["## Left out", "", *(f"* {each}" for each in document.left_out)]


def _draw(path: Path, svg: str) -> None:
    path.write_text(svg)
