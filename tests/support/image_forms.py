"""The images of the state machines, in the forms that registries and archives store."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.pull_world import Image, ImageList

__all__ = [
    "ARCHIVED",
    "PUSHED",
    "Archived",
    "Pushed",
    "broken",
    "listing",
    "sha256",
    "with_layer",
    "write_archive",
]

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
OCI = "application/vnd.oci.image.manifest.v1+json"


def sha256(data: bytes) -> str:
    """The SHA-256 digest of bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def broken(data: bytes) -> bytes:
    """Other bytes of the same length, which are not JSON."""
    return (b"broken" * len(data))[: len(data)]


@dataclass(frozen=True, slots=True)
class Pushed:
    """An image or a manifest list as a registry stores it; `instances` are those of a list."""

    model: Image | ImageList
    data: bytes
    media_type: str
    blobs: Mapping[str, bytes]
    instances: tuple[Pushed, ...] = ()

    @property
    def everything(self) -> dict[str, bytes]:
        """All blobs and manifests, including those of the instances, by digest."""
        own = {sha256(self.data): self.data, **self.blobs}
        for instance in self.instances:
            own |= instance.everything
        return own


@dataclass(frozen=True, slots=True)
class Archived:
    """An image as a docker-archive stores it."""

    model: Image
    config: bytes
    tars: tuple[bytes, ...]


def _tar(text: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo(f"{text}.txt")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def _config(tars: Sequence[bytes], labels: Sequence[str], architecture: str = "amd64") -> bytes:
    document = {
        "os": "linux",
        "architecture": architecture,
        "config": {"Labels": dict.fromkeys(labels, "1")},
        "rootfs": {"type": "layers", "diff_ids": [sha256(tar) for tar in tars]},
    }
    return json.dumps(document).encode()


def _entry(media_type: str, data: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "size": len(data), "digest": sha256(data)}


def _forms(
    texts: Sequence[str],
    labels: Sequence[str] = (),
    media_type: str = DOCKER,
    architecture: str = "amd64",
) -> tuple[Pushed, Archived]:
    tars = [_tar(text) for text in texts]
    config = _config(tars, labels, architecture)
    key = sha256(config).removeprefix("sha256:")

    def manifest(layers: Sequence[bytes]) -> bytes:
        entries = [_entry(DOCKER_LAYER, data) for data in layers]
        document = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": _entry(DOCKER_CONFIG, config),
            "layers": entries,
        }
        return json.dumps(document, separators=(",", ":")).encode()

    packed = [gzip.compress(tar, mtime=0) for tar in tars]
    blobs = {sha256(data): data for data in [config, *packed]}
    data = manifest(packed)
    layers = tuple(sha256(each) for each in packed)
    pushed = Pushed(Image(sha256(data), key, layers, tuple(labels)), data, media_type, blobs)
    generated = manifest(tars)  # ARCH-020
    plain = tuple(sha256(tar) for tar in tars)
    image = Image(sha256(generated), key, plain, tuple(labels))
    return pushed, Archived(image, config, tuple(tars))


def listing(*instances: tuple[str, Pushed]) -> Pushed:
    """A manifest list of instances with their architectures."""
    document = {
        "schemaVersion": 2,
        "mediaType": DOCKER_LIST,
        "manifests": [
            {
                **_entry(each.media_type, each.data),
                "platform": {"os": "linux", "architecture": arch},
            }
            for arch, each in instances
        ],
    }
    data = json.dumps(document).encode()
    matching = [each.model for arch, each in instances if arch == "amd64"]
    image = matching[0] if matching and isinstance(matching[0], Image) else None
    model = ImageList(sha256(data), image)
    return Pushed(model, data, DOCKER_LIST, {}, tuple(each for _, each in instances))


def with_layer(layer: bytes, os: str = "linux", architecture: str = "amd64") -> Pushed:
    """An image with one layer of these bytes, for this platform."""
    config = json.dumps({"os": os, "architecture": architecture}).encode()
    document = {
        "schemaVersion": 2,
        "mediaType": DOCKER,
        "config": _entry(DOCKER_CONFIG, config),
        "layers": [_entry(DOCKER_LAYER, layer)],
    }
    data = json.dumps(document).encode()
    blobs = {sha256(config): config, sha256(layer): layer}
    image = Image(sha256(data), sha256(config).removeprefix("sha256:"), (sha256(layer),))
    return Pushed(image, data, DOCKER, blobs)


_ONE, _ONE_ARCHIVED = _forms(["base", "one"], ["Version", "maintainer"])
_TWO, _TWO_ARCHIVED = _forms(["base", "two"])
_AGAIN, _ = _forms(["base", "one"], ["Version", "maintainer"], OCI)  # the same ID, another manifest
_TWICE, _TWICE_ARCHIVED = _forms(["three", "three"], ["version"])
_NONE, _NONE_ARCHIVED = _forms([])
_OTHER, _ = _forms(["other"], architecture="s390x")

PUSHED = {
    "one": _ONE,
    "two": _TWO,
    "again": _AGAIN,
    "twice": _TWICE,
    "none": _NONE,
    "list": listing(("s390x", _OTHER), ("amd64", _ONE)),
    "foreign": listing(("s390x", _OTHER)),
}
ARCHIVED = {
    "one": _ONE_ARCHIVED,
    "two": _TWO_ARCHIVED,
    "twice": _TWICE_ARCHIVED,
    "none": _NONE_ARCHIVED,
}


def write_archive(path: Path, items: Sequence[tuple[Sequence[str], Archived]]) -> None:
    """Write a docker-archive of images with their names."""
    files: dict[str, bytes] = {}
    listed = []
    for names, image in items:
        config = f"{image.model.id}.json"
        files[config] = image.config
        layers = [f"{sha256(tar)[7:]}/layer.tar" for tar in image.tars]
        files |= dict(zip(layers, image.tars, strict=True))
        listed.append({"Config": config, "RepoTags": list(names) or None, "Layers": layers})
    files["manifest.json"] = json.dumps(listed).encode()
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
