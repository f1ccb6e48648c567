"""Commands that copy an image from a registry into a directory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring.machine import find
from benchmarks.measuring.turns import Contender
from benchmarks.measuring.workspace import Workspace
from benchmarks.workloads.images import Image

__all__ = ["PEERS", "Peer", "Pull", "contenders"]

_POWER = """
import pathlib, sys, towline
name, root, policy = sys.argv[1:]
store = towline.open_store(root, durability="power")
options = towline.Options(policy=pathlib.Path(policy), tls_verify=False)
towline.Runtime(store, options).pull(name)
"""


@dataclass(frozen=True, slots=True)
class Pull:
    """The source and destination of one pull.

    Attributes:
        host: the registry, accessed over plain HTTP.
        repository: the repository of the image, which has the tag ``latest``.
        layers: digests, for `curl`, which downloads blobs and not images.
        workspace: the paths that commands use.
        target: the destination of the image.
    """

    host: str
    repository: str
    layers: Sequence[str]
    workspace: Workspace
    target: Path


@dataclass(frozen=True, slots=True)
class Peer:
    """A tool with certain options.

    Attributes:
        name: its name in tables and charts.
        program: the program that must be installed.
        command: returns the command for a pull.
        difference: how it differs from the others, for the page.
    """

    name: str
    program: str
    command: Callable[[Pull], list[str]]
    difference: str

    @property
    def installed(self) -> bool:
        """Whether the tool is installed on this machine."""
        return self.program == sys.executable or find(self.program) is not None


def contenders(
    names: Sequence[str], host: str, image: Image, workspace: Workspace, target: Path | None = None
) -> list[Contender]:
    """The installed ones of these peers, with commands that pull an image."""
    layers = [f"sha256:{layer.digest}" for layer in image.layers]
    pull = Pull(host, image.name, layers, workspace, target or workspace.target)
    return [
        Contender(name, PEERS[name].command(pull), ours=PEERS[name].program == sys.executable)
        for name in names
        if PEERS[name].installed
    ]


def _towline(pull: Pull) -> list[str]:
    return [
        *(sys.executable, "-m", "towline", "pull", f"{pull.host}/{pull.repository}"),
        *("--root", str(pull.target), "--tls-verify", "false", "--progress", "none"),
        *("--policy", str(pull.workspace.policy)),
    ]


def _towline_diff_ids(pull: Pull) -> list[str]:
    return [*_towline(pull), "--verify-diff-ids"]


def _towline_power(pull: Pull) -> list[str]:
    name = f"{pull.host}/{pull.repository}"
    return [sys.executable, "-c", _POWER, name, str(pull.target), str(pull.workspace.policy)]


def _skopeo(pull: Pull) -> list[str]:
    return [
        *("skopeo", "--policy", str(pull.workspace.policy), "copy", "--quiet"),
        *("--src-tls-verify=false", f"docker://{pull.host}/{pull.repository}"),
        f"oci:{pull.target}:image",
    ]


def _crane(pull: Pull) -> list[str]:
    image = f"{pull.host}/{pull.repository}"
    return ["crane", "pull", "--insecure", "--format=oci", image, str(pull.target)]


def _podman(pull: Pull) -> list[str]:
    return [
        *podman(pull.workspace, pull.target),
        *("pull", "--quiet", "--tls-verify=false"),
        *("--signature-policy", str(pull.workspace.policy), f"{pull.host}/{pull.repository}"),
    ]


def podman(workspace: Workspace, target: Path) -> list[str]:
    """The start of a podman command with a store below `target`."""
    roots = ("--root", str(target / "root"), "--runroot", str(workspace.run_root))
    return ["podman", *roots, "--storage-driver", "overlay"]


def _curl(pull: Pull) -> list[str]:
    command = ["curl", "--silent", "--show-error", "--fail", "--create-dirs"]
    for number, digest in enumerate(pull.layers):
        url = f"http://{pull.host}/v2/{pull.repository}/blobs/{digest}"
        command += ["-o", str(pull.target / str(number)), url]
    return command


def _curl_parallel(pull: Pull) -> list[str]:
    return [*_curl(pull), "--parallel", "--parallel-max", "6"]


PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            "towline",
            sys.executable,
            _towline,
            "verifies every blob and stores it unchanged, in the embedded store",
        ),
        Peer(
            "towline --verify-diff-ids",
            sys.executable,
            _towline_diff_ids,
            "additionally decompresses and hashes each layer",
        ),
        Peer(
            "towline, durability=power",
            sys.executable,
            _towline_power,
            "uses the library; also flushes blobs",
        ),
        Peer(
            "skopeo to oci:",
            "skopeo",
            _skopeo,
            "verifies every blob and stores it unchanged, in an OCI layout",
        ),
        Peer(
            "crane to oci",
            "crane",
            _crane,
            "verifies every blob and stores it unchanged, in an OCI layout",
        ),
        Peer(
            "podman",
            "podman",
            _podman,
            "unpacks each layer into its store (overlay), which the others do not",
        ),
        Peer(
            "curl",
            "curl",
            _curl,
            "downloads the layers one after another, by their digests; nothing is verified",
        ),
        Peer("curl, 6 at once", "curl", _curl_parallel, "as curl, with `--parallel`"),
    )
}
