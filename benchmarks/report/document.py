"""The document of one run: everything that was measured, as JSON and back."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measuring.run import Sample

__all__ = ["Curve", "Document", "Part", "Point", "Row", "read", "write"]

Samples = dict[str, list[Sample]]


@dataclass(slots=True)
class Row:
    """Several contenders at the same work.

    Attributes:
        key: of the row, and of its chart.
        section: under which the page shows it.
        title: what the work is.
        samples: by contender; the first is the one that others are compared with.
        refused: why a contender has none.
        size: bytes of the image or archive, where it has some.
    """

    key: str
    section: str
    title: str
    samples: Samples
    refused: dict[str, str] = field(default_factory=dict)
    size: int = 0


@dataclass(slots=True)
class Point:
    """The same work at one place of a curve."""

    x: float
    samples: Samples


@dataclass(slots=True)
class Curve:
    """How costs grow with something.

    Attributes:
        key: of the curve, and of its chart.
        title: what grows.
        unit: of x.
        points: with x rising.
    """

    key: str
    title: str
    unit: str
    points: list[Point]


@dataclass(slots=True)
class Part:
    """One part of towline, alone.

    Attributes:
        name: of the part.
        core: ``native`` or ``twin``; empty where there is one form only.
        wall: seconds of one call, the median.
        cpu: seconds of CPU of one call, over all threads.
        rounds: how many calls were measured.
        size: bytes that a call goes through, else 0.
    """

    name: str
    core: str
    wall: float
    cpu: float
    rounds: int
    size: int = 0


@dataclass(slots=True)
class Document:
    """One run of the benchmarks.

    Attributes:
        date: of its beginning, ISO 8601.
        commit: of the towline that was measured.
        machine: as `benchmarks.measuring.machine` describes it.
        tools: their versions.
        left_out: what could not be measured here, and why.
        load: the load average before each section, and at the end.
        seconds: what each section took.
        rows, curves, parts: the results.
        second: seconds of calls in one process: second pulls, and bare requests beside them.
    """

    date: str
    commit: str
    machine: dict[str, Any]
    tools: dict[str, str]
    left_out: list[str] = field(default_factory=list)
    load: list[float] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    second: dict[str, list[float]] = field(default_factory=dict)


def write(document: Document, path: Path) -> None:
    """Keep a document; a sample takes one line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_layout(asdict(document)) + "\n")


def read(path: Path) -> Document:
    """A document as it was kept."""
    kept = json.loads(path.read_text())
    kept["rows"] = [Row(**row | {"samples": _samples(row["samples"])}) for row in kept["rows"]]
    kept["curves"] = [
        Curve(**curve | {"points": [_point(each) for each in curve["points"]]})
        for curve in kept["curves"]
    ]
    kept["parts"] = [Part(**part) for part in kept["parts"]]
    return Document(**kept)


def _point(kept: dict[str, Any]) -> Point:
    return Point(kept["x"], _samples(kept["samples"]))


def _samples(kept: dict[str, list[dict[str, Any]]]) -> Samples:
    return {name: [Sample(**sample) for sample in runs] for name, runs in kept.items()}


def _layout(value: object, indent: str = "") -> str:
    """JSON in which what holds nothing but plain values stands on one line."""
    deeper = indent + " "
    if isinstance(value, dict) and any(isinstance(each, dict | list) for each in value.values()):
        items = [f"{json.dumps(key)}: {_layout(each, deeper)}" for key, each in value.items()]
        return "{\n" + ",\n".join(deeper + item for item in items) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        items = [_layout(each, deeper) for each in value]
        return "[\n" + ",\n".join(deeper + item for item in items) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False)
