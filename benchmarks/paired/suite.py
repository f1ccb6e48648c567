"""All paired runs: ``python -m benchmarks.paired.suite``.

Writes every sample as dated JSON into ``benchmarks/results/``, and draws `RESULTS.md` from it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.paired import archives
from benchmarks.paired.measure import Sample, run
from benchmarks.paired.page import write_page
from benchmarks.paired.registry_pull import measure, report
from benchmarks.paired.workloads import Workload, usr_image

_HERE = Path(__file__).parents[1]
_MB = 1_000_000
Samples = Mapping[str, Sequence[Sample]]


def main() -> None:
    """Measure, keep, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=950, help="size of the image, about")
    parser.add_argument("--pairs", type=int, default=7, help="runs of each tool")
    parser.add_argument("--cache", type=Path, default=Path("/var/tmp/towline-benchmarks"))
    arguments = parser.parse_args()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    workload = usr_image(arguments.cache, arguments.megabytes * _MB)
    path = _HERE / "results" / f"{datetime.now(UTC).strftime('%Y-%m-%d-%H%M')}.json"
    path.parent.mkdir(exist_ok=True)
    load = [os.getloadavg()[0]]
    runs: dict[str, object] = {}
    for kind in ("registry", *archives.KINDS):
        if kind == "registry":
            samples: Samples = measure(workload, arguments.pairs)
        else:
            samples = _archive(kind, workload, arguments.pairs)
        runs[kind] = _plain(samples)
        load.append(os.getloadavg()[0])
        # Kept after each, so that an interrupted run leaves what it has.
        document = report(workload, {}) | {"cores": os.cpu_count(), "load": load, "runs": runs}
        path.write_text(json.dumps(document, indent=1) + "\n")
        write_page(document, path.name, _HERE)


def _plain(samples: Samples) -> dict[str, list[dict[str, object]]]:
    return {name: [asdict(sample) for sample in runs] for name, runs in samples.items()}


def _archive(kind: str, workload: Workload, pairs: int) -> dict[str, list[Sample]]:
    with tempfile.TemporaryDirectory(prefix="towline-bench-", dir="/var/tmp") as folder:
        here = Path(folder)
        policy = here / "policy.json"
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        archive = archives.made(workload, kind, policy)
        target = here / "target"
        commands = archives.commands(kind, archive, target, policy)
        return _alternating(commands, pairs, here / "log", lambda: _remove(target))


def _alternating(
    commands: Mapping[str, Sequence[str]], pairs: int, log: Path, clean: Callable[[], None]
) -> dict[str, list[Sample]]:
    """Each command in turn, after one unmeasured round."""
    samples: dict[str, list[Sample]] = {name: [] for name in commands}
    for number in range(-1, pairs):
        for name, command in commands.items():
            clean()
            sample = run(command, log)
            if number >= 0:
                samples[name].append(sample)
    clean()
    return samples


def _remove(target: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
