"""Archives of an image, created by real tools in the folder of its layout."""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks.workloads.images import Image

__all__ = ["archive", "compressed"]


def archive(image: Image, kind: str, policy: Path) -> Path:
    """The image as ``docker-archive`` or ``oci-archive``, created by skopeo."""
    path = image.layout.with_suffix(f".{kind}.tar")
    if not path.exists():
        partial = path.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        source = f"oci:{image.layout}:{image.name}"
        target = f"{kind}:{partial}:localhost/{image.name}:latest"
        command = ["skopeo", "--policy", str(policy), "copy", "--quiet", source, target]
        subprocess.run(command, check=True)
        partial.rename(path)
    return path


def compressed(tar: Path) -> Path:
    """The file compressed by ``gzip -1``."""
    path = tar.with_suffix(".tar.gz")
    if not path.exists():
        partial = path.with_suffix(".partial")
        with partial.open("wb") as output:
            subprocess.run(["gzip", "-1", "-n", "-c", str(tar)], stdout=output, check=True)
        partial.rename(path)
    return path
