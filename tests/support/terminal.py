"""A terminal: a pty for programs, and a screen that interprets what they write to it."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Self

__all__ = ["Screen", "Terminal", "terminal"]

_PIECE = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])|(.)", re.DOTALL)


class Screen:
    """The lines of a terminal, with those that were scrolled out of it above.

    A control sequence that it does not know is an error.
    """

    def __init__(self, width: int, height: int) -> None:
        self._width = width
        self._height = height
        self._lines: list[list[str]] = [[]]
        self._row = self._column = 0
        self.cursor_visible = True

    def feed(self, text: str) -> Self:
        """Interpret an output."""
        for piece in _PIECE.finditer(text):
            private, number, command, char = piece.groups()
            if char is not None:
                self._put(char)
            elif private:
                assert (number, command) in (("25", "l"), ("25", "h")), piece[0]
                self.cursor_visible = command == "h"
            else:
                self._control(command, number)
        return self

    @property
    def lines(self) -> list[str]:
        """All lines, without white space at their ends; empty lines at the end are left out."""
        return "\n".join("".join(line).rstrip() for line in self._lines).rstrip().splitlines()

    def _put(self, char: str) -> None:
        if char == "\r":
            self._column = 0
        elif char == "\n":
            self._down()
        else:
            assert char.isprintable(), repr(char)
            if self._column == self._width:
                self._column = 0
                self._down()
            line = self._lines[self._row]
            line.extend(" " * (self._column + 1 - len(line)))
            line[self._column] = char
            self._column += 1

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self._lines):
            self._lines.append([])

    def _control(self, command: str, number: str) -> None:
        if command == "m":  # colours
            return
        if command == "A":
            top = max(0, len(self._lines) - self._height)
            self._row = max(top, self._row - int(number or 1))
        else:
            assert (number, command) == ("2", "K"), f"CSI {number} {command}"
            self._lines[self._row] = []


class Terminal:
    """A pty; `run` and `start` give it to a program as the standard streams."""

    def __init__(self, width: int = 80, height: int = 24) -> None:
        self._ours, self._theirs = os.openpty()
        size = struct.pack("HHHH", height, width, 0, 0)
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, size)
        self._size = width, height
        self._written = b""

    @property
    def output(self) -> str:
        """What was written so far, except a character that is incomplete."""
        return self._written.decode(errors="ignore")

    @property
    def screen(self) -> Screen:
        """The screen after all of it; the end of the output must be read before."""
        return Screen(*self._size).feed(self.output)

    def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        stdout: int | IO[bytes] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a program in a session of its own, whose terminal this is."""
        return subprocess.Popen(
            command,
            env={"TERM": "xterm", **environment},
            stdin=self._theirs,
            stdout=self._theirs if stdout is None else stdout,
            stderr=self._theirs,
            start_new_session=True,
        )

    def run(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        stdout: int | IO[bytes] | None = None,
    ) -> int:
        """Run a program to its end, and return its status."""
        process = self.start(command, environment, stdout)
        self.read_to_end()
        return process.wait()

    def read_until(self, text: str) -> None:
        """Read the output up to a text."""
        while text not in self.output:
            assert self._read(), f"the output has no {text!r}: {self.output!r}"

    def read_to_end(self) -> None:
        """Read the output until no program has the terminal."""
        if self._theirs >= 0:
            os.close(self._theirs)
            self._theirs = -1
        while self._read():
            pass

    def _read(self) -> bool:
        try:
            self._written += os.read(self._ours, 1 << 16)
        except OSError:  # Linux reports the end of a pty as an error
            return False
        return True

    def close(self) -> None:
        """Close both ends."""
        os.close(self._ours)
        if self._theirs >= 0:
            os.close(self._theirs)


@contextmanager
def terminal(width: int = 80, height: int = 24) -> Iterator[Terminal]:
    """A terminal that is closed at the end of the context."""
    made = Terminal(width, height)
    try:
        yield made
    finally:
        made.close()
