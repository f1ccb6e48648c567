"""Inspect and copy images with skopeo, which is independent of towline."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from tests.support import tools

# Used instead of the machine's policy, so that tests do not depend on it.
POLICY = {"default": [{"type": "insecureAcceptAnything"}]}


def raw_manifest(location: str, *, tls_verify: bool = False) -> bytes:
    """The manifest of `transport:rest`, byte for byte."""
    return _inspect("--raw", location, tls_verify=tls_verify)


def manifest_digest(location: str, *, tls_verify: bool = False) -> str:
    """The SHA-256 digest of the manifest of `transport:rest`, as `sha256:<hex>`."""
    manifest = raw_manifest(location, tls_verify=tls_verify)
    return f"sha256:{hashlib.sha256(manifest).hexdigest()}"


def inspect(location: str, *, tls_verify: bool = False) -> dict[str, Any]:
    """The output of `skopeo inspect` for `transport:rest`: Digest, Labels, Layers and more."""
    return _json(_inspect(location, tls_verify=tls_verify))


def config(location: str, *, tls_verify: bool = False) -> dict[str, Any]:
    """The config of the image at `transport:rest`, in OCI form."""
    return _json(_inspect("--config", location, tls_verify=tls_verify))


def copy(source: str, destination: str, *options: str, policy: Path) -> None:
    """Copy an image; `options` such as `--format v2s2` are those of `skopeo copy`."""
    tls = [
        f"--{side}-tls-verify=false"
        for side, location in (("src", source), ("dest", destination))
        if location.startswith("docker://")
    ]
    skopeo = tools.require("skopeo")
    tools.run(skopeo, "--policy", policy, "copy", "-q", *tls, *options, source, destination)


def write_policy(path: Path) -> Path:
    """Write a policy.json that accepts every image, and return its path."""
    path.write_text(json.dumps(POLICY))
    return path


def _inspect(*arguments: str, tls_verify: bool) -> bytes:
    verify = f"--tls-verify={str(tls_verify).lower()}"
    return tools.run(tools.require("skopeo"), "inspect", verify, *arguments).stdout


def _json(text: bytes) -> dict[str, Any]:
    value = json.loads(text)
    assert isinstance(value, dict)
    return value
