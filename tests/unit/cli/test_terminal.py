"""Output on standard output and standard error if standard error is a terminal."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

from tests.support.towline_cli import CommandLine

EXAMPLE = Path(__file__).parents[3] / "examples" / "hello.tar"


def pull_on_a_terminal(line: CommandLine, *arguments: str) -> tuple[int, str, str]:
    """The status of a pull, its standard output (a pipe) and its standard error (a terminal)."""
    ours, theirs = os.openpty()
    try:
        done = subprocess.run(
            line.arguments("pull", *arguments),
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
        while piece := terminal.read(1 << 16):  # Linux reports the end of a pty as an error
            shown += piece
    return done.returncode, done.stdout.decode(), shown.decode()


def test_names_go_to_standard_output_and_errors_stay_whole(tmp_path: Path) -> None:
    """Progress bars are removed before other output is printed."""
    line = CommandLine.below(tmp_path)
    names = (f"oci-archive:{EXAMPLE}", "docker-archive:gone.tar")
    status, stdout, shown = pull_on_a_terminal(line, *names)
    assert (status, stdout) == (1, "localhost/hello:latest\n")
    before, found, _ = shown.partition("towline: ")
    assert "24a6516b044e" in before  # a bar
    assert found
    assert 'towline: cannot open "gone.tar": no such file or directory\r\n' in shown
