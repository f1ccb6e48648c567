"""The fixture tree: taken as it is, copied to a usable place, or generated on the fly."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = [
    "FIXTURES",
    "SPEC",
    "FixturesError",
    "fixture_root",
    "generate",
    "is_tree",
    "script",
    "workplace",
]

#: ``spec/`` of the checkout that this package lies in; an installed package has none.
SPEC = Path(__file__).resolve().parents[3] / "spec"
FIXTURES = SPEC / "fixtures"

_GENERATOR = "make_fixtures.py"
# The root becomes part of names such as localhost/tmp/tl1234/root/x.
_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_USABLE = re.compile(rf"(?:/{_PART})+")


class FixturesError(Exception):
    """There is no fixture tree, and none can be made."""


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """A temporary folder whose path can be part of an image name; removed in the end.

    Raises:
        FixturesError: no temporary folder of this machine has such a path.
    """
    for parent in dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp")):
        resolved = Path(parent).resolve()
        if _USABLE.fullmatch(str(resolved)) and resolved.is_dir():
            break
    else:
        raise FixturesError("no temporary folder has a path in lower case; set TMPDIR")
    while not _USABLE.fullmatch(made := tempfile.mkdtemp(prefix="tl", dir=resolved)):
        Path(made).rmdir()  # one that ends with an underscore
    try:
        yield Path(made)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def fixture_root(given: Path | None, work: Path) -> Path:
    """The root of the fixture tree.

    Args:
        given: a generated tree, or a folder that holds the generator; None for the checkout's.
        work: where a tree can be made or copied to.

    Raises:
        FixturesError: `given` is neither, or the generator failed.
    """
    if given is None or not is_tree(given):
        return generate(given, work / "root")
    root = given.resolve()
    if _USABLE.fullmatch(str(root)):
        return root
    shutil.copytree(root, work / "root", symlinks=True)
    return work / "root"


def is_tree(folder: Path) -> bool:
    """Whether the folder is a generated tree."""
    return (folder / "cwd").is_dir() and (folder / "registry" / "content.json").is_file()


def script(name: str, given: Path | None) -> Path:
    """One of the three scripts: from the given folder, its parent, or the checkout.

    Raises:
        FixturesError: it is nowhere.
    """
    near = [] if given is None else [given, given.resolve().parent]
    for folder in (*near, FIXTURES):
        if (folder / name).is_file():
            return folder / name
    raise FixturesError(f"{name} is neither in the folder given with --fixtures nor in {FIXTURES}")


def generate(given: Path | None, root: Path) -> Path:
    """Make the tree at `root`, by the generator of the given folder or the checkout's.

    Raises:
        FixturesError: there is no generator, or it failed.
    """
    generator = script(_GENERATOR, given)
    done = subprocess.run(
        [sys.executable, generator, root], capture_output=True, text=True, check=False
    )
    if done.returncode != 0 or not is_tree(root):
        raise FixturesError(f"{generator} failed: {done.stderr.strip()[-2000:]}")
    return root
