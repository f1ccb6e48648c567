"""The real tools on this machine, and what becomes of a test whose tool is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import pytest

#: Turns every test that would be left out into a failure. `.ci/run` sets it.
REQUIRE_ALL = "TOWLINE_REQUIRE_ALL_TOOLS"

# Debian keeps some daemons in directories that are not on every user's PATH.
_SEARCH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])


class ToolError(AssertionError):
    """A real tool ended with an error; the message holds the command and what it wrote."""


def all_required() -> bool:
    """Whether a test may not be left out for want of a tool."""
    return os.environ.get(REQUIRE_ALL) == "1"


def leave_out(reason: str) -> NoReturn:
    """Leaves the running test out and says why, or fails it where no test may be left out."""
    if all_required():
        pytest.fail(f"{reason}, and {REQUIRE_ALL}=1 leaves no test out", pytrace=False)
    pytest.skip(reason)  # the only one: whatever cannot run here comes through this door


def require(command: str) -> Path:
    """The path of a real tool, or the running test is left out."""
    found = shutil.which(command, path=_SEARCH)
    if found is None:
        leave_out(f"{command} is not on this machine")
    return Path(found)


def run(
    *arguments: str | Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess[bytes]:
    """Runs a tool to its end, with nothing on its standard input.

    Raises:
        ToolError: it ended with another status than 0, and `check` was left on.
    """
    return _run([str(argument) for argument in arguments], env, cwd, check)


def _run(
    words: Sequence[str], env: Mapping[str, str] | None, cwd: Path | None, check: bool
) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=cwd,
        env=None if env is None else {**os.environ, **env},
        check=False,
    )
    if check and done.returncode != 0:
        said = (done.stdout + done.stderr).decode(errors="replace").strip()
        raise ToolError(f"{' '.join(words)}\nended with {done.returncode}:\n{said}")
    return done
