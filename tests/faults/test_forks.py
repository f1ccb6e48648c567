"""A process that is forked while a lock is held neither keeps the lock nor releases it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def run(*arguments: str) -> str:
    """The output of the forking process."""
    command = [sys.executable, "-m", "tests.support.forking_process", *arguments]
    return subprocess.check_output(command, text=True, timeout=60, cwd=Path(__file__).parents[2])


@pytest.mark.parametrize("how", ["sleep", "unwind"])
def test_a_fork_at_each_lock_changes_nothing(tmp_path: Path, how: str) -> None:
    """Images are stored, removed and collected, however long the forked processes live."""
    assert int(run(str(tmp_path / "store"), how)) > 15


def test_a_forked_process_can_use_the_pauses_of_hosts() -> None:
    """Another thread of its parent held their lock."""
    run("pauses")
