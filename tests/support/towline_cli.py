"""Run the real command line in a process, isolated from the machine's configuration."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["CommandLine", "Ended", "stored_state"]


@dataclass(frozen=True, slots=True)
class Ended:
    """The exit status and the output of a command."""

    status: int
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[str]:
        """The lines of the standard output."""
        return self.stdout.splitlines()

    def json(self) -> Any:
        """The standard output as a JSON document."""
        return json.loads(self.stdout)


@dataclass(frozen=True, slots=True)
class CommandLine:
    """`towline` with its own home directory, store and configuration files.

    Attributes:
        home: the home directory, with `policy.json` and `registries.conf`.
        root: the store.
    """

    home: Path
    root: Path

    @classmethod
    def below(cls, directory: Path) -> CommandLine:
        """A command line that accepts every image and searches no registry."""
        home = directory / "home"
        home.mkdir(parents=True)
        line = cls(home, directory / "store")
        line.policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        line.registries_conf.write_text("unqualified-search-registries = []\n")
        return line

    @property
    def policy(self) -> Path:
        """The path of its policy.json."""
        return self.home / "policy.json"

    @property
    def registries_conf(self) -> Path:
        """The path of its registries.conf."""
        return self.home / "registries.conf"

    def arguments(self, command: str, *arguments: str | Path) -> list[str]:
        """The whole command."""
        shared = ["--root", str(self.root)]
        if command in ("pull", "resolve"):
            shared += ["--registries-conf", str(self.registries_conf)]
        if command == "pull":
            shared += ["--policy", str(self.policy)]
        return [sys.executable, "-m", "towline", command, *shared, *map(str, arguments)]

    @property
    def environment(self) -> dict[str, str]:
        """The environment, without variables that select files of the machine."""
        drop = ("XDG_", "CONTAINERS_", "REGISTR", "DOCKER_", "TOWLINE_ROOT")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(drop)}
        return kept | {"HOME": str(self.home)}

    def __call__(self, command: str, *arguments: str | Path) -> Ended:
        """Run a command to its end."""
        return self._ended(self.arguments(command, *arguments))

    def run(self, *arguments: str | Path) -> Ended:
        """Run `towline` with exactly these arguments to its end."""
        return self._ended([sys.executable, "-m", "towline", *map(str, arguments)])

    def _ended(self, arguments: list[str]) -> Ended:
        done = subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=self.environment,
            check=False,
        )
        return Ended(
            done.returncode,
            done.stdout.decode(errors="surrogateescape"),
            done.stderr.decode(errors="surrogateescape"),
        )

    def killed(self, after: float, command: str, *arguments: str | Path) -> int:
        """Run a command, send SIGKILL after some seconds, and return the status.

        The status is negative if the signal ended the command.
        """
        process = subprocess.Popen(
            self.arguments(command, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self.environment,
        )
        try:
            return process.wait(after)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            return process.wait()


def stored_state(line: CommandLine) -> Any:
    """The images in the store, as `towline images` prints them."""
    return line("images", "--format", "json").json()
