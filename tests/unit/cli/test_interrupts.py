"""Ctrl-C during start-up, a command and shutdown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import towline
from tests.support.towline_cli import CommandLine

# Sends the signal when a given module is imported, or at interpreter exit.
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
COMMANDS = {
    "python -m towline": [sys.executable, "-m", "towline"],
    "towline": [str(Path(sys.executable).with_name("towline"))],
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("moment", [*MODULES, "the end"])
def test_an_interrupt_prints_one_line(tmp_path: Path, command: list[str], moment: str) -> None:
    """The status is 130, and there is no traceback, during imports, a command and shutdown."""
    line = CommandLine.below(tmp_path)
    towline.open_store(line.root)
    (tmp_path / "sitecustomize.py").write_text(HOOK)
    done = subprocess.run(
        [*command, "images", "--root", line.root],
        env=line.environment | {"PYTHONPATH": str(tmp_path), "INTERRUPTED_AT": moment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "\ntowline: interrupted\n")
