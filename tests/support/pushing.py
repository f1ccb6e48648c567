"""Push small generated images to a real registry, and pull with an isolated configuration."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.client
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.registry import RegistryServer
from towline.config.locations import Locations
from towline.runtime.options import Options
from towline.runtime.runtime import Runtime
from towline.store.layout.store import LayoutStore, open_store
from towline.timeouts import Timeouts

__all__ = ["SHORT_TIMEOUTS", "Puller", "SmallImage", "digest_of", "push", "small_image"]

OCI = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

#: Short timeouts, so that tests of a bad registry end soon; no test asserts them.
SHORT_TIMEOUTS = Timeouts(
    connect=5.0, response=0.4, stall_window=0.4, stall_bytes=64, backoff=0.0, longest_delay=0.05
)


def digest_of(data: bytes) -> str:
    """The SHA-256 digest of bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def entry(media_type: str, data: bytes) -> dict[str, Any]:
    """The descriptor of bytes."""
    return {"mediaType": media_type, "size": len(data), "digest": digest_of(data)}


@dataclass(frozen=True, slots=True)
class SmallImage:
    """The documents and blobs of one image."""

    manifest: bytes
    config: bytes
    layers: tuple[bytes, ...]
    media_type: str = OCI

    @property
    def digest(self) -> str:
        """The digest of the manifest."""
        return digest_of(self.manifest)

    @property
    def blobs(self) -> tuple[bytes, ...]:
        """The config and the layers."""
        return (self.config, *self.layers)


def small_image(seed: str, layers: int = 2, size: int = 300_000) -> SmallImage:
    """An image with layers that hardly compress; the same seed gives the same image."""
    chance = random.Random(seed)
    made = tuple(gzip.compress(chance.randbytes(size), 1, mtime=0) for _ in range(layers))
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Labels": {"seed": seed}},
            "rootfs": {"type": "layers", "diff_ids": []},
        }
    ).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI,
        "config": entry(OCI_CONFIG, config),
        "layers": [entry(OCI_LAYER, layer) for layer in made],
    }
    return SmallImage(json.dumps(manifest).encode(), config, made)


def push(server: RegistryServer, name: str, image: SmallImage) -> None:
    """Push an image as `repository:tag` to a registry over plain HTTP, without credentials."""
    repository, _, tag = name.partition(":")
    with contextlib.closing(http.client.HTTPConnection(server.host, timeout=30)) as connection:
        for blob in image.blobs:
            target = f"/v2/{repository}/blobs/uploads/"
            upload = _request(connection, "POST", target, b"", {}, 202)
            target = upload["Location"].removeprefix(server.url)
            target += f"{'&' if '?' in target else '?'}digest={digest_of(blob)}"
            headers = {"Content-Type": "application/octet-stream"}
            _request(connection, "PUT", target, blob, headers, 201)
        headers = {"Content-Type": image.media_type}
        target = f"/v2/{repository}/manifests/{tag}"
        _request(connection, "PUT", target, image.manifest, headers, 201)


def _request(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    body: bytes,
    headers: Mapping[str, str],
    status: int,
) -> dict[str, str]:
    connection.request(method, target, body, dict(headers))
    response = connection.getresponse()
    content = response.read()
    assert response.status == status, (method, target, response.status, content)
    return dict(response.getheaders())


@dataclass
class Puller:
    """A store and configuration files in a folder, independent of this machine's.

    Attributes:
        folder: contains all of it.
        environ: the environment variables for the configuration.
    """

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def locations(self) -> Locations:
        """The locations of the configuration files, all below `folder`."""
        etc, run, var = (str(self.folder / name) for name in ("etc", "run", "var"))
        environ = {"HOME": str(self.folder / "home"), **self.environ}
        return Locations(environ=environ, etc=etc, run=run, uid=0, var=var)

    def write(self, name: str, text: str) -> Path:
        """Write a configuration file, such as `etc/containers/registries.conf`."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def conf(self, text: str) -> None:
        """Write `etc/containers/registries.conf`."""
        self.write("etc/containers/registries.conf", text)

    @property
    def store(self) -> LayoutStore:
        """The store."""
        return open_store(self.folder / "store")

    def runtime(self, **options: Any) -> Runtime:
        """A runtime with short timeouts."""
        return Runtime(
            self.store,
            Options(**{"locations": self.locations, "timeouts": SHORT_TIMEOUTS, **options}),
        )

    def stored(self) -> list[tuple[str, tuple[str, ...]]]:
        """The images in the store: their IDs and names."""
        return sorted((image.id, image.names) for image in self.store.images())

    def assert_whole(self, image: SmallImage) -> None:
        """Assert that the store has every blob of an image, and that it verifies."""
        for blob in (image.manifest, *image.blobs):
            path = self.folder / "store/blobs/sha256" / digest_of(blob).partition(":")[2]
            assert path.read_bytes() == blob
        report = self.store.verify(None)
        assert report.clean, report.faults


def insecure(*hosts: str) -> Iterator[str]:
    """Entries of registries.conf that allow plain HTTP for hosts."""
    for host in hosts:
        yield f'[[registry]]\nlocation = "{host}"\ninsecure = true\n'
