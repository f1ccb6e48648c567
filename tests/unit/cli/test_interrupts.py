"""Ctrl-C, wherever the command line is just then."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import towline
from tests.support.towline_cli import CommandLine

# Sends the signal while a certain module is looked for, or after the last line of all.
HOOK = """
import atexit, os, signal, sys

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == os.environ["INTERRUPTED_AT"]:
            interrupt()

sys.meta_path.insert(0, Finder)
if os.environ["INTERRUPTED_AT"] == "the end":
    atexit.register(interrupt)
"""
MODULES = ["towline.cli.command", "click", "towline.cli.store_commands"]
WAYS = {
    "python -m towline": [sys.executable, "-m", "towline"],
    "towline": [str(Path(sys.executable).with_name("towline"))],
}


@pytest.mark.parametrize("command", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("place", [*MODULES, "the end"])
def test_an_interrupt_is_told_in_one_line(tmp_path: Path, command: list[str], place: str) -> None:
    """Status 130 and no traceback: while commands are loaded, at work, and while it ends."""
    line = CommandLine.below(tmp_path)
    towline.open_store(line.root)
    (tmp_path / "sitecustomize.py").write_text(HOOK)
    done = subprocess.run(
        [*command, "images", "--root", line.root],
        env=line.environment | {"PYTHONPATH": str(tmp_path), "INTERRUPTED_AT": place},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "\ntowline: interrupted\n")
