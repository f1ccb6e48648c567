"""Pushing to a real registry over plain HTTP, and breaking what lies in its storage."""

from __future__ import annotations

import shutil
import urllib.error
import urllib.request
from pathlib import Path

from tests.support.image_forms import Pushed, broken, sha256
from tests.support.registry import RegistryServer

__all__ = ["break_blob", "forget", "forget_everything", "mend_blob", "push"]


def push(server: RegistryServer, repository: str, tag: str, image: Pushed) -> None:
    """Push an image, with the instances of a list, under a tag."""
    for instance in image.instances:
        push(server, repository, sha256(instance.data), instance)
    base = f"{server.url}/v2/{repository}"
    for digest, data in image.blobs.items():
        where = _ask("POST", f"{base}/blobs/uploads/", b"")
        _ask("PUT", f"{where}{'&' if '?' in where else '?'}digest={digest}", data)
    _ask("PUT", f"{base}/manifests/{tag}", image.data, image.media_type)


def forget(server: RegistryServer, repository: str, digest: str) -> None:
    """Delete a manifest, and the tags that name it."""
    try:
        _ask("DELETE", f"{server.url}/v2/{repository}/manifests/{digest}", None)
    except urllib.error.HTTPError as refused:
        with refused:
            if refused.code != 404:
                raise


def forget_everything(server: RegistryServer) -> None:
    """Empty its storage; the server keeps nothing in memory."""
    shutil.rmtree(server.storage / "docker", ignore_errors=True)


def break_blob(server: RegistryServer, digest: str, data: bytes, *, gone: bool) -> None:
    """Take a blob's bytes away, or put others of the same length in their place."""
    path = _blob(server, digest)
    if path.parent.exists():
        path.unlink(missing_ok=True)
        if not gone:
            path.write_bytes(broken(data))


def mend_blob(server: RegistryServer, digest: str, data: bytes) -> None:
    """Put the right bytes back."""
    path = _blob(server, digest)
    if path.parent.exists():
        path.write_bytes(data)


def _blob(server: RegistryServer, digest: str) -> Path:
    key = digest.removeprefix("sha256:")
    return server.storage / "docker/registry/v2/blobs/sha256" / key[:2] / key / "data"


def _ask(method: str, url: str, body: bytes | None, media_type: str = "") -> str:
    headers = {"Content-Type": media_type or "application/octet-stream"}
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    with urllib.request.urlopen(request) as answer:
        return str(answer.headers.get("Location", ""))
