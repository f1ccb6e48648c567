"""What is measured: commands that bring the image of a registry into a fresh directory."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PEERS", "Peer", "Pull"]


@dataclass(frozen=True)
class Pull:
    """One pull: where from, where to.

    Attributes:
        host: the registry, spoken to over plain HTTP.
        repository: the image in it, tagged ``latest``.
        layers: its blobs, for `curl`, which knows no images.
        target: a directory that does not exist yet.
        policy: a policy.json that accepts anything.
    """

    host: str
    repository: str
    layers: Sequence[str]
    target: Path
    policy: Path


@dataclass(frozen=True)
class Peer:
    """A tool and its command; `verifies` says whether it checks what it gets."""

    name: str
    program: str
    command: Callable[[Pull], list[str]]
    verifies: bool = True

    @property
    def installed(self) -> bool:
        """Whether the tool is on this machine."""
        return shutil.which(self.program) is not None


def _towline(pull: Pull) -> list[str]:
    return [
        *(sys.executable, "-m", "towline", "pull", f"{pull.host}/{pull.repository}"),
        *("--root", str(pull.target), "--tls-verify", "false", "--progress", "none"),
        *("--policy", str(pull.policy)),
    ]


def _towline_diff_ids(pull: Pull) -> list[str]:
    return [*_towline(pull), "--verify-diff-ids"]


def _skopeo(pull: Pull) -> list[str]:
    return [
        *("skopeo", "--policy", str(pull.policy), "copy", "--quiet", "--src-tls-verify=false"),
        *(f"docker://{pull.host}/{pull.repository}", f"oci:{pull.target}:image"),
    ]


def _curl(pull: Pull) -> list[str]:
    command = ["curl", "--silent", "--show-error", "--fail", "--create-dirs"]
    for number, digest in enumerate(pull.layers):
        url = f"http://{pull.host}/v2/{pull.repository}/blobs/{digest}"
        command += ["-o", str(pull.target / str(number)), url]
    return command


PEERS = (
    Peer("towline", sys.executable, _towline),
    Peer("towline --verify-diff-ids", sys.executable, _towline_diff_ids),
    Peer("skopeo to oci:", "skopeo", _skopeo),
    Peer("curl, one by one", "curl", _curl, verifies=False),
)
