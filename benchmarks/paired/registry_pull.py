"""Pulls from a registry on loopback, towline beside its peers.

Prints a table of medians with their spread, and writes every sample as JSON where asked.  Neither
side syncs blobs to the disk; the page cache is warm on both.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.paired.measure import Sample, run, spread
from benchmarks.paired.peers import PEERS, Peer, Pull
from benchmarks.paired.workloads import Workload, usr_image
from tests.support.registry import serve

_MB = 1_000_000


def main() -> None:
    """Measure, print, and write the samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=900, help="compressed size of the image")
    parser.add_argument("--pairs", type=int, default=7, help="runs of each tool")
    parser.add_argument("--cache", type=Path, default=Path("/var/tmp/towline-benchmarks"))
    parser.add_argument("--json", type=Path, help="where all samples are written")
    arguments = parser.parse_args()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    workload = usr_image(arguments.cache, arguments.megabytes * _MB)
    samples = measure(workload, arguments.pairs)
    print_table(workload, samples)
    if arguments.json:
        arguments.json.write_text(json.dumps(report(workload, samples), indent=1) + "\n")


def measure(workload: Workload, pairs: int) -> dict[str, list[Sample]]:
    """Every installed peer in turn, `pairs` times, after one unmeasured round."""
    with tempfile.TemporaryDirectory(prefix="towline-bench-", dir="/var/tmp") as folder:
        here = Path(folder)
        policy = here / "policy.json"
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        with serve(here / "registry") as server:
            push(workload, server.host, policy)
            peers = [peer for peer in PEERS if peer.installed]
            samples: dict[str, list[Sample]] = {peer.name: [] for peer in peers}
            for number in range(-1, pairs):
                for peer in peers:
                    sample = one(peer, workload, server.host, policy, here)
                    if number >= 0:
                        samples[peer.name].append(sample)
    return samples


def push(workload: Workload, host: str, policy: Path) -> None:
    """Bring the image into the registry, as it is."""
    source = f"oci:{workload.layout}:{workload.name}"
    command = ["skopeo", "--policy", str(policy), "copy", "--quiet", "--dest-tls-verify=false"]
    subprocess.run([*command, source, f"docker://{host}/{workload.name}"], check=True)


def one(peer: Peer, workload: Workload, host: str, policy: Path, here: Path) -> Sample:
    """One pull by one peer into a fresh directory."""
    target = here / "target"
    shutil.rmtree(target, ignore_errors=True)
    pull = Pull(host, workload.name, workload.layers, target, policy)
    return run(peer.command(pull), here / "log")


def print_table(workload: Workload, samples: dict[str, list[Sample]]) -> None:
    """Medians, with lowest and highest wall time."""
    print(f"{workload.compressed / _MB:.0f} MB in {len(workload.layers)} gzip layers")
    print(f"{'':28}{'wall s':>8}{'low':>8}{'high':>8}{'CPU s':>8}{'peak MB':>9}")
    for name, runs in samples.items():
        wall = spread([sample.wall for sample in runs])
        cpu = spread([sample.cpu for sample in runs]).median
        peak = spread([sample.peak for sample in runs]).median / _MB
        row = f"{wall.median:8.2f}{wall.low:8.2f}{wall.high:8.2f}{cpu:8.2f}{peak:9.0f}"
        print(f"{name:28}{row}")


def report(workload: Workload, samples: dict[str, list[Sample]]) -> dict[str, object]:
    """Everything that was measured, and where."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"system": platform.platform(), "processor": _processor()},
        "python": sys.version.split()[0],
        "workload": {"compressed": workload.compressed, "layers": len(workload.layers)},
        "samples": {name: [asdict(run) for run in runs] for name, runs in samples.items()},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.processor()


if __name__ == "__main__":
    main()
