"""Whole processes that do little, to measure Python, the imports and a few requests."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.measuring.turns import Contender
from benchmarks.measuring.workspace import Workspace
from benchmarks.peers.pulls import contenders
from benchmarks.workloads.images import Image

__all__ = ["BARE", "IMPORT", "LIBRARIES", "REPEATED", "RESOLVE", "TINY", "VERSION", "processes"]

BARE = "python"
LIBRARIES = "import click, urllib3"
IMPORT = "import towline"
RESOLVE = "towline.resolve"
VERSION = "towline --version"
TINY = "towline pull, tiny"
REPEATED = "towline pull, repeated"

_RESOLVE = "import towline; towline.resolve('docker.io/library/alpine', {root!r})"


def processes(host: str, tiny: Image, workspace: Workspace, stored: Path) -> list[Contender]:
    """Return the commands of the section ``start``.

    Args:
        host: the registry, accessed over plain HTTP.
        tiny: a tiny image of it.
        workspace: the paths that commands use.
        stored: a store that has the image, or a directory for one that the first run makes.
    """
    program = str(Path(sys.executable).with_name("towline"))
    (first,) = contenders(("towline",), host, tiny, workspace)
    (again,) = contenders(("towline",), host, tiny, workspace, stored)
    resolve = _RESOLVE.format(root=str(workspace.folder / "none"))
    return [
        Contender(BARE, [sys.executable, "-c", "pass"]),
        Contender(LIBRARIES, [sys.executable, "-c", LIBRARIES]),
        Contender(IMPORT, [sys.executable, "-c", IMPORT], ours=True),
        Contender(RESOLVE, [sys.executable, "-c", resolve], ours=True),
        Contender(VERSION, [program, "--version"], ours=True),
        # The installed command instead of `python -m towline`.
        Contender(TINY, [program, *first.command[3:]], ours=True),
        Contender(REPEATED, [program, *again.command[3:]], ours=True),
    ]
