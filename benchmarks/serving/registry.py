"""A real registry whose storage consists of hard links to the workloads' files."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.workloads.images import Image
from tests.support.registry import RegistryServer, RegistrySettings, serve

__all__ = ["Registry", "registry"]

_ROOT = "docker/registry/v2"


@dataclass(slots=True)
class Registry:
    """A running registry, which counts its requests."""

    server: RegistryServer
    seen: int = 0

    @property
    def host(self) -> str:
        """`127.0.0.1:PORT`."""
        return self.server.host

    def offer(self, image: Image) -> None:
        """Add an image as a repository with the image's name and the tag ``latest``."""
        _link(image, self.server.storage / _ROOT)

    def new_requests(self) -> tuple[int, int]:
        """The number of requests since the last call, and the bytes of the response bodies."""
        requests = self.server.requests()
        new, self.seen = requests[self.seen :], len(requests)
        return len(new), sum(each.size for each in new if each.method == "GET")


@contextlib.contextmanager
def registry(cache: Path) -> Iterator[Registry]:
    """Run a registry on a free port, in the cache so that its files can be hard-linked."""
    with tempfile.TemporaryDirectory(prefix="registry-", dir=cache) as folder:
        path = Path(folder)
        with serve(path, RegistrySettings(storage=path / "storage")) as server:
            yield Registry(server)


def _link(image: Image, root: Path) -> None:
    """Create the storage layout of distribution for an image, without copying blobs."""
    repository = root / "repositories" / image.name
    for digest in image.blobs():
        blob = root / "blobs/sha256" / digest[:2] / digest
        if not blob.exists():
            blob.mkdir(parents=True)
            try:
                os.link(image.blob(digest), blob / "data")
            except OSError:  # a file system without hard links
                shutil.copyfile(image.blob(digest), blob / "data")
        _write_link(repository / "_layers/sha256" / digest, digest)
    manifest = image.manifest
    _write_link(repository / "_manifests/revisions/sha256" / manifest, manifest)
    _write_link(repository / "_manifests/tags/latest/current", manifest)
    _write_link(repository / "_manifests/tags/latest/index/sha256" / manifest, manifest)


def _write_link(folder: Path, digest: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "link").write_text(f"sha256:{digest}")
