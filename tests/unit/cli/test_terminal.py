"""What comes where, when standard error is a terminal."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

from tests.support.towline_cli import CommandLine

EXAMPLE = Path(__file__).parents[3] / "examples" / "hello.tar"


def on_a_terminal(line: CommandLine, *words: str) -> tuple[int, str, str]:
    """The status of a pull, its standard output in a pipe, and what the terminal got."""
    ours, theirs = os.openpty()
    try:
        done = subprocess.run(
            line.arguments("pull", *words),
            env=line.environment | {"TERM": "xterm", "COLUMNS": "60"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=theirs,
            check=False,
        )
    finally:
        os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError), os.fdopen(ours, "rb", buffering=0) as terminal:
        while piece := terminal.read(1 << 16):  # its end is an error on Linux
            shown += piece
    return done.returncode, done.stdout.decode(), shown.decode()


def test_names_go_to_standard_output_and_errors_stay_whole(tmp_path: Path) -> None:
    """The bars take neither; they are gone before the next thing is printed."""
    line = CommandLine.below(tmp_path)
    status, told, shown = on_a_terminal(line, f"oci-archive:{EXAMPLE}", "docker-archive:gone.tar")
    assert (status, told) == (1, "localhost/hello:latest\n")
    before, found, _ = shown.partition("towline: ")
    assert "24a6516b044e" in before  # a bar
    assert found
    assert 'towline: cannot open "gone.tar": no such file or directory\r\n' in shown
