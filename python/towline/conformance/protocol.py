"""The driver protocol: one JSON object a line, to a program and back (``spec/driver.md``)."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

__all__ = ["BUILT_IN", "VERSION", "Answer", "Driver", "DriverError", "Greeting", "command_of"]

VERSION = 1

#: The built-in driver: towline itself, judged like anyone else.
BUILT_IN = (sys.executable, "-m", "towline.conformance.driver")

_LINE_MAX = 64 << 20  # bytes; an answer longer than this is a fault of the driver
_TAIL = 2_000  # characters of its standard error that are worth showing
_GRACE = 5.0  # seconds between the end of its input and its being killed


class DriverError(Exception):
    """A driver that cannot be started, ended early, was silent for too long, or spoke nonsense."""


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a driver says of itself.

    Attributes:
        name: of the implementation.
        version: of the implementation.
        operations: those that it offers.
        tokens: the paths that it uses, such as ``GRAPHROOT``.
        skipped: why it can judge nothing of this edition; None where it can.
    """

    name: str
    version: str
    operations: frozenset[str]
    tokens: Mapping[str, str] = field(default_factory=dict)
    skipped: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a driver says to one case; exactly one of the first four is not None.

    Attributes:
        ok: the result.
        error: ``{"code", "message"}``.
        skipped: why it does not answer.
        crashed: how it broke down; never right.
        beside: what stands beside result or error, such as ``writer``.
        tokens: paths that it used in this case alone.
        unshown: fields that the implementation has no way to show; they are not compared.
    """

    ok: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    skipped: str | None = None
    crashed: str | None = None
    beside: Mapping[str, Any] = field(default_factory=dict)
    tokens: Mapping[str, str] = field(default_factory=dict)
    unshown: frozenset[str] = frozenset()


def command_of(text: str) -> tuple[str, ...]:
    """The words of a driver's command line; ``towline`` is the built-in driver."""
    return BUILT_IN if text == "towline" else tuple(shlex.split(text))


class Driver:
    """A running driver.  Leaving the context ends it: first its input, then the process."""

    def __init__(self, command: Sequence[str], seconds: float) -> None:
        """Start the program.

        Args:
            command: its words.
            seconds: how long it may think about one line.

        Raises:
            DriverError: there is no such program.
        """
        self._seconds = seconds
        self._buffer = bytearray()
        # Its standard error; a file, so that nobody has to read it. close() closes it.
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the driver
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said
            )
        except OSError as error:
            self._said.close()
            raise DriverError(f"cannot start {shlex.join(command)}: {error.strerror}") from None
        self._seq = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the driver and wait for it; repeatable."""
        stdin, stdout = self._pipes()
        with contextlib.suppress(OSError):
            stdin.close()
        stdout.close()
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._said.close()

    def start(self, edition: str, root: Path, servers: Mapping[str, str], store: Path) -> Greeting:
        """Tell the driver where everything is, and learn what it can do.

        Raises:
            DriverError: it gave no such answer.
        """
        told = self._exchange(
            {
                "cmd": "start",
                "version": VERSION,
                "edition": edition,
                "root": str(root),
                "cwd": str(root / "cwd"),
                "servers": dict(servers),
                "store_dir": str(store),
            }
        )
        who = told.get("implementation", {})
        why: str | None = None
        operations: list[Any] = []
        match told:
            case {"skipped": str(why)}:
                pass
            case {"ops": list(operations)}:
                pass
            case _:
                raise self._broken(f"the answer to start names no operations: {_short(told)}")
        tokens = told.get("tokens") or {}
        if not isinstance(who, dict) or not isinstance(tokens, dict):
            raise self._broken(f"the answer to start is not as it should be: {_short(told)}")
        return Greeting(
            str(who.get("name", "unnamed")),
            str(who.get("version", "")),
            frozenset(map(str, operations)),
            {str(key): str(value) for key, value in tokens.items()},
            why,
        )

    def run(self, operation: str, arguments: Mapping[str, Any]) -> Answer:
        """Put one case to the driver.

        Raises:
            DriverError: no answer, or not an answer to this.
        """
        self._seq += 1
        told = self._exchange(
            {"cmd": "run", "seq": self._seq, "op": operation, "input": dict(arguments)}
        )
        if told.pop("seq", None) != self._seq:
            raise self._broken(f"the answer is not to question {self._seq}: {_short(told)}")
        tokens = told.pop("tokens", None) or {}
        if not isinstance(tokens, dict):
            raise self._broken(f"the tokens are no object: {_short(tokens)}")
        unshown = told.pop("unshown", None) or []
        if not isinstance(unshown, list):
            raise self._broken(f"what is unshown is no list: {_short(unshown)}")
        hidden = frozenset(map(str, unshown))
        match told:
            case {"ok": dict(result), **beside} if "error" not in beside:
                return Answer(ok=result, beside=beside, tokens=tokens, unshown=hidden)
            case {"error": dict(error), **beside} if "ok" not in beside:
                return Answer(error=error, beside=beside, tokens=tokens, unshown=hidden)
            case {"skipped": str(why), **rest} if not rest:
                return Answer(skipped=why)
            case {"crashed": str(how), **rest} if not rest:
                return Answer(crashed=how)
            case _:
                raise self._broken(f"neither ok nor error nor skipped: {_short(told)}")

    def _exchange(self, message: Mapping[str, Any]) -> dict[str, Any]:
        stdin, _ = self._pipes()
        try:
            stdin.write(json.dumps(message).encode() + b"\n")
            stdin.flush()
        except OSError:
            raise self._broken("it does not read") from None
        line = self._line()
        try:
            told = json.loads(line)
        except ValueError:
            raise self._broken(f"not JSON: {_short(line.decode(errors='replace'))}") from None
        if not isinstance(told, dict):
            raise self._broken(f"no JSON object: {_short(told)}")
        return told

    def _line(self) -> bytes:
        _, stdout = self._pipes()
        deadline = time.monotonic() + self._seconds
        with selectors.DefaultSelector() as waiting:
            waiting.register(stdout, selectors.EVENT_READ)
            searched = 0
            while (end := self._buffer.find(b"\n", searched)) < 0:
                searched = len(self._buffer)
                if searched > _LINE_MAX:
                    raise self._broken(f"a line longer than {_LINE_MAX} bytes")
                if not waiting.select(max(0.0, deadline - time.monotonic())):
                    raise self._broken(f"no answer within {self._seconds:g} seconds")
                received = os.read(stdout.fileno(), 1 << 16)
                if not received:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        self._process.wait(1.0)  # so that its own status can be told
                    raise self._broken("it ended")
                self._buffer += received
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        return stdin, stdout

    def _broken(self, why: str) -> DriverError:
        """The failure, with what the driver's standard error says; the driver is of no use now."""
        self._process.kill()
        status = self._process.wait()
        self._said.seek(0)
        said = self._said.read().decode(errors="replace").strip()[-_TAIL:]
        ended = f" (status {status})" if status >= 0 else ""
        return DriverError(f"the driver: {why}{ended}" + (f"\n{said}" if said else ""))


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 300 else text[:300] + "..."
