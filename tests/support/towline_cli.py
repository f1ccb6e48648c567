"""Running the real command line, as a user would, apart from the machine's own configuration."""

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
    """How a command ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[str]:
        """What it printed, line by line."""
        return self.stdout.splitlines()

    def json(self) -> Any:
        """What it printed, as a JSON document."""
        return json.loads(self.stdout)


@dataclass(frozen=True, slots=True)
class CommandLine:
    """`towline` with a home, a store and configuration files of its own.

    Attributes:
        home: its home directory; `policy.json` and `registries.conf` lie in it.
        root: its store.
    """

    home: Path
    root: Path

    @classmethod
    def below(cls, directory: Path) -> CommandLine:
        """One that accepts every image and searches no registry."""
        home = directory / "home"
        home.mkdir(parents=True)
        line = cls(home, directory / "store")
        line.policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        line.registries_conf.write_text("unqualified-search-registries = []\n")
        return line

    @property
    def policy(self) -> Path:
        """The policy.json that is used."""
        return self.home / "policy.json"

    @property
    def registries_conf(self) -> Path:
        """The registries.conf that is used."""
        return self.home / "registries.conf"

    def arguments(self, command: str, *words: str | Path) -> list[str]:
        """The whole command."""
        shared = ["--root", str(self.root)]
        if command in ("pull", "resolve"):
            shared += ["--registries-conf", str(self.registries_conf)]
        if command == "pull":
            shared += ["--policy", str(self.policy)]
        return [sys.executable, "-m", "towline", command, *shared, *map(str, words)]

    @property
    def environment(self) -> dict[str, str]:
        """The environment, without what would lead to files of the machine."""
        drop = ("XDG_", "CONTAINERS_", "REGISTR", "DOCKER_", "TOWLINE_ROOT")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(drop)}
        return kept | {"HOME": str(self.home)}

    def __call__(self, command: str, *words: str | Path) -> Ended:
        """Run a command to its end."""
        return self._ended(self.arguments(command, *words))

    def run(self, *words: str | Path) -> Ended:
        """Run exactly these words to their end."""
        return self._ended([sys.executable, "-m", "towline", *map(str, words)])

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

    def killed(self, after: float, command: str, *words: str | Path) -> int:
        """Run it and send SIGKILL after so many seconds; its status, negative where it was hit."""
        process = subprocess.Popen(
            self.arguments(command, *words),
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
    """What the store has: names, images, and all that they reach."""
    return line("images", "--format", "json").json()
