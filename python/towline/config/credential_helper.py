"""Credential helpers: programs that keep secrets, asked by the protocol that docker documents.

``docker-credential-NAME get`` reads a host from its standard input and writes an object with
``Username`` and ``Secret``.  What it writes is in no message.  (AUTH-011, AUTH-012)
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from typing import IO

from towline.config.auth_json import Credentials
from towline.errors import ConfigurationError
from towline.go.go_json import GoJsonError, decode, string, struct

__all__ = ["HELPER_SECONDS", "ask_helper", "helper_program"]

HELPER_SECONDS = 30.0  # some helpers fetch a token from far away; none asks a person
_OUTPUT_MAX = 64 * 1024  # bytes of an answer
_NOT_FOUND = b"credentials not found in native keychain"
_TOKEN_USER = "<token>"  # of an answer whose secret is an identity token
# Helpers need the environment to find their keychain; what changes how programs are loaded, and
# what is meant for us, they do not get.
_WITHHELD = ("BASH_", "DYLD_", "LD_", "PERL", "PYTHON", "RUBY", "TOWLINE_")
_WITHHELD_NAMES = ("ENV", "IFS", "NODE_OPTIONS")


def helper_program(name: str, environ: Mapping[str, str]) -> str | None:
    """The path of a helper's program, None where it is not installed."""
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
    """The credentials that a helper keeps for a host, None where it has none.

    Args:
        name: the last part of the name of its program.
        server: the host, as the helper knows it.
        environ: of the user; the program is looked for in its ``PATH``.
        origin: the file that names the helper, for messages.
        seconds: how long it may take; None: the usual time.

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
        answer = struct(decode(output))
        username = answer.get("Username", string, "")
        secret = answer.get("Secret", string, "")
    except (GoJsonError, RecursionError):
        readable = False
    if not readable:  # AUTH-007: not above, where the decoder's error has the whole output
        raise ConfigurationError("auth.helper_output", **facts)
    if username == _TOKEN_USER:
        return Credentials("", "", secret) if secret else None
    return Credentials(username, secret) if username or secret else None


def _run(
    program: str, server: str, environ: Mapping[str, str], seconds: float, facts: dict[str, str]
) -> tuple[int, bytes]:
    """Exit status and output, one byte more of it than is allowed at most."""
    try:
        process = subprocess.Popen(
            [program, "get"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={key: value for key, value in environ.items() if not _is_withheld(key)},
            cwd="/",
            start_new_session=True,  # so that what it starts in turn ends with it
        )
    except (OSError, ValueError):
        raise ConfigurationError("auth.helper_missing", **facts) from None
    until = time.monotonic() + seconds
    try:
        assert process.stdin is not None  # asked for above, as is the other one
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError), process.stdin as asking:
            asking.write(server.encode())
        with process.stdout as answering:
            output = _read(answering, until)
        finished = output is not None and _finishes(process, until)
    finally:
        status = _end(process)
    if finished and output is not None:
        return status, output
    raise ConfigurationError("auth.helper_slow", seconds=seconds, **facts)


def _read(stream: IO[bytes], until: float) -> bytes | None:
    """What comes until the end, or one byte more than is allowed; None where time runs out."""
    output = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while len(output) <= _OUTPUT_MAX:
            if not selector.select(max(0.0, until - time.monotonic())):
                return None
            data = os.read(stream.fileno(), _OUTPUT_MAX + 1 - len(output))
            if not data:
                return output
            output += data
    return output


def _finishes(process: subprocess.Popen[bytes], until: float) -> bool:
    """Whether the program ends in time; its number stays its own, so that `_end` hits no other."""
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() > until:
            return False
        time.sleep(0.002)
    return True


def _end(process: subprocess.Popen[bytes]) -> int:
    """End the program, if it is still there, and all that it started; its exit status."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def _is_withheld(key: str) -> bool:
    return key.startswith(_WITHHELD) or key in _WITHHELD_NAMES
