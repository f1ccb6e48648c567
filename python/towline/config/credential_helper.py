"""Credential helpers: programs that store credentials, called by docker's documented protocol.

``docker-credential-NAME get`` reads a host from its standard input and writes an object with
``Username`` and ``Secret``.  Messages never contain its output.  (AUTH-011, AUTH-012)
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import time
from typing import IO, TYPE_CHECKING

from towline.errors import ConfigurationError
from towline.go.go_json import GoJsonError, decode, string, struct
from towline.registry.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HELPER_SECONDS", "ask_helper", "helper_program"]

HELPER_SECONDS = 30.0  # some helpers fetch a token over the network; none prompts the user
_OUTPUT_MAX = 64 * 1024  # bytes of a response
_NOT_FOUND = b"credentials not found in native keychain"
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


def ask_helper(
    name: str,
    server: str,
    environ: Mapping[str, str],
    *,
    origin: str,
    seconds: float | None = None,
) -> Credentials | None:
    """Run a helper for the credentials of a host; None if it has none.

    Args:
        name: the last part of the name of its program.
        server: the name of the host for the helper.
        environ: of the user; its ``PATH`` is searched for the program.
        origin: the file that names the helper, for messages.
        seconds: the time limit; None for `HELPER_SECONDS`.

    Raises:
        ConfigurationError: ``auth.helper_missing``, ``auth.helper_slow``, ``auth.helper_failed``,
            ``auth.helper_output``.
    """
    facts = {"helper": f"docker-credential-{name}", "server": server, "path": origin}
    program = helper_program(name, environ)
    if program is None:
        raise ConfigurationError("auth.helper_missing", **facts)
    limit = HELPER_SECONDS if seconds is None else seconds
    status, output = _run(program, server, environ, limit, facts)
    if status != 0:
        if _NOT_FOUND in output:
            return None
        raise ConfigurationError("auth.helper_failed", status=status, **facts)
    if len(output) > _OUTPUT_MAX:
        raise ConfigurationError("auth.helper_output", **facts)
    username, secret, readable = "", "", True
    try:
        response = struct(decode(output))
        username = response.get("Username", string, "")
        secret = response.get("Secret", string, "")
    except (GoJsonError, RecursionError):
        readable = False
    if not readable:  # AUTH-007: not raised above, since the decoder's error contains the output
        raise ConfigurationError("auth.helper_output", **facts)
    if username == _TOKEN_USER:
        return Credentials("", "", secret) if secret else None
    return Credentials(username, secret) if username or secret else None


def _run(
    program: str, server: str, environ: Mapping[str, str], seconds: float, facts: dict[str, str]
) -> tuple[int, bytes]:
    """Run the program; returns its exit status and output, at most a byte beyond the limit."""
    try:
        process = subprocess.Popen(
            [program, "get"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={key: value for key, value in environ.items() if not _is_withheld(key)},
            cwd="/",
            start_new_session=True,  # so that `_end` also ends the processes that it starts
        )
    except (OSError, ValueError):
        raise ConfigurationError("auth.helper_missing", **facts) from None
    deadline = time.monotonic() + seconds
    try:
        assert process.stdin is not None  # because of PIPE, as stdout
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
            stdin.write(server.encode())
        with process.stdout as stdout:
            output = _read(stdout, deadline)
        ended = output is not None and _finishes(process, deadline)
    finally:
        status = _end(process)
    if ended and output is not None:
        return status, output
    raise ConfigurationError("auth.helper_slow", seconds=seconds, **facts)


def _read(stream: IO[bytes], deadline: float) -> bytes | None:
    """Read to the end, or a byte beyond the limit; None if the deadline passes."""
    output = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while len(output) <= _OUTPUT_MAX:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                return None
            data = os.read(stream.fileno(), _OUTPUT_MAX + 1 - len(output))
            if not data:
                return output
            output += data
    return output


def _finishes(process: subprocess.Popen[bytes], deadline: float) -> bool:
    """Whether the program exits in time; its PID remains reserved until `_end` reaps it."""
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


def _end(process: subprocess.Popen[bytes]) -> int:
    """Kill the program and all processes of its group; returns its exit status."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def _is_withheld(key: str) -> bool:
    return key.startswith(_WITHHELD) or key in _WITHHELD_NAMES
