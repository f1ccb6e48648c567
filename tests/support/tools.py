"""Run the real tools on this machine, and skip tests whose tool is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import pytest

#: Turns every skipped test into a failure. `.ci/run` sets it.
REQUIRE_ALL = "TOWLINE_REQUIRE_ALL_TOOLS"

# Debian keeps some daemons in directories that are not on every user's PATH.
_SEARCH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])


class ToolError(AssertionError):
    """A real tool failed; the message contains the command and its output."""


def all_required() -> bool:
    """Whether a missing tool is a failure and not a reason to skip."""
    return os.environ.get(REQUIRE_ALL) == "1"


def skip(reason: str) -> NoReturn:
    """Skip the running test with a reason, or fail it if every tool is required."""
    if all_required():
        pytest.fail(f"{reason}, and {REQUIRE_ALL}=1 leaves no test out", pytrace=False)
    pytest.skip(reason)  # test_project.py checks that no other code skips tests


def require(command: str) -> Path:
    """The path of a real tool; skips the running test if the tool is missing."""
    found = shutil.which(command, path=_SEARCH)
    if found is None:
        skip(f"{command} is not on this machine")
    return Path(found)


def run(
    *arguments: str | Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess[bytes]:
    """Run a tool to its end, with an empty standard input.

    Raises:
        ToolError: `check` is set and the exit status is not 0.
    """
    return _run([str(argument) for argument in arguments], env, cwd, check)


def _run(
    command: Sequence[str], env: Mapping[str, str] | None, cwd: Path | None, check: bool
) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=cwd,
        env=None if env is None else {**os.environ, **env},
        check=False,
    )
    if check and done.returncode != 0:
        output = (done.stdout + done.stderr).decode(errors="replace").strip()
        raise ToolError(f"{' '.join(command)}\nended with {done.returncode}:\n{output}")
    return done
