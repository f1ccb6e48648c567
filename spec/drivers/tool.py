"""Shared code of the drivers in this directory: the protocol loop, and isolated runs of a tool.

A driver restarts itself in a mount namespace in which ``/etc/containers`` is an empty directory.
So aliases and policies of the host have no effect, and the default files of a case can be written
to the paths that the tool reads.  This requires root, as in the recordings.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Input = Mapping[str, Any]
Operation = Callable[["Case", Input], dict[str, Any]]

ACCEPT = '{"default": [{"type": "insecureAcceptAnything"}]}'
REJECT = '{"default": [{"type": "reject"}]}'

_ISOLATED = "TOWLINE_DRIVER_IS_ALONE"
_ETC = "/etc/containers"
_ARGUMENT_MAX = 120_000  # bytes; the limit of Linux is 128 KiB
_LOG = re.compile(r'time="[^"]*" level=(\w+) msg=("(?:[^"\\]|\\.)*"|\S*)')
_ESCAPE = re.compile(r'\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|["\\abfnrtv])')
_SHORT_ESCAPES = dict(zip('"\\abfnrtv', '"\\\a\b\f\n\r\t\v', strict=True))


class SkippedError(Exception):
    """The case cannot be run with the tool."""


class RefusedError(Exception):
    """The tool failed; its error message, and the other fields of the answer."""

    def __init__(self, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.message = message
        self.extra = extra


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """The output of a run of a tool.

    Attributes:
        status: the exit status.
        stdout: standard output.
        lines: standard error without the log lines and the last error.
        log: the log lines: level and message.
        error: the text after ``Error: ``, or the message of level fatal; None if it succeeded.
    """

    status: int
    stdout: str
    lines: str
    log: tuple[tuple[str, str], ...]
    error: str | None


@dataclass(frozen=True, slots=True)
class Case:
    """The edition and the paths of one case.

    Attributes:
        edition: the edition of the session.
        root: the fixture tree.
        home: an empty directory for this case only.
        graph: the graph root of the store, which does not exist yet.
        runroot: the run root of the store.
    """

    edition: str
    root: Path
    home: Path
    graph: Path
    runroot: Path

    def file(self, name: str, text: str | None) -> Path:
        """Write a file of the case and return its path; with None the file is not written."""
        path = self.home / name
        if text is not None:
            path.write_bytes(text.encode("utf-8", "surrogateescape"))
        return path

    def registries_conf(self, given: Input) -> dict[str, str]:
        """Write the configuration of the case, and return the environment that selects it."""
        if not given:
            given = {"registries_conf": ""}
        default = given.get("default_registries_conf")
        path = Path(_ETC, "registries.conf")
        path.unlink(missing_ok=True)
        if default is not None:
            path.write_bytes(default.encode("utf-8", "surrogateescape"))
        named = self.file("registries.conf", given.get("registries_conf"))
        match given.get("registries_conf_env"):
            case "unset":
                return {}
            case "empty":
                return {"CONTAINERS_REGISTRIES_CONF": ""}
            case "directory":
                return {"CONTAINERS_REGISTRIES_CONF": str(self.root)}
            case _:
                return {"CONTAINERS_REGISTRIES_CONF": str(named)}

    def broken_certificates(self) -> Path:
        """A certificate directory that makes every attempt fail before it connects."""
        directory = self.home / "certs"
        directory.mkdir(exist_ok=True)
        (directory / "client.cert").write_text("a certificate without its key\n")
        return directory

    def run(self, command: list[str], environ: Mapping[str, str] | None = None) -> ToolOutput:
        """Run the tool in an environment without settings of the host."""
        for part in ("home", "run"):
            (self.home / part).mkdir(exist_ok=True)
        base = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LC_ALL": "C.UTF-8",
            "HOME": str(self.home / "home"),
            "XDG_RUNTIME_DIR": str(self.home / "run"),
            "TMPDIR": str(self.home),
            "CONTAINERS_SHORT_NAME_ALIASES_CONF": str(self.home / "aliases.conf"),
        }
        if any("\0" in argument for argument in command):
            raise SkippedError("a command line cannot contain NUL")
        encoded = [argument.encode("utf-8", "surrogateescape") for argument in command]
        if any(len(argument) > _ARGUMENT_MAX for argument in encoded):
            raise SkippedError("an argument is too long for a command line")
        done = subprocess.run(
            encoded,
            env={**base, **(environ or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        return _tool_output(done.returncode, _text(done.stdout), _text(done.stderr))


def stored(case: Case) -> list[dict[str, Any]]:
    """The images in a containers-storage with driver vfs: id, names, digest."""
    record = case.graph / "vfs-images" / "images.json"
    if not record.exists():
        return []
    return [
        {"id": one["id"], "names": one.get("names") or [], "digest": one.get("digest", "")}
        for one in json.loads(record.read_bytes())
    ]


def with_current_keys(given: Input) -> Input:
    """The input of a pull with an early version 2 registries.conf converted to current keys.

    Current tools reject or ignore ``url`` and ``unqualified-search``, as get_registries and the
    goals show; for a pull the tool gets a configuration that it can read.
    """
    try:
        document = tomllib.loads(given.get("registries_conf") or "")
    except tomllib.TOMLDecodeError:
        return given
    entries = document.get("registry")
    if not isinstance(entries, list) or not all("url" in one for one in entries):
        return given
    search = [one["url"] for one in entries if one.get("unqualified-search")]
    lines = [f"unqualified-search-registries = {json.dumps(search)}"]
    for one in entries:
        lines += ["[[registry]]", f"location = {json.dumps(one['url'])}"]
        lines += [
            f"{key} = {json.dumps(one[key])}"
            for key in ("prefix", "insecure", "blocked")
            if key in one
        ]
        for mirror in one.get("mirror", ()):
            lines += ["[[registry.mirror]]", f"location = {json.dumps(mirror.get('url', ''))}"]
            if "insecure" in mirror:
                lines.append(f"insecure = {json.dumps(mirror['insecure'])}")
    return {**given, "registries_conf": "\n".join(lines) + "\n"}


def text(given: Input, key: str) -> str:
    """A text of the input; bytes that are not UTF-8 are surrogate-escaped."""
    if f"{key}_base64" in given:
        return _text(base64.b64decode(given[f"{key}_base64"]))
    value = given[key]
    assert isinstance(value, str)
    return value


def serve(name: str, version: str, operations: Mapping[str, Operation]) -> int:
    """Run the protocol of ``spec/driver.md`` until the input ends."""
    if _ISOLATED not in os.environ:
        os.environ[_ISOLATED] = "1"
        program = [sys.executable, *sys.argv]
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", *program])
    start: Input = {}
    for line in sys.stdin:
        message = json.loads(line)
        if message["cmd"] == "start":
            start = message
            answer = _start(message, name, version, operations)
        else:
            answer = {"seq": message["seq"], **_answer(start, message, operations)}
        print(json.dumps(answer), flush=True)
    return 0


def version_of(tool: str) -> str:
    """The version of the tool."""
    done = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.split()[-1]


def _start(
    message: Input, name: str, version: str, operations: Mapping[str, Operation]
) -> dict[str, Any]:
    os.chdir(message["cwd"])
    greeting = {"implementation": {"name": name, "version": version}}
    if os.geteuid() != 0:
        return {**greeting, "skipped": "this driver requires root"}
    etc = Path(message["store_dir"], "etc")
    etc.mkdir()
    mount = subprocess.run(["mount", "--bind", str(etc), _ETC], capture_output=True, check=False)
    if mount.returncode != 0:
        return {**greeting, "skipped": f"cannot mount {_ETC}: {_text(mount.stderr).strip()}"}
    tokens = {"GRAPHROOT": str(Path(message["store_dir"], "graph"))}
    tokens["RUNROOT"] = str(Path(message["store_dir"], "runroot"))
    return {**greeting, "ops": sorted(operations), "tokens": tokens}


def _answer(start: Input, message: Input, operations: Mapping[str, Operation]) -> dict[str, Any]:
    operation = operations.get(message["op"])
    if operation is None:
        return {"skipped": f"{message['op']} is not offered"}
    home = Path(tempfile.mkdtemp(prefix="case", dir=start["store_dir"]))
    store = Path(start["store_dir"])
    case = Case(start["edition"], Path(start["root"]), home, store / "graph", store / "runroot")
    try:
        return _folded(operation(case, message["input"]))
    except RefusedError as refused:
        error = {"code": "told", "message": refused.message}
        return _folded({"error": error, **refused.extra})
    except SkippedError as skipped:
        return {"skipped": str(skipped)}
    finally:
        for directory in (case.home, case.graph, case.runroot):
            shutil.rmtree(directory, ignore_errors=True)


def _tool_output(status: int, stdout: str, stderr: str) -> ToolOutput:
    progress, mark, last = stderr.rpartition("Error: ")
    error: str | None = None
    # The error is last; any other "Error: " is inside a log line.
    if status != 0 and mark and (not progress or progress.endswith("\n")):
        stderr, error = progress, last.removesuffix("\n")
    log = []
    lines = ""
    for line in stderr.splitlines(keepends=True):
        if found := _LOG.match(line):
            log.append((found[1], _unquoted(found[2])))
        else:
            lines += line
    if status != 0 and error is None:
        fatal = [message for level, message in log if level == "fatal"]
        error = fatal[-1] if fatal else lines.strip()
    return ToolOutput(status, stdout, lines, tuple(log), error)


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    return (
        _ESCAPE.sub(_character, text[1:-1])
        .encode("utf-8", "surrogateescape")
        .decode("utf-8", "surrogateescape")
    )


def _character(found: re.Match[str]) -> str:
    escape = found[1]
    if escape[0] in "uU":
        return chr(int(escape[1:], 16))
    if escape[0] == "x" and len(escape) > 1:
        return bytes([int(escape[1:], 16)]).decode("utf-8", "surrogateescape")
    return _SHORT_ESCAPES[escape]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _folded(value: Any) -> Any:
    match value:
        case str():
            data = value.encode("utf-8", "surrogateescape")
            try:
                return data.decode("utf-8")
            except UnicodeDecodeError:
                return {"base64": base64.b64encode(data).decode("ascii")}
        case dict():
            return {key: _folded(member) for key, member in value.items()}
        case list() | tuple():
            return [_folded(element) for element in value]
        case _:
            return value
