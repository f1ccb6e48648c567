"""Single parts of towline, measured by pytest-benchmark in a separate process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.report.document import Part
from benchmarks.sections.bench import Bench

__all__ = ["parts"]

_ROOT = Path(__file__).parents[2]


def parts(bench: Bench) -> None:
    """Measure each part, with both cores if it has both."""
    report = bench.workspace.folder / "parts.json"
    command = [
        *(sys.executable, "-m", "pytest", "benchmarks/parts", "--quiet", "--benchmark-only"),
        *("--benchmark-enable", f"--benchmark-json={report}", "--benchmark-quiet"),
        *("--benchmark-min-rounds=3", "--benchmark-max-time=0.4", "--timeout=300"),
        *("-p", "no:cacheprovider"),
    ]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the parts could not be measured:\n{done.stdout}\n{done.stderr}")
    for measured in json.loads(report.read_text())["benchmarks"]:
        own, stats = measured["extra_info"], measured["stats"]
        part = Part(
            own["part"], own["core"], stats["median"], own["cpu"], stats["rounds"], own["size"]
        )
        bench.document.parts.append(part)
        rate = f", {part.size / part.wall / 1e9:.2f} GB/s" if part.size else ""
        bench.say(f"{part.name} {part.core}: {part.wall * 1000:.3f} ms{rate}")
