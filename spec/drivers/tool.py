"""What the drivers of this folder share: the protocol's loop, and a tool that runs on its own.

A driver starts itself anew in a mount namespace in which ``/etc/containers`` is an empty folder of
its own: neither aliases nor policies of the machine take part, and what a case says of the default
files can be put where the tool looks for them.  That needs root, as in the recordings.
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

_ALONE = "TOWLINE_DRIVER_IS_ALONE"
_ETC = "/etc/containers"
_WORD_MAX = 120_000  # bytes; Linux takes 128 KiB
_LOG = re.compile(r'time="[^"]*" level=(\w+) msg=("(?:[^"\\]|\\.)*"|\S*)')
_ESCAPE = re.compile(r'\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|["\\abfnrtv])')
_SHORT = dict(zip('"\\abfnrtv', '"\\\a\b\f\n\r\t\v', strict=True))


class SkippedError(Exception):
    """The tool cannot be asked this."""


class RefusedError(Exception):
    """The tool refused; its own words, and what stands beside them in an answer."""

    def __init__(self, message: str, **beside: Any) -> None:
        super().__init__(message)
        self.message = message
        self.beside = beside


@dataclass(frozen=True, slots=True)
class Said:
    """What a run of a tool printed.

    Attributes:
        status: its exit status.
        stdout: standard output.
        lines: standard error without the lines of the log and the last error.
        log: the lines of the log: level and message.
        error: the text after ``Error: ``, or the message of level fatal; None where it succeeded.
    """

    status: int
    stdout: str
    lines: str
    log: tuple[tuple[str, str], ...]
    error: str | None


@dataclass(frozen=True, slots=True)
class Case:
    """Where one case takes place.

    Attributes:
        edition: of the session.
        root: the fixture tree.
        home: an empty folder, for this case alone.
        graph: the graph root of the store, which does not exist yet.
        runroot: the run root of the store.
    """

    edition: str
    root: Path
    home: Path
    graph: Path
    runroot: Path

    def file(self, name: str, text: str | None) -> Path:
        """A file of the case with this text; None: there is no such file."""
        path = self.home / name
        if text is not None:
            path.write_bytes(text.encode("utf-8", "surrogateescape"))
        return path

    def registries_conf(self, given: Input) -> dict[str, str]:
        """Write the configuration of the case; the environment that makes the tool read it."""
        if not given:
            given = {"registries_conf": ""}
        default = given.get("default_registries_conf")
        place = Path(_ETC, "registries.conf")
        place.unlink(missing_ok=True)
        if default is not None:
            place.write_bytes(default.encode("utf-8", "surrogateescape"))
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
        """A folder of certificates that stops every attempt before its first connection."""
        folder = self.home / "certs"
        folder.mkdir(exist_ok=True)
        (folder / "client.cert").write_text("a certificate without its key\n")
        return folder

    def run(self, words: list[str], environ: Mapping[str, str] | None = None) -> Said:
        """Run the tool."""
        for part in ("home", "run"):
            (self.home / part).mkdir(exist_ok=True)
        own = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LC_ALL": "C.UTF-8",
            "HOME": str(self.home / "home"),
            "XDG_RUNTIME_DIR": str(self.home / "run"),
            "TMPDIR": str(self.home),
            "CONTAINERS_SHORT_NAME_ALIASES_CONF": str(self.home / "aliases.conf"),
        }
        if any("\0" in word for word in words):
            raise SkippedError("no command line can hold a NUL")
        if any(len(word.encode("utf-8", "surrogateescape")) > _WORD_MAX for word in words):
            raise SkippedError("no command line can hold a word that long")
        done = subprocess.run(
            [word.encode("utf-8", "surrogateescape") for word in words],
            env={**own, **(environ or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        return _said(done.returncode, _text(done.stdout), _text(done.stderr))


def stored(case: Case) -> list[dict[str, Any]]:
    """What a containers-storage of driver vfs holds, by its own record: id, names, digest."""
    record = case.graph / "vfs-images" / "images.json"
    if not record.exists():
        return []
    return [
        {"id": one["id"], "names": one.get("names") or [], "digest": one.get("digest", "")}
        for one in json.loads(record.read_bytes())
    ]


def in_todays_keys(given: Input) -> Input:
    """The input of a pull with an early version 2 of registries.conf written as it is today.

    ``url`` and ``unqualified-search`` are refused or overlooked since 2019, as get_registries and
    the goals show; a pull is put to the tool with a configuration that it can read.
    """
    try:
        told = tomllib.loads(given.get("registries_conf") or "")
    except tomllib.TOMLDecodeError:
        return given
    entries = told.get("registry")
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
    """A text of the input, whether or not it is UTF-8."""
    if f"{key}_base64" in given:
        return _text(base64.b64decode(given[f"{key}_base64"]))
    told = given[key]
    assert isinstance(told, str)
    return told


def serve(name: str, version: str, operations: Mapping[str, Operation]) -> int:
    """Speak the protocol of ``spec/driver.md`` until the input ends."""
    if _ALONE not in os.environ:
        os.environ[_ALONE] = "1"
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
    """The version that the tool names."""
    told = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True)
    return told.stdout.split()[-1]


def _start(
    message: Input, name: str, version: str, operations: Mapping[str, Operation]
) -> dict[str, Any]:
    os.chdir(message["cwd"])
    greeting = {"implementation": {"name": name, "version": version}}
    if os.geteuid() != 0:
        return {**greeting, "skipped": "this driver needs root"}
    etc = Path(message["store_dir"], "etc")
    etc.mkdir()
    bound = subprocess.run(["mount", "--bind", str(etc), _ETC], capture_output=True, check=False)
    if bound.returncode != 0:
        return {**greeting, "skipped": f"no {_ETC} of its own: {_text(bound.stderr).strip()}"}
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
        return _folded({"error": error, **refused.beside})
    except SkippedError as skipped:
        return {"skipped": str(skipped)}
    finally:
        for folder in (case.home, case.graph, case.runroot):
            shutil.rmtree(folder, ignore_errors=True)


def _said(status: int, stdout: str, stderr: str) -> Said:
    progress, mark, last = stderr.rpartition("Error: ")
    error: str | None = None
    # The error comes last; what else says "Error: " stands inside a line of the log.
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
        fatal = [told for level, told in log if level == "fatal"]
        error = fatal[-1] if fatal else lines.strip()
    return Said(status, stdout, lines, tuple(log), error)


def _unquoted(word: str) -> str:
    if not word.startswith('"'):
        return word
    return (
        _ESCAPE.sub(_character, word[1:-1])
        .encode("utf-8", "surrogateescape")
        .decode("utf-8", "surrogateescape")
    )


def _character(found: re.Match[str]) -> str:
    escape = found[1]
    if escape[0] in "uU":
        return chr(int(escape[1:], 16))
    if escape[0] == "x" and len(escape) > 1:
        return bytes([int(escape[1:], 16)]).decode("utf-8", "surrogateescape")
    return _SHORT[escape]


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
