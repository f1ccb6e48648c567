"""The page of the results, `RESULTS.md`, with its charts in the folder of the JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.peers import loads, pulls
from benchmarks.report.charts import bars, lines
from benchmarks.report.document import Document, Row
from benchmarks.report.tables import curve_table, part_table, row_table
from benchmarks.report.targets import losses, target_table

__all__ = ["write_page"]

#: The rows of the chart in the README.
_FIRST = ("usr", "docker-archive", "oci-archive")
#: Sections of rows: a title and a note about the conditions.
_SECTIONS = {
    "registry": (
        "From a registry on loopback",
        "The registry and the tools share the cores. The page cache is warm.",
    ),
    "archives": (
        "From archives",
        "The page cache is warm. No registry is involved.",
    ),
    "start": (
        "The start of a process",
        """\
Whole processes, without work that takes time: no tool can be faster than its own imports. The pulls
are of an image of 1 kB over plain HTTP, with HTTPS tried first (`--tls-verify=false`).""",
    ),
    "second": (
        "The second pull",
        "The store of each tool already has the image; only the tag is requested again.",
    ),
    "cold": (
        "With a cold page cache",
        """\
Before each run all data is written back and the page cache is emptied. The registry's files and the
program itself are read from the disk.""",
    ),
    "flushed": (
        "With every blob flushed to the disk",
        "Without the filter: both tools flush everything that they write.",
    ),
    "links": (
        "Over slower links",
        """\
A proxy adds latency and limits the bandwidth (`benchmarks/serving/link.py`). It models no slow
start and no loss, and it uses the same cores.""",
    ),
}
_HOW = """\
The tools run in turn. Each round begins with another tool, and a first round is not counted.
Every run begins with an empty directory. *Wall* is the time from start to end of the command,
*CPU* the CPU time of its process tree, *peak* the resident memory of its largest process,
*written* the bytes that it made dirty in the page cache (`ru_oublock`), and *requests* the number
of requests in the registry's access log. Tables show medians.

No tool flushes to the disk. By default skopeo and podman flush every blob, towline its records and
its index, crane and curl nothing (observed with `strace`). A filter of system calls makes every
`fsync` succeed without an effect (`benchmarks/measuring/launch.py`). One section below is measured
without the filter. Peaks under 11 MB cannot be measured: that is the size of the measuring process.

Synthetic layers are generated from a seed and compress about as well as programs. "Real files" are
files of the machine's `/usr` and toolchains."""

_PARTS = """\
Medians, measured by pytest-benchmark. *GB/s* is based on wall time; *GB/s of CPU* on the CPU time
of all threads, so it is the rate of one core. Bytes are those of the tar or the blob. The twin is
the readable implementation of the same part in Python, which also hashes and inflates in C. A layer
pass without compression hashes the same bytes twice, in two lanes of one core; compare it with the
digest of a file to see the gain of the lanes."""


def write_page(document: Document, name: str, folder: Path) -> None:
    """Write the page and its charts.

    Args:
        document: the results.
        name: the name of their JSON file in ``results/``.
        folder: the folder of the page.
    """
    charts = folder / "results"
    charts.mkdir(parents=True, exist_ok=True)
    page = [
        *("# Benchmark results", ""),
        *_environment(document, name),
        *("", "## Method", "", _HOW, ""),
        *_targets(document),
        *_rows(document, charts),
        *_curves(document, charts),
        *_parts(document),
        *_left_out(document),
    ]
    (folder / "RESULTS.md").write_text("\n".join(page).rstrip() + "\n")


def _environment(document: Document, name: str) -> list[str]:
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
        f"the benchmarks alone cause a load of about {machine['cores']}.",
    )
    return list(lines)


def _targets(document: Document) -> list[str]:
    slower = losses(document)
    note = (
        "Rows in which another tool took at least 5 % less wall time or CPU; the factors by which"
    )
    return [
        *("## Targets and results", "", *target_table(document), ""),
        *("## Where towline is slower", ""),
        *((f"{note} towline took more.", "", *slower) if slower else ("Nowhere in this run.",)),
        "",
    ]


def _rows(document: Document, charts: Path) -> list[str]:
    page: list[str] = []
    first = [row for row in document.rows if row.key in _FIRST]
    if first:
        _draw(charts / "pulls.svg", bars("From a registry and from archives into a store", first))
    for section, (title, note) in _SECTIONS.items():
        rows = [row for row in document.rows if row.section == section]
        if not rows:
            continue
        differences = [line for line in _differences(rows) if line not in page]
        page += [f"## {title}", "", note, "", *differences, ""]
        chart = f"{section}.svg"
        _draw(charts / chart, bars(title, rows))
        page += [f"![{title}: wall and CPU time](results/{chart})", ""]
        for row in rows:
            page += [f"### {row.title}", "", *row_table(row), ""]
        if section == "second":
            page += _in_process(document)
    return page


def _differences(rows: Sequence[Row]) -> list[str]:
    """How each contender of these rows differs from the others."""
    texts = {peer.name: peer.difference for peer in pulls.PEERS.values()}
    if rows[0].section == "archives":
        texts = loads.DIFFERENCES
    names = dict.fromkeys(name for row in rows for name in (*row.samples, *row.refused))
    return [f"* {name.rstrip(':')}: {texts[name]}" for name in names if name in texts]


def _in_process(document: Document) -> list[str]:
    if not document.second:
        return []
    pull, head = (median(document.second[name]) * 1000 for name in ("pull", "HEAD"))
    calls, requests = len(document.second["pull"]), document.second["requests a pull"][0]
    bodies = document.second["bytes of bodies a pull"][0]
    lines = (
        f"In one process, {calls} calls of `towline.pull` in turn with as many bare HEAD requests,",
        f"each on a new connection: {pull:.2f} ms per call, {head:.2f} ms per request,",
        f"a difference of {pull - head:.2f} ms (medians).",
        f"A call made {requests:g} requests and fetched {bodies:,.0f} bytes of bodies.",
    )
    return [*lines, ""]


def _curves(document: Document, charts: Path) -> list[str]:
    page = ["## How costs grow", ""] if document.curves else []
    for curve in document.curves:
        _draw(charts / f"curve-{curve.key}.svg", lines(curve))
        title = curve.title[0].upper() + curve.title[1:]
        page += [f"### {title}", "", f"![{title}](results/curve-{curve.key}.svg)", ""]
        page += [*curve_table(curve), ""]
    return page


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
    return ["## Not measured", "", *(f"* {each}" for each in document.left_out)]


def _draw(path: Path, svg: str) -> None:
    path.write_text(svg)
