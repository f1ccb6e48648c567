"""Credential helpers: programs that store credentials, called by docker's documented protocol.

``docker-credential-NAME get`` reads a host from its standard input and writes an object with
``Username`` and ``Secret``.  Messages never contain its output.  (AUTH-011, AUTH-012)
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import shutil
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from towline.cancel import CancelToken
from towline.errors import ConfigurationError
from towline.go.go_json import GoJsonError, decode, string, struct
from towline.registry.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["HELPER_SECONDS", "ask_helper", "helper_missing", "helper_program"]

HELPER_SECONDS = 30.0  # some helpers fetch a token over the network; none prompts the user
_OUTPUT_MAX = 64 * 1024  # bytes of a response
_POLL = 0.002  # seconds between two looks whether a helper has exited
# How helpers state that they have no credentials, on either output.  The first is that of the
# protocol; others pass on the words of their keychain.  "no credentials username" is an error.
_NOT_FOUND = re.compile(
    rb"credentials? (was |were )?not found"
    rb"|no (matching |stored |such )?credentials?(?! (server|username))\b"
    rb"|could not be found in the keychain"
    rb"|not in the password store"
    rb"|no such secret"
    rb"|element not found",
    re.IGNORECASE,
)
_TOKEN_USER = "<token>"  # the user name if the secret is an identity token
# Helpers need the environment to find their keychain.  They do not get variables that change how
# programs are loaded, and those of towline.
_WITHHELD = ("BASH_", "DYLD_", "LD_", "PERL", "PYTHON", "RUBY", "TOWLINE_")
_WITHHELD_NAMES = ("ENV", "IFS", "NODE_OPTIONS")


def helper_program(name: str, environ: Mapping[str, str]) -> str | None:
    """The path of the program of a helper, None if it is not installed."""
    if not name or "/" in name or "\0" in name:
        return None
    return shutil.which(f"docker-credential-{name}", path=environ.get("PATH", ""))


def helper_missing(name: str, server: str, origin: str) -> ConfigurationError:
    """The error of a helper that is not installed; the arguments are those of `ask_helper`."""
    helper = f"docker-credential-{name}"
    return ConfigurationError("auth.helper_missing", helper=helper, server=server, path=origin)


def ask_helper(
    name: str,
    server: str,
    environ: Mapping[str, str],
    *,
    origin: str,
    seconds: float | None = None,
    cancel: CancelToken | None = None,
) -> Credentials | None:
    """Run a helper for the credentials of a host; None if it has none.

    Args:
        name: the last part of the name of its program.
        server: the name of the host for the helper.
        environ: of the user; its ``PATH`` is searched for the program.
        origin: the file that names the helper, for messages.
        seconds: the time limit; None for `HELPER_SECONDS`.
        cancel: ends the helper at once.

    Raises:
        ConfigurationError: ``auth.helper_missing``, ``auth.helper_slow``, ``auth.helper_failed``,
            ``auth.helper_output``.
        PullCancelledError: the caller cancelled.
    """
    facts = {"helper": f"docker-credential-{name}", "server": server, "path": origin}
    program = helper_program(name, environ)
    if program is None:
        raise helper_missing(name, server, origin)
    limit = HELPER_SECONDS if seconds is None else seconds
    cancel = cancel or CancelToken()
    with _running(program, environ) as process:
        if process is None:
            raise helper_missing(name, server, origin)
        helper = _HelperProcess(process, time.monotonic() + limit, cancel)
        ended = helper.exchange(server)
    cancel.raise_if_cancelled()
    if not ended:
        raise ConfigurationError("auth.helper_slow", seconds=limit, **facts)
    status, output = process.returncode, bytes(helper.output)
    if len(output) > _OUTPUT_MAX:
        raise ConfigurationError("auth.helper_output", **facts)
    if status != 0:
        if _NOT_FOUND.search(output) or _NOT_FOUND.search(helper.error_output):
            return None
        raise ConfigurationError("auth.helper_failed", status=status, **facts)
    found = _parse(output)
    if found is None:
        raise ConfigurationError("auth.helper_output", **facts)
    username, secret = found
    if username == _TOKEN_USER:
        return Credentials("", "", secret) if secret else None
    return Credentials(username, secret) if username or secret else None


def _parse(output: bytes) -> tuple[str, str] | None:
    """The user and the secret in the output; None if it is invalid.

    It raises no error of the decoder, which contains the output (AUTH-007).
    """
    try:
        response = struct(decode(output))
        return response.get("Username", string, ""), response.get("Secret", string, "")
    except (GoJsonError, RecursionError):
        return None


@contextlib.contextmanager
def _running(program: str, environ: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes] | None]:
    """Start the program, None if that fails; at the end all processes of its group are killed."""
    try:
        process = subprocess.Popen(
            [program, "get"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={key: value for key, value in environ.items() if not _is_withheld(key)},
            cwd="/",
            start_new_session=True,  # so that the processes that it starts are killed too
        )
    except (OSError, ValueError):
        yield None
        return
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


class _HelperProcess:
    """The input and outputs of a running helper.

    Attributes:
        output: the bytes of the standard output, at most one more than the limit.
        error_output: the first bytes of the standard error.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], deadline: float, cancel: CancelToken
    ) -> None:
        self._process = process
        self._deadline = deadline
        self._cancel = cancel
        self.output = bytearray()
        self.error_output = bytearray()

    def exchange(self, server: str) -> bool:
        """Write the name of the host and read until the program exits; whether it did in time."""
        assert self._process.stdin is not None  # because of PIPE, as the outputs
        with contextlib.suppress(BrokenPipeError), self._process.stdin as stdin:
            stdin.write(server.encode())
        woken, waker = socket.socketpair()
        with woken, waker, selectors.DefaultSelector() as selector:
            for pipe, received in (
                (self._process.stdout, self.output),
                (self._process.stderr, self.error_output),
            ):
                assert pipe is not None
                selector.register(pipe, selectors.EVENT_READ, received)
            selector.register(woken, selectors.EVENT_READ)
            unregister = self._cancel.on_cancel(lambda: _wake(waker))
            try:
                return self._read(selector)
            finally:
                unregister()

    def _read(self, selector: selectors.BaseSelector) -> bool:
        open_output = True
        while len(self.output) <= _OUTPUT_MAX and not self._cancel.cancelled:
            # Processes that the program started may keep its standard error open, so the exit is
            # polled for after the end of the output; the PID stays reserved until it is reaped.
            exited = not open_output and _has_exited(self._process)
            left = self._deadline - time.monotonic()
            ready = selector.select(max(0.0, left if open_output else min(left, _POLL)))
            if exited and not any(key.data is not None for key, _ in ready):
                return True
            if left <= 0:
                return False
            for key, _ in ready:
                if key.data is None:  # cancelled
                    continue
                data = os.read(key.fd, _OUTPUT_MAX + 1 - len(self.output))
                if not data:
                    selector.unregister(key.fileobj)
                    open_output = open_output and key.data is not self.output
                elif key.data is self.output or len(self.error_output) < _OUTPUT_MAX:
                    key.data.extend(data)
        return True


def _wake(waker: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the helper has ended
        waker.send(b"x")


def _has_exited(process: subprocess.Popen[bytes]) -> bool:
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _is_withheld(key: str) -> bool:
    return key.startswith(_WITHHELD) or key in _WITHHELD_NAMES
