"""The fixture tree: used in place, copied to a usable path, or generated."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "FIXTURES",
    "SPEC",
    "FixturesError",
    "fixture_root",
    "generate",
    "is_tree",
    "script",
    "work_directory",
]

#: ``spec/`` of the checkout that contains this package; an installed package has none.
SPEC = Path(__file__).resolve().parents[3] / "spec"
FIXTURES = SPEC / "fixtures"

_GENERATOR = "make_fixtures.py"
# The root is part of image names such as localhost/tmp/tl1234/root/x.
_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_USABLE = re.compile(rf"(?:/{_PART})+")


class FixturesError(Exception):
    """There is no fixture tree, and it cannot be generated."""


@contextlib.contextmanager
def work_directory() -> Iterator[Path]:
    """A temporary directory whose path can be part of an image name; removed at the end.

    Raises:
        FixturesError: no temporary directory of this host has such a path.
    """
    for parent in dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp")):
        resolved = Path(parent).resolve()
        if _USABLE.fullmatch(str(resolved)) and resolved.is_dir():
            break
    else:
        raise FixturesError("no temporary directory has a path in lower case; set TMPDIR")
    while not _USABLE.fullmatch(work := tempfile.mkdtemp(prefix="tl", dir=resolved)):
        Path(work).rmdir()  # its name ends with an underscore
    try:
        yield Path(work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def fixture_root(given: Path | None, work: Path) -> Path:
    """The root of the fixture tree.

    Args:
        given: a generated tree, or a directory with the generator; None for the checkout's.
        work: the directory in which a tree is generated or copied.

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


def is_tree(directory: Path) -> bool:
    """Whether the directory is a generated tree."""
    return (directory / "cwd").is_dir() and (directory / "registry" / "content.json").is_file()


def script(name: str, given: Path | None) -> Path:
    """The path of one of the three scripts: in the given directory, its parent, or the checkout.

    Raises:
        FixturesError: the script does not exist.
    """
    near = [] if given is None else [given, given.resolve().parent]
    for directory in (*near, FIXTURES):
        if (directory / name).is_file():
            return directory / name
    raise FixturesError(f"{name} is neither in the --fixtures directory nor in {FIXTURES}")


def generate(given: Path | None, root: Path) -> Path:
    """Generate the tree at `root` with the generator of the given directory or of the checkout.

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
