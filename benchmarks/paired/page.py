"""The page of the results: tables, and one chart as SVG, drawn here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from statistics import median
from typing import Any

__all__ = ["write_page"]

_TITLES = {
    "registry": "registry on loopback → store",
    "docker-archive": "docker-archive → store",
    "oci-archive": "oci-archive → store",
}
_ROW, _LEFT, _WIDE = 22, 210, 420
Runs = Mapping[str, Sequence[Mapping[str, float]]]


def write_page(document: Mapping[str, Any], name: str, folder: Path) -> None:
    """`RESULTS.md` and its charts, from one document of results."""
    machine = document["machine"]
    load = document["load"]
    size = document["workload"]["compressed"] / 1e6
    lines = [
        "# What was measured",
        "",
        (
            f"{document['date']}, {machine['processor']}, {document['cores']} cores, "
            f"{machine['system']}, Python {document['python']}; every sample is in "
            f"[`results/{name}`](results/{name}). Server and tools share the cores."
        ),
        (
            f"The image: {size:.0f} MB in {document['workload']['layers']} gzip layers, real files "
            "of this machine. Nobody syncs blobs; the page cache is warm. Medians of runs in turn."
        ),
        (
            f"Load average on the way: {', '.join(f'{each:.1f}' for each in load)} "
            "(above the number of cores, others were at work, and wall times say little)."
        ),
    ]
    for kind, runs in document["runs"].items():
        chart = f"results/{kind}.svg"
        (folder / chart).write_text(_chart(_TITLES[kind], runs))
        lines += ["", f"## {_TITLES[kind]}", "", *_table(runs), "", f"![{kind}]({chart})"]
    (folder / "RESULTS.md").write_text("\n".join(lines) + "\n")


def _medians(runs: Sequence[Mapping[str, float]], what: str) -> float:
    return median(sample[what] for sample in runs)


def _table(runs: Runs) -> list[str]:
    first = next(iter(runs))
    own = _medians(runs[first], "wall")
    lines = [
        "| | wall s | lowest to highest | CPU s | peak MB | wall, towline = 1 |",
        "|---|---|---|---|---|---|",
    ]
    for name, samples in runs.items():
        walls = [sample["wall"] for sample in samples]
        lines.append(
            f"| {name} | {median(walls):.2f} | {min(walls):.2f} to {max(walls):.2f} "
            f"| {_medians(samples, 'cpu'):.2f} | {_medians(samples, 'peak') / 1e6:.0f} "
            f"| {median(walls) / own:.2f} |"
        )
    return lines


def _chart(title: str, runs: Runs) -> str:
    """Bars of wall time, and within each the CPU time as a line."""
    most = max(max(_medians(each, "wall"), _medians(each, "cpu")) for each in runs.values())
    height = _ROW * len(runs) + 40
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDE + 80}" '
            f'height="{height}" font-family="sans-serif" font-size="12">'
        ),
        '<rect width="100%" height="100%" fill="white"/>',
        (
            f'<text x="8" y="18" font-weight="bold">{escape(title)}: seconds (bar wall, line CPU)'
            "</text>"
        ),
    ]
    for number, (name, samples) in enumerate(runs.items()):
        top = 30 + number * _ROW
        wall, cpu = _medians(samples, "wall"), _medians(samples, "cpu")
        fill = "#1f6f8b" if name.startswith("towline") else "#b9c4c9"
        width, line = wall / most * _WIDE, _LEFT + cpu / most * _WIDE
        parts += [
            f'<text x="8" y="{top + 13}">{escape(name)}</text>',
            f'<rect x="{_LEFT}" y="{top}" width="{width:.1f}" height="16" fill="{fill}"/>',
            f'<path d="M{line:.1f} {top - 1}v18" stroke="#c0392b" stroke-width="2"/>',
            f'<text x="{_LEFT + _WIDE + 10}" y="{top + 13}">{wall:.2f}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])
