"""Push to a real registry over plain HTTP, and corrupt its storage."""

from __future__ import annotations

import shutil
import urllib.error
import urllib.request
from pathlib import Path

from tests.support.image_forms import Pushed, broken, sha256
from tests.support.registry import RegistryServer

__all__ = ["break_blob", "forget", "forget_everything", "mend_blob", "push"]


def push(server: RegistryServer, repository: str, tag: str, image: Pushed) -> None:
    """Push an image or a list with its instances under a tag."""
    for instance in image.instances:
        push(server, repository, sha256(instance.data), instance)
    base = f"{server.url}/v2/{repository}"
    for digest, data in image.blobs.items():
        url = _request("POST", f"{base}/blobs/uploads/", b"")
        _request("PUT", f"{url}{'&' if '?' in url else '?'}digest={digest}", data)
    _request("PUT", f"{base}/manifests/{tag}", image.data, image.media_type)


def forget(server: RegistryServer, repository: str, digest: str) -> None:
    """Delete a manifest and its tags; a missing one is ignored."""
    try:
        _request("DELETE", f"{server.url}/v2/{repository}/manifests/{digest}", None)
    except urllib.error.HTTPError as refused:
        with refused:
            if refused.code != 404:
                raise


def forget_everything(server: RegistryServer) -> None:
    """Delete the registry's storage; the server has no cache in memory."""
    shutil.rmtree(server.storage / "docker", ignore_errors=True)


def break_blob(server: RegistryServer, digest: str, data: bytes, *, gone: bool) -> None:
    """Delete a blob's file, or replace its content with other bytes of the same length."""
    path = _blob(server, digest)
    if path.parent.exists():
        path.unlink(missing_ok=True)
        if not gone:
            path.write_bytes(broken(data))


def mend_blob(server: RegistryServer, digest: str, data: bytes) -> None:
    """Restore the content of a blob."""
    path = _blob(server, digest)
    if path.parent.exists():
        path.write_bytes(data)


def _blob(server: RegistryServer, digest: str) -> Path:
    key = digest.removeprefix("sha256:")
    return server.storage / "docker/registry/v2/blobs/sha256" / key[:2] / key / "data"


def _request(method: str, url: str, body: bytes | None, media_type: str = "") -> str:
    headers = {"Content-Type": media_type or "application/octet-stream"}
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    with urllib.request.urlopen(request) as response:
        return str(response.headers.get("Location", ""))
