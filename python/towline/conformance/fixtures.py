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
    "script_command",
    "work_directory",
]

#: The data of the suite.  In a checkout it is a link to ``spec/``; pyproject.toml lists the files
#: that an installed package has.
SPEC = (Path(__file__).parent / "spec").resolve()
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
        FixturesError: no temporary directory of this host is writable and has such a path.
    """
    parents = dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp"))
    work = next(filter(None, map(_made_below, map(Path, parents))), None)
    if work is None:
        raise FixturesError("no writable temporary directory has a path in lower case; set TMPDIR")
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _made_below(parent: Path) -> Path | None:
    """A new directory whose path can be part of an image name; None if it cannot be made."""
    resolved = parent.resolve()
    if not _USABLE.fullmatch(str(resolved)):
        return None
    try:
        while not _USABLE.fullmatch(work := tempfile.mkdtemp(prefix="tl", dir=resolved)):
            Path(work).rmdir()  # its name ends with an underscore
    except OSError:
        return None
    return Path(work)


def fixture_root(given: Path | None, work: Path) -> Path:
    """The root of the fixture tree.

    Args:
        given: a generated tree, or a directory with the generator; None for the suite's.
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
    """The path of one of the three scripts: in the given directory, its parent, or the suite.

    Raises:
        FixturesError: the script does not exist.
    """
    near = [] if given is None else [given, given.resolve().parent]
    for directory in (*near, FIXTURES):
        if (directory / name).is_file():
            return directory / name
    raise FixturesError(f"{name} is neither in the --fixtures directory nor in {FIXTURES}")


def script_command(program: Path, *arguments: str | Path) -> list[str]:
    """The command line of a script.

    The script runs in UTF-8, reads no variables for Python, such as PYTHONSAFEPATH, and writes no
    bytecode next to the data.
    """
    options = ("-E", "-B", "-X", "utf8")
    return [sys.executable, *options, str(program), *map(str, arguments)]


def generate(given: Path | None, root: Path) -> Path:
    """Generate the tree at `root` with the generator of the given directory or of the suite.

    Raises:
        FixturesError: there is no generator, or it failed.
    """
    generator = script(_GENERATOR, given)
    done = subprocess.run(
        script_command(generator, root), capture_output=True, text=True, check=False
    )
    if done.returncode != 0 or not is_tree(root):
        raise FixturesError(f"{generator} failed: {done.stderr.strip()[-2000:]}")
    return root
