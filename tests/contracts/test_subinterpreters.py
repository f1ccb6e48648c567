"""towline refuses to run in a subinterpreter, whose types the extension would mix up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "hello.tar"

PULL = f"""
import sys, tempfile
sys.path[:] = {sys.path!r}
import towline
pulled = towline.pull("oci-archive:{EXAMPLE}", tempfile.mkdtemp())
print(pulled.images[0])
"""

# Python has no public way to create a subinterpreter before 3.14.
PROGRAM = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
kind, code, *steps = sys.argv[1:]
create = interpreters.create
for step in steps:
    if step == "main":
        exec(code)
        continue
    newer = sys.version_info >= (3, 13)
    created = create(kind) if newer else create(isolated=kind == "isolated")
    try:
        failed = interpreters.run_string(created, code)
    except Exception as error:  # before 3.13
        print(error)
    else:
        if failed is not None:
            print(failed.formatted)
    if step == "destroyed":
        interpreters.destroy(created)
print("end")
"""
REFUSED = "towline cannot be used in a subinterpreter; use a thread or a process of its own instead"


@pytest.mark.parametrize("kind", ["isolated", "legacy"])
@pytest.mark.parametrize("steps", ["sub", "main sub", "sub main", "destroyed main", "sub sub main"])
def test_a_subinterpreter_is_refused(kind: str, steps: str) -> None:
    """With one sentence; the main interpreter is not affected, and the process exits as usual."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, kind, PULL, *steps.split()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines.pop() == "end"
    for step, line in zip(steps.split(), lines, strict=True):
        if step == "main":
            assert line == "localhost/hello:latest"
        else:
            assert line.endswith(REFUSED)
