"""The results of one run, and their JSON format."""

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
    """The samples of several contenders for the same work.

    Attributes:
        key: the key of the row and its chart.
        section: the section of the page.
        title: describes the work.
        samples: by contender; the others are compared with the first.
        refused: the errors of contenders without samples.
        size: bytes of the image or archive, 0 if unknown.
    """

    key: str
    section: str
    title: str
    samples: Samples
    refused: dict[str, str] = field(default_factory=dict)
    size: int = 0


@dataclass(slots=True)
class Point:
    """The samples at one x of a curve."""

    x: float
    samples: Samples


@dataclass(slots=True)
class Curve:
    """Costs as a function of x.

    Attributes:
        key: the key of the curve and its chart.
        title: describes the work and x.
        unit: the unit of x.
        points: in increasing order of x.
    """

    key: str
    title: str
    unit: str
    points: list[Point]


@dataclass(slots=True)
class Part:
    """The costs of one part of towline, measured alone.

    Attributes:
        name: the name of the part.
        core: ``native`` or ``twin``; empty if there is only one implementation.
        wall: median seconds of one call.
        cpu: median CPU seconds of one call, over all threads.
        rounds: the number of measured calls.
        size: bytes that a call processes, 0 if that has no meaning.
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
        date: the start of the run, ISO 8601.
        commit: the measured commit of towline.
        machine: as `benchmarks.measuring.machine.describe` returns it.
        tools: the versions of the tools.
        left_out: the omitted measurements, with reasons.
        load: the load average before each section and at the end.
        seconds: the duration of each section.
        rows, curves, parts: the results.
        second: seconds of second pulls and of bare requests in one process.
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
    """Write a document as JSON; a sample takes one line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_layout(asdict(document)) + "\n")


def read(path: Path) -> Document:
    """Read a document that `write` wrote."""
    data = json.loads(path.read_text())
    data["rows"] = [Row(**row | {"samples": _samples(row["samples"])}) for row in data["rows"]]
    data["curves"] = [
        Curve(**curve | {"points": [_point(each) for each in curve["points"]]})
        for curve in data["curves"]
    ]
    data["parts"] = [Part(**part) for part in data["parts"]]
    return Document(**data)


def _point(data: dict[str, Any]) -> Point:
    return Point(data["x"], _samples(data["samples"]))


def _samples(data: dict[str, list[dict[str, Any]]]) -> Samples:
    return {name: [Sample(**sample) for sample in runs] for name, runs in data.items()}


def _layout(value: object, indent: str = "") -> str:
    """Format JSON; a list or object of scalar values takes one line."""
    deeper = indent + " "
    if isinstance(value, dict) and any(isinstance(each, dict | list) for each in value.values()):
        items = [f"{json.dumps(key)}: {_layout(each, deeper)}" for key, each in value.items()]
        return "{\n" + ",\n".join(deeper + item for item in items) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        items = [_layout(each, deeper) for each in value]
        return "[\n" + ",\n".join(deeper + item for item in items) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False)
