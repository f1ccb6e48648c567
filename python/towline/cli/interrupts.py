"""Ctrl-C during start-up and shutdown: status 130 and no traceback.

Python raises KeyboardInterrupt at any point.  During an import, or after the last line of `main`,
no handler catches it.
"""

from __future__ import annotations

import os
import signal

# Importing typing or contextlib would lengthen the time in which Ctrl-C prints a traceback.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["INTERRUPTED", "exit_interrupted", "exit_on_interrupt", "raise_on_interrupt"]

INTERRUPTED = 130
_MESSAGE = b"\ntowline: interrupted\n"  # on the line below the ^C of the terminal


def exit_interrupted(*_: object) -> NoReturn:
    """Print a message and exit with 130.  The store is consistent at any point."""
    try:
        os.write(2, _MESSAGE)
    finally:
        os._exit(INTERRUPTED)


def exit_on_interrupt() -> None:
    """Make Ctrl-C exit the process; an ignored SIGINT (a shell's background) stays ignored."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        try:
            signal.signal(signal.SIGINT, exit_interrupted)
        except ValueError:  # only the main thread may set a handler
            return


def raise_on_interrupt() -> None:
    """Make Ctrl-C raise KeyboardInterrupt again, if it would exit the process."""
    if signal.getsignal(signal.SIGINT) is exit_interrupted:
        signal.signal(signal.SIGINT, signal.default_int_handler)
