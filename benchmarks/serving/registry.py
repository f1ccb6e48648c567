"""A real registry whose storage is made of the workloads' own files, by hard links."""

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
    """A running registry; counts what it was asked."""

    server: RegistryServer
    seen: int = 0

    @property
    def host(self) -> str:
        """`127.0.0.1:PORT`."""
        return self.server.host

    def offer(self, image: Image) -> None:
        """Put an image there, in the repository of its name, tagged ``latest``."""
        _link(image, self.server.storage / _ROOT)

    def taken(self) -> tuple[int, int]:
        """Requests answered, and bytes of their bodies, since it was asked last."""
        every = self.server.requests()
        new, self.seen = every[self.seen :], len(every)
        return len(new), sum(each.size for each in new if each.method == "GET")


@contextlib.contextmanager
def registry(cache: Path) -> Iterator[Registry]:
    """A registry on a free port, beside the workloads so that their files can be linked."""
    with tempfile.TemporaryDirectory(prefix="registry-", dir=cache) as folder:
        here = Path(folder)
        with serve(here, RegistrySettings(storage=here / "storage")) as server:
            yield Registry(server)


def _link(image: Image, root: Path) -> None:
    """Lay an image out as distribution does, without a byte copied."""
    own = root / "repositories" / image.name
    for digest in image.blobs():
        blob = root / "blobs/sha256" / digest[:2] / digest
        if not blob.exists():
            blob.mkdir(parents=True)
            try:
                os.link(image.blob(digest), blob / "data")
            except OSError:  # a file system without hard links
                shutil.copyfile(image.blob(digest), blob / "data")
        _point(own / "_layers/sha256" / digest, digest)
    manifest = image.manifest
    _point(own / "_manifests/revisions/sha256" / manifest, manifest)
    _point(own / "_manifests/tags/latest/current", manifest)
    _point(own / "_manifests/tags/latest/index/sha256" / manifest, manifest)


def _point(folder: Path, digest: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "link").write_text(f"sha256:{digest}")
