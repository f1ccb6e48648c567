"""The command line ``towline``."""

from __future__ import annotations

import os
import sys

from towline.cli import interrupts

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its status."""
    interrupts.exit_on_interrupt()
    _open_closed_streams()
    from towline.cli.command import run  # imported late: Ctrl-C during the import is handled

    run()


def _open_closed_streams() -> None:
    """Open the null device for each standard stream that the caller has closed.

    Otherwise the next file that is opened, such as a blob, would get the number of the stream.
    """
    closed = False
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number
            closed = closed or fd == 1
    for fd, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            stream = open(fd, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - kept open
            setattr(sys, name, stream)
    if closed:
        print("towline: the standard output is closed", file=sys.stderr)
        sys.exit(1)
