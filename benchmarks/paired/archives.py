"""Archives of an image, and what brings them into a store."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.paired.workloads import Workload

__all__ = ["KINDS", "commands", "made"]

KINDS = ("docker-archive", "oci-archive")


def made(workload: Workload, kind: str, policy: Path) -> Path:
    """The image as such an archive, beside its layout; made once, by skopeo."""
    path = workload.layout.with_suffix(f".{kind}.tar")
    if not path.exists():
        source = f"oci:{workload.layout}:{workload.name}"
        partial = path.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        target = f"{kind}:{partial}:localhost/{workload.name}:latest"
        command = ["skopeo", "--policy", str(policy), "copy", "--quiet", source, target]
        subprocess.run(command, check=True)
        partial.rename(path)
    return path


def commands(kind: str, archive: Path, target: Path, policy: Path) -> dict[str, Sequence[str]]:
    """What is measured, by name."""
    towline = [
        *(sys.executable, "-m", "towline", "pull", f"{kind}:{archive}", "--root", str(target)),
        *("--progress", "none", "--policy", str(policy)),
    ]
    skopeo = ["skopeo", "--policy", str(policy), "copy", "--quiet", f"{kind}:{archive}"]
    hashed = f"cp {archive} {target} && openssl dgst -sha256 {target}"
    return {
        "towline": towline,
        "skopeo to dir:": [*skopeo, f"dir:{target}"],
        "skopeo to oci:": [*skopeo, f"oci:{target}:image"],
        "cp, then openssl dgst": ["sh", "-c", hashed],
    }
