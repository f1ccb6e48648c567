"""Ctrl-C while the commands are loaded, and while the process ends: status 130, and no traceback.

Python raises KeyboardInterrupt wherever it is just then.  In the midst of an import, or after the
last line of `main`, nobody is there to catch it.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import NoReturn

__all__ = ["INTERRUPTED", "end", "end_at_once", "raise_again"]

INTERRUPTED = 130
_TOLD = b"\ntowline: interrupted\n"  # below the ^C of the terminal


def end(*_: object) -> NoReturn:
    """End the process as an interrupted one.  What is stored is safe to leave at any moment."""
    with contextlib.suppress(OSError):
        os.write(2, _TOLD)
    os._exit(INTERRUPTED)


def end_at_once() -> None:
    """Let Ctrl-C end the process; where it is ignored, as in a shell's background, it stays so."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        with contextlib.suppress(ValueError):  # not the main thread, which alone may say so
            signal.signal(signal.SIGINT, end)


def raise_again() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again, where it would end the process."""
    if signal.getsignal(signal.SIGINT) is end:
        signal.signal(signal.SIGINT, signal.default_int_handler)
