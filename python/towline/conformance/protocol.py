"""The driver protocol: one JSON object per line in both directions (``spec/driver.md``)."""

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
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["BUILT_IN", "VERSION", "Answer", "Driver", "DriverError", "Greeting", "command_of"]

VERSION = 1

#: The command of the built-in driver, which tests the installed towline.  With -P, it imports
#: nothing from the current directory.
BUILT_IN = (sys.executable, "-P", "-m", "towline.conformance.driver")

_LINE_MAX = 64 << 20  # bytes; a longer answer is an error of the driver
_TAIL = 2_000  # characters of the end of standard error that are shown
_GRACE = 5.0  # seconds from the end of the input until the driver is killed


class DriverError(Exception):
    """A driver did not start, exited early, timed out, or broke the protocol."""


@dataclass(frozen=True, slots=True)
class Greeting:
    """The answer of a driver to ``start``.

    Attributes:
        name: the name of the implementation.
        version: the version of the implementation.
        operations: the operations that the implementation offers.
        tokens: the paths that the driver uses, such as ``GRAPHROOT``.
        skipped: the reason why no case of this edition can run; None if cases can run.
    """

    name: str
    version: str
    operations: frozenset[str]
    tokens: Mapping[str, str] = field(default_factory=dict)
    skipped: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a driver to one case; exactly one of the first four fields is not None.

    Attributes:
        ok: the result.
        error: ``{"code", "message"}``.
        skipped: the reason why the case cannot run.
        crashed: the description of a crash, which always fails the case.
        extra: the fields next to the result or error, such as ``writer``.
        tokens: paths that the driver used in this case only.
        unshown: fields that the implementation cannot show; they are not compared.
    """

    ok: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    skipped: str | None = None
    crashed: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    tokens: Mapping[str, str] = field(default_factory=dict)
    unshown: frozenset[str] = frozenset()


def command_of(text: str) -> tuple[str, ...]:
    """The arguments of a driver's command line; ``towline`` is the built-in driver."""
    return BUILT_IN if text == "towline" else tuple(shlex.split(text))


class Driver:
    """A running driver process.  Leaving the context closes its input and ends the process."""

    def __init__(self, command: Sequence[str], seconds: float) -> None:
        """Start the program.

        Args:
            command: its arguments.
            seconds: the timeout for the answer to one line.

        Raises:
            DriverError: the program does not exist.
        """
        self._seconds = seconds
        self._buffer = bytearray()
        # A file for standard error cannot fill up like a pipe.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - close() closes it
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr
            )
        except OSError as error:
            self._stderr.close()
            raise DriverError(f"cannot start {shlex.join(command)}: {error.strerror}") from None
        self._seq = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the driver and wait for its exit; may be called again."""
        stdin, stdout = self._pipes()
        with contextlib.suppress(OSError):
            stdin.close()
        stdout.close()
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stderr.close()

    def start(self, edition: str, root: Path, servers: Mapping[str, str], store: Path) -> Greeting:
        """Send ``start`` and return the greeting.

        Raises:
            DriverError: the answer is missing or invalid.
        """
        answer = self._exchange(
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
        implementation = answer.get("implementation", {})
        reason: str | None = None
        operations: list[Any] = []
        match answer:
            case {"skipped": str(reason)}:
                pass
            case {"ops": list(operations)}:
                pass
            case _:
                raise self._broken(f"the answer to start has no operations: {_short(answer)}")
        tokens = answer.get("tokens") or {}
        if not isinstance(implementation, dict) or not isinstance(tokens, dict):
            raise self._broken(f"the answer to start is invalid: {_short(answer)}")
        return Greeting(
            str(implementation.get("name", "unnamed")),
            str(implementation.get("version", "")),
            frozenset(map(str, operations)),
            {str(key): str(value) for key, value in tokens.items()},
            reason,
        )

    def run(self, operation: str, arguments: Mapping[str, Any]) -> Answer:
        """Send one case and return the answer.

        Raises:
            DriverError: the answer is missing, invalid, or has another ``seq``.
        """
        self._seq += 1
        answer = self._exchange(
            {"cmd": "run", "seq": self._seq, "op": operation, "input": dict(arguments)}
        )
        if answer.pop("seq", None) != self._seq:
            raise self._broken(f"the seq of the answer is not {self._seq}: {_short(answer)}")
        tokens = answer.pop("tokens", None) or {}
        if not isinstance(tokens, dict):
            raise self._broken(f"tokens is not an object: {_short(tokens)}")
        unshown = answer.pop("unshown", None) or []
        if not isinstance(unshown, list):
            raise self._broken(f"unshown is not a list: {_short(unshown)}")
        hidden = frozenset(map(str, unshown))
        match answer:
            case {"ok": dict(result), **extra} if "error" not in extra:
                return Answer(ok=result, extra=extra, tokens=tokens, unshown=hidden)
            case {"error": dict(error), **extra} if "ok" not in extra:
                return Answer(error=error, extra=extra, tokens=tokens, unshown=hidden)
            case {"skipped": str(reason), **rest} if not rest:
                return Answer(skipped=reason)
            case {"crashed": str(description), **rest} if not rest:
                return Answer(crashed=description)
            case _:
                raise self._broken(f"neither ok nor error nor skipped: {_short(answer)}")

    def _exchange(self, message: Mapping[str, Any]) -> dict[str, Any]:
        stdin, _ = self._pipes()
        try:
            stdin.write(json.dumps(message).encode() + b"\n")
            stdin.flush()
        except OSError:
            raise self._broken("it closed its standard input") from None
        line = self._read_line()
        try:
            answer = json.loads(line)
        except ValueError:
            raise self._broken(f"not JSON: {_short(line.decode(errors='replace'))}") from None
        if not isinstance(answer, dict):
            raise self._broken(f"not a JSON object: {_short(answer)}")
        return answer

    def _read_line(self) -> bytes:
        _, stdout = self._pipes()
        deadline = time.monotonic() + self._seconds
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            searched = 0
            while (end := self._buffer.find(b"\n", searched)) < 0:
                searched = len(self._buffer)
                if searched > _LINE_MAX:
                    raise self._broken(f"a line longer than {_LINE_MAX} bytes")
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise self._broken(f"no answer within {self._seconds:g} seconds")
                received = os.read(stdout.fileno(), 1 << 16)
                if not received:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        self._process.wait(1.0)  # so that the exit status is known
                    raise self._broken("it exited")
                self._buffer += received
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        return stdin, stdout

    def _broken(self, reason: str) -> DriverError:
        """Kill the driver; the error has the end of its standard error."""
        self._process.kill()
        status = self._process.wait()
        self._stderr.seek(0)
        stderr = self._stderr.read().decode(errors="replace").strip()[-_TAIL:]
        suffix = f" (status {status})" if status >= 0 else ""
        return DriverError(f"the driver: {reason}{suffix}" + (f"\n{stderr}" if stderr else ""))


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 300 else text[:300] + "..."
