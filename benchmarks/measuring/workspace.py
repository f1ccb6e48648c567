"""The folder in which commands are measured, and what they leave behind."""

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
    """Where everything of one measurement lies.

    Attributes:
        folder: on a disk, beside the cache of the workloads.
        policy: a policy.json that accepts anything.
        target: what commands write; does not exist when one starts.
        log: what the last command printed.
        run_root: for podman, which allows it 50 characters.
    """

    folder: Path
    policy: Path
    target: Path
    log: Path
    run_root: Path

    def clean(self) -> None:
        """Remove what the last command wrote."""
        remove(self.target)
        remove(self.run_root)


@contextlib.contextmanager
def workspace(parent: Path) -> Iterator[Workspace]:
    """A fresh one, gone at the end."""
    with (
        tempfile.TemporaryDirectory(prefix="run-", dir=parent) as folder,
        tempfile.TemporaryDirectory(prefix="tl-bench-", dir="/tmp") as short,
    ):
        here = Path(folder)
        policy = here / "policy.json"
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        made = Workspace(here, policy, here / "target", here / "log", Path(short, "run"))
        try:
            yield made
        finally:
            made.clean()


def remove(path: Path) -> None:
    """Remove a file, a folder, or a store of podman with what it mounted on itself."""
    if path.is_dir():
        for mount in reversed(_MOUNTS.read_text().splitlines()):
            place = mount.split(" ")[4]
            if place.startswith(f"{path}/"):
                subprocess.run(["umount", "--lazy", place], check=True)
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def can_drop_caches() -> bool:
    """Whether the page cache can be emptied here: by root, outside most containers."""
    return os.access(_DROP, os.W_OK)


def drop_caches() -> None:
    """Empty the page cache, and the caches of names and inodes."""
    os.sync()
    _DROP.write_text("3")
