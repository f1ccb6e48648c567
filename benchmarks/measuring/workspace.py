"""The folder that measured commands use, and its cleanup."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Workspace", "can_drop_caches", "drop_caches", "remove", "workspace"]

_DROP = Path("/proc/sys/vm/drop_caches")
_MOUNTS = Path("/proc/self/mountinfo")


@dataclass(frozen=True, slots=True)
class Workspace:
    """The paths that measured commands use.

    Attributes:
        folder: on the same disk as the cache of the workloads.
        policy: a policy.json that accepts every image.
        target: the output of a command; it does not exist when a command starts.
        log: the printed output of the last command.
        run_root: the run root of podman, which allows at most 50 characters.
    """

    folder: Path
    policy: Path
    target: Path
    log: Path
    run_root: Path

    def clean(self) -> None:
        """Remove the output of the last command."""
        remove(self.target)
        remove(self.run_root)


@contextlib.contextmanager
def workspace(parent: Path) -> Iterator[Workspace]:
    """Create a new workspace, and remove it at the end."""
    with (
        tempfile.TemporaryDirectory(prefix="run-", dir=parent) as folder,
        tempfile.TemporaryDirectory(prefix="tl-bench-", dir="/tmp") as short,
    ):
        path = Path(folder)
        policy = path / "policy.json"
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        work = Workspace(path, policy, path / "target", path / "log", Path(short, "run"))
        try:
            yield work
        finally:
            work.clean()


def remove(path: Path) -> None:
    """Remove a file, a folder, or a store of podman with the mounts in it."""
    if path.is_dir():
        for mount in reversed(_MOUNTS.read_text().splitlines()):
            mount_point = mount.split(" ")[4]
            if mount_point.startswith(f"{path}/"):
                subprocess.run(["umount", "--lazy", mount_point], check=True)
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def can_drop_caches() -> bool:
    """Whether this process may empty the page cache: root outside most containers."""
    return os.access(_DROP, os.W_OK)


def drop_caches() -> None:
    """Empty the page cache and the caches of dentries and inodes."""
    os.sync()
    _DROP.write_text("3")
