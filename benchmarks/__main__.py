"""All benchmarks: ``python -m benchmarks``, which is what ``make bench`` runs.

Keeps every sample as a dated JSON in ``benchmarks/results/``, and draws `RESULTS.md` from it.
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
from benchmarks.measuring.run import CommandError, can_be_even
from benchmarks.measuring.workspace import workspace
from benchmarks.report.document import Document, read, write
from benchmarks.report.page import write_page
from benchmarks.sections import curves, pulls
from benchmarks.sections.again import again
from benchmarks.sections.archives import archives
from benchmarks.sections.bench import Bench
from benchmarks.sections.made import make_workloads
from benchmarks.sections.parts import parts
from benchmarks.serving.registry import registry

_HERE = Path(__file__).parent
_PEERS = ("skopeo", "podman", "crane", "curl", "openssl")
_SPACE = 20e9  # bytes that must be free
_LATE = 20  # seconds
_FEW = 3
#: In this order; beside each the seconds that it may take on two cores, 15 minutes for all.
SECTIONS: dict[str, tuple[int, Callable[[Bench], None]]] = {
    "workloads": (120, make_workloads),
    "parts": (50, parts),
    "warm": (190, pulls.warm),
    "archives": (150, archives),
    "second": (20, again),
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
    """Measure, keep, draw."""
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
    # Where install_peers.sh puts what no package has.
    os.environ["PATH"] += f"{os.pathsep}{arguments.cache / 'bin'}"
    now = datetime.now(UTC)
    document = Document(
        now.isoformat(timespec="seconds"), _commit(), machine.described(), machine.versions()
    )
    path = arguments.results / "results" / f"{now.strftime('%Y-%m-%d-%H%M')}.json"
    with workspace(arguments.cache) as here, registry(arguments.cache) as server:
        bench = Bench(arguments.cache, here, server, document)
        bench.pairs, bench.small = arguments.pairs, arguments.small
        for peer in _PEERS:
            if machine.find(peer) is None:
                bench.leave_out(f"{peer} (not on this machine)")
        if not can_be_even():
            bench.own_flushes = True
            bench.leave_out("equal durability (the kernel does not let flushes be held back)")
        for name, (_, section) in SECTIONS.items():
            if not arguments.only or name in (*arguments.only, "workloads"):
                _one(bench, name, section)
                # Kept after each, so that an interrupted run leaves what it has.
                write(document, path)
    document.load.append(machine.load())
    write(document, path)
    write_page(document, path.name, arguments.results)
    bench.say(f"done: {arguments.results / 'RESULTS.md'}, {path}")


def _keep_time(bench: Bench, name: str) -> None:
    """Where a slow or busy machine is behind the plan, what is not a main row is measured once."""
    before = list(SECTIONS)[: list(SECTIONS).index(name)]
    planned = sum(SECTIONS[each][0] for each in before)
    late = time.monotonic() - bench.begun - planned
    bench.few = 1 if late > _LATE else min(_FEW, bench.pairs)
    if late > _LATE:
        bench.say(f"behind the plan by {late:.0f} s: what is not a main row is measured once")


def _one(bench: Bench, name: str, section: Callable[[Bench], None]) -> None:
    bench.document.load.append(machine.load())
    bench.say(f"== {name}, {SECTIONS[name][0]} s planned")
    _keep_time(bench, name)
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
        help=f"only these: {', '.join(SECTIONS)}",
    )
    parser.add_argument("--small", action="store_true", help="workloads of a tenth, to try it")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("/var/tmp/towline-benchmarks"),
        metavar="DIR",
        help="where workloads are kept for the next run; 20 GB (%(default)s)",
    )
    parser.add_argument(
        "--results",
        type=Path,
        default=_HERE,
        metavar="DIR",
        help="where the page, its charts and the JSON go (benchmarks/)",
    )
    parser.add_argument(
        "--draw",
        type=Path,
        metavar="JSON",
        help="measure nothing; the page again, from such a JSON",
    )
    return parser.parse_args()


def _commit() -> str:
    asked = ["git", "-C", str(_HERE), "rev-parse", "--short=12", "HEAD"]
    told = subprocess.run(asked, capture_output=True, text=True, check=False)
    return told.stdout.strip()


if __name__ == "__main__":
    main()
