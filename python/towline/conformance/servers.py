"""The servers of a run: two real registries, five fake ones, and a port without a listener."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

from towline.conformance.fixtures import script, script_command

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

__all__ = [
    "NAMES",
    "NO_REGISTRY",
    "ServerFiles",
    "ServersError",
    "missing_servers",
    "needed_servers",
    "serving",
]

_REAL = ("REG1", "REG2")
_FAKE = ("FAKE", "FAKEBEARER", "FAKE404", "FAKE500", "FAKEBASIC")  # on consecutive ports
_DOWN = "REGDOWN"
#: The names of all servers that a vector can mention.
NAMES = (*_REAL, _DOWN, *_FAKE)
#: The reason why a case with a real registry is skipped.
NO_REGISTRY = (
    "the registry server is not installed; install distribution 2.8 (the Debian package"
    " docker-registry, or the program registry)"
)

_LISTENING = re.compile(r"listening on (127\.0\.0\.1:\d+)")
_TIMEOUT = 30.0  # seconds; normally less than one is needed
_ATTEMPTS = 20
# Debian's name of the registry server, and the original one, which other programs have too.
_PROGRAMS = ("docker-registry", "registry")
_DISTRIBUTION_2 = re.compile(rb"/distribution v?2\.")
# Debian installs some daemons in directories that are not in every user's PATH.
_SEARCH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])


class ServersError(Exception):
    """A required server cannot be started."""


@dataclass(frozen=True, slots=True)
class ServerFiles:
    """The files of the servers.

    Attributes:
        root: the fixture tree.
        scripts: the ``--fixtures`` directory, which may contain the scripts; or None.
        work: the directory for the files of the servers.
    """

    root: Path
    scripts: Path | None
    work: Path


def needed_servers(mentioned: Collection[str]) -> frozenset[str]:
    """The servers among the tokens of a case: ``REG1`` and ``REG1PORT`` both mean REG1."""
    return frozenset(name for name in NAMES if name in mentioned or f"{name}PORT" in mentioned)


def missing_servers(needed: Collection[str], running: Mapping[str, str]) -> frozenset[str]:
    """The needed servers that cannot be started, since there is no registry program."""
    real = frozenset(name for name in _REAL if name in needed and name not in running)
    return real if real and _registry_program() is None else frozenset()


@contextlib.contextmanager
def serving(
    needed: Collection[str], files: ServerFiles, running: Mapping[str, str]
) -> Iterator[dict[str, str]]:
    """Run the needed servers until the context ends: name to ``127.0.0.1:PORT``.

    Args:
        needed: names from `NAMES`.
        files: the files of the servers.
        running: servers that already run; they are neither started nor filled.

    Raises:
        ServersError: a server does not start or cannot be filled.
    """
    wanted = [name for name in NAMES if name in needed and name not in running]
    hosts = {name: host for name, host in running.items() if name in needed}
    with contextlib.ExitStack() as stack:
        if _DOWN in wanted:
            hosts[_DOWN] = stack.enter_context(_closed_port())
        real = [name for name in _REAL if name in wanted]
        if real:
            # The script fills both registries, so both are started if one is needed.
            both = [stack.enter_context(_registry(files.work / name)) for name in _REAL]
            _seed(files, both)
            hosts |= {name: host for name, host in zip(_REAL, both, strict=True) if name in real}
        if any(name in wanted for name in _FAKE):
            fakes = stack.enter_context(_fake(files))
            hosts |= {name: host for name, host in fakes.items() if name in wanted}
        yield hosts


@contextlib.contextmanager
def _closed_port() -> Iterator[str]:
    # Bound and not listening: connections are refused, and the port cannot be reused.
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


@contextlib.contextmanager
def _registry(directory: Path) -> Iterator[str]:
    command = _registry_program()
    if command is None:
        raise ServersError(NO_REGISTRY)
    directory.mkdir(parents=True)
    configuration = directory / "config.yml"
    # JSON is valid YAML. With port 0 the kernel selects a free port, which the registry logs.
    settings = {
        "version": "0.1",
        "log": {"level": "info", "formatter": "json"},
        "storage": {
            "filesystem": {"rootdirectory": str(directory / "storage")},
            "maintenance": {"uploadpurging": {"enabled": False}},
        },
        "http": {"addr": "127.0.0.1:0", "secret": "not used on loopback"},
    }
    configuration.write_text(json.dumps(settings))
    log = directory / "log"
    with _process([command, "serve", str(configuration)], log) as process:
        host = _host(process, log)
        _wait_for(f"http://{host}/v2/", process, log)
        yield host


def _registry_program() -> str | None:
    """The path of the registry server of distribution 2; None if it is not installed."""
    for program in _PROGRAMS:
        found = shutil.which(program, path=_SEARCH)
        if found is None:
            continue
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            asked = [found, "--version"]
            version = subprocess.run(asked, capture_output=True, timeout=_TIMEOUT, check=False)
            if _DISTRIBUTION_2.search(version.stdout):
                return found
    return None


def _host(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _TIMEOUT
    while (found := _LISTENING.search(log.read_text())) is None:
        _still_starting(process, log, deadline)
    return found[1]


@contextlib.contextmanager
def _fake(files: ServerFiles) -> Iterator[dict[str, str]]:
    program = script("fake_registry.py", files.scripts)
    for attempt in range(_ATTEMPTS):
        first = _free_ports(len(_FAKE))
        command = script_command(program, files.root, str(first))
        log = files.work / f"fake-{attempt}.log"
        with _process(command, log) as process:
            try:
                for port in range(first, first + len(_FAKE)):
                    _wait_for(f"http://127.0.0.1:{port}/v2/", process, log)
            except ServersError:
                if attempt + 1 == _ATTEMPTS or process.poll() is None:
                    raise
                continue  # another process took one of the ports
            yield {name: f"127.0.0.1:{first + offset}" for offset, name in enumerate(_FAKE)}
            return


def _free_ports(count: int) -> int:
    """The first of `count` consecutive ports that are currently free."""
    for _ in range(_ATTEMPTS):
        with contextlib.ExitStack() as stack:
            first = 0
            for offset in range(count):
                bound = stack.enter_context(socket.socket())
                try:
                    bound.bind(("127.0.0.1", first + offset if first else 0))
                except (OSError, OverflowError):
                    break
                first = first or bound.getsockname()[1]
            else:
                return first
    raise ServersError(f"there are no {count} consecutive free ports")


def _seed(files: ServerFiles, hosts: list[str]) -> None:
    program = script("seed_registries.py", files.scripts)
    done = subprocess.run(
        script_command(program, files.root, *hosts), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ServersError(f"{program} failed: {done.stderr.strip()[-2000:]}")


@contextlib.contextmanager
def _process(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_environment(),
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def _environment() -> dict[str, str]:
    """The environment, without what the registry server would read as its configuration."""
    return {key: text for key, text in os.environ.items() if not key.startswith("REGISTRY_")}


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _TIMEOUT
    # A proxy of the environment must not be used for loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        _still_starting(process, log, deadline)
        try:
            with opener.open(url, timeout=_TIMEOUT):
                return
        except urllib.error.HTTPError as error:  # an error status is a response too
            error.close()
            return
        except OSError:
            continue


def _still_starting(process: subprocess.Popen[bytes], log: Path, deadline: float) -> None:
    time.sleep(0.01)
    if process.poll() is not None or time.monotonic() > deadline:
        raise ServersError(f"a server did not start:\n{log.read_text()[-2000:]}")
