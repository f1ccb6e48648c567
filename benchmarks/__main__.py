"""Run all benchmarks: ``python -m benchmarks``, used by ``make bench``.

Writes every sample to a dated JSON file in ``benchmarks/results/``, and generates `RESULTS.md`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measuring import machine
from benchmarks.measuring.run import CommandError, can_ignore_flushes
from benchmarks.measuring.workspace import workspace
from benchmarks.report.document import Document, read, write
from benchmarks.report.page import write_page
from benchmarks.sections import curves, pulls
from benchmarks.sections.archives import archives
from benchmarks.sections.bench import Bench
from benchmarks.sections.parts import parts
from benchmarks.sections.prepare import make_workloads
from benchmarks.sections.second_pull import second_pull
from benchmarks.sections.start import start
from benchmarks.serving.registry import registry

_HERE = Path(__file__).parent
_PEERS = ("skopeo", "podman", "crane", "curl", "openssl")
_SPACE = 20e9  # bytes of free disk space required
_LATE = 20  # seconds
_FEW = 3
#: The sections in order, with the planned seconds of each on two cores; 15 minutes in total.
SECTIONS: dict[str, tuple[int, Callable[[Bench], None]]] = {
    "workloads": (120, make_workloads),
    "parts": (50, parts),
    "start": (35, start),
    "warm": (190, pulls.warm),
    "archives": (150, archives),
    "second": (20, second_pull),
    "cold": (25, pulls.cold),
    "flushed": (20, pulls.flushed),
    "links": (70, pulls.links),
    "podman": (60, pulls.unpacking),
    "size": (110, curves.sizes),
    "layers": (35, curves.layers),
    "files": (15, curves.files),
    "store": (20, curves.stores),
}


def main() -> None:
    """Measure, write the samples, and generate the page."""
    arguments = _arguments()
    if arguments.draw:
        write_page(read(arguments.draw), arguments.draw.name, arguments.results)
        return
    if machine.find("docker-registry") is None:
        sys.exit(
            "make bench: docker-registry is not on this machine, and nothing can be pulled"
            " without a registry; on Debian: apt-get install docker-registry"
        )
    arguments.cache.mkdir(parents=True, exist_ok=True)
    if not arguments.small and shutil.disk_usage(arguments.cache).free < _SPACE:
        sys.exit(
            f"make bench: {_SPACE / 1e9:.0f} GB of free space are needed at {arguments.cache};"
            " elsewhere with BENCH_CACHE=DIR, or BENCH_ARGS=--small for a tenth of it"
        )
    # install_peers.sh installs tools without a package there.
    os.environ["PATH"] += f"{os.pathsep}{arguments.cache / 'bin'}"
    now = datetime.now(UTC)
    document = Document(
        now.isoformat(timespec="seconds"), _commit(), machine.describe(), machine.versions()
    )
    path = arguments.results / "results" / f"{now.strftime('%Y-%m-%d-%H%M')}.json"
    with workspace(arguments.cache) as work, registry(arguments.cache) as server:
        bench = Bench(arguments.cache, work, server, document)
        bench.pairs, bench.small = arguments.pairs, arguments.small
        for peer in _PEERS:
            if machine.find(peer) is None:
                bench.omit(f"{peer} (not on this machine)")
        if not can_ignore_flushes():
            bench.real_flushes = True
            bench.omit("equal durability (the kernel cannot make flushes do nothing)")
        for name, (_, section) in SECTIONS.items():
            if not arguments.only or name in (*arguments.only, "workloads"):
                _run_section(bench, name, section)
                # Written after each section, so that an interrupted run keeps its results.
                write(document, path)
    document.load.append(machine.load())
    write(document, path)
    write_page(document, path.name, arguments.results)
    bench.say(f"done: {arguments.results / 'RESULTS.md'}, {path}")


def _reduce_rounds_if_late(bench: Bench, name: str) -> None:
    """If the run is behind the plan, measure everything except the main rows only once."""
    before = list(SECTIONS)[: list(SECTIONS).index(name)]
    planned = sum(SECTIONS[each][0] for each in before)
    late = time.monotonic() - bench.begun - planned
    bench.few = 1 if late > _LATE else min(_FEW, bench.pairs)
    if late > _LATE:
        bench.say(f"{late:.0f} s behind the plan: only the main rows are measured repeatedly")


def _run_section(bench: Bench, name: str, section: Callable[[Bench], None]) -> None:
    bench.document.load.append(machine.load())
    bench.say(f"== {name}, {SECTIONS[name][0]} s planned")
    _reduce_rounds_if_late(bench, name)
    begun = time.monotonic()
    try:
        section(bench)
    except CommandError as failed:
        sys.exit(f"make bench: {failed}")
    bench.document.seconds[name] = round(time.monotonic() - begun, 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--pairs", type=int, default=7, help="runs of each tool in the main rows (%(default)s)"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=tuple(SECTIONS),
        metavar="SECTION",
        help=f"run only these sections: {', '.join(SECTIONS)}",
    )
    parser.add_argument("--small", action="store_true", help="use a tenth of the workloads")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("/var/tmp/towline-benchmarks"),
        metavar="DIR",
        help="directory of the workloads, kept between runs; 20 GB (%(default)s)",
    )
    parser.add_argument(
        "--results",
        type=Path,
        default=_HERE,
        metavar="DIR",
        help="directory for the page, its charts and the JSON (benchmarks/)",
    )
    parser.add_argument(
        "--draw",
        type=Path,
        metavar="JSON",
        help="measure nothing; generate the page from this JSON",
    )
    return parser.parse_args()


def _commit() -> str:
    command = ["git", "-C", str(_HERE), "rev-parse", "--short=12", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    main()
