"""Commands that copy an image from an archive into a directory."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from benchmarks.measuring.machine import find
from benchmarks.measuring.turns import Contender
from benchmarks.measuring.workspace import Workspace
from benchmarks.peers.pulls import podman

__all__ = ["DIFFERENCES", "contenders"]

#: How each differs from the others, for the page.
DIFFERENCES = {
    "skopeo to dir:": "layers of a docker-archive are kept uncompressed, as towline keeps them",
    "skopeo to oci:": "layers of a docker-archive are compressed by gzip, because a layout is OCI",
    "podman load": "unpacks each layer into its store",
    "cp, then openssl dgst": "copies the file and hashes it once; nothing is parsed",
    "gzip -dc, then openssl dgst": "decompresses once and hashes once; nothing is written",
}


def contenders(kind: str, archive: Path, workspace: Workspace) -> list[Contender]:
    """The installed tools that read an archive, with their commands.

    Args:
        kind: ``docker-archive`` or ``oci-archive``.
        archive: the file; compressed if its name ends in ``.gz``.
        workspace: the destination.
    """
    policy, target = str(workspace.policy), str(workspace.target)
    packed = archive.suffix == ".gz"
    found = [
        Contender(
            "towline",
            [
                *(sys.executable, "-m", "towline", "pull", f"{kind}:{archive}"),
                *("--root", target, "--progress", "none", "--policy", policy),
            ],
            ours=True,
        )
    ]
    if find("skopeo"):
        copy = ["skopeo", "--policy", policy, "copy", "--quiet", f"{kind}:{archive}"]
        found += [
            Contender("skopeo to dir:", [*copy, f"dir:{target}"]),
            Contender("skopeo to oci:", [*copy, f"oci:{target}:image"]),
        ]
    if find("podman") and packed:
        load = ["load", "--quiet", "--signature-policy", policy, "--input", str(archive)]
        found.append(Contender("podman load", [*podman(workspace, workspace.target), *load]))
    if find("openssl"):
        source, copied = shlex.quote(str(archive)), shlex.quote(target)
        if packed:
            script = f"gzip -dc {source} | openssl dgst -sha256"
            found.append(Contender("gzip -dc, then openssl dgst", ["sh", "-c", script]))
        else:
            script = f"cp {source} {copied} && openssl dgst -sha256 {copied}"
            found.append(Contender("cp, then openssl dgst", ["sh", "-c", script]))
    return found
