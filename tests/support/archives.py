"""Archives and layouts made in code, as odd as a test needs them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from towline.core import BlobWriter
from towline.image.manifest import DOCKER_SCHEMA2, OCI_CONFIG, OCI_MANIFEST, parse_manifest
from towline.name.digest import sha256_of
from towline.source.protocol import OpenBlob, Source

Entry = tuple[str, bytes | tarfile.TarInfo]

REF_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"


def link(name: str, target: str, *, hard: bool = False) -> Entry:
    """A link as an entry of `tar`."""
    member = tarfile.TarInfo(name)
    member.type = tarfile.LNKTYPE if hard else tarfile.SYMTYPE
    member.linkname = target
    return name, member


def special(name: str, kind: bytes) -> Entry:
    """A member of a type that has no bytes of its own."""
    member = tarfile.TarInfo(name)
    member.type = kind
    return name, member


def tar(entries: Sequence[Entry]) -> bytes:
    """A tar of entries, in their order, under exactly their names."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in entries:
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
            else:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def layer(text: str) -> bytes:
    """A layer of one file."""
    return tar([(f"{text}.txt", text.encode())])


def hexed(data: bytes) -> str:
    """The hex of a SHA-256 digest."""
    return hashlib.sha256(data).hexdigest()


def config(layers: Sequence[bytes], **more: Any) -> bytes:
    """A config for layers given as plain tars."""
    diff_ids = [f"sha256:{hexed(data)}" for data in layers]
    rootfs = {"type": "layers", "diff_ids": diff_ids}
    return json.dumps({"os": "linux", "architecture": "amd64", "rootfs": rootfs, **more}).encode()


def docker_archive(
    *images: tuple[Sequence[str], Sequence[bytes]], more: Sequence[Entry] = ()
) -> list[Entry]:
    """The entries of a docker-archive of images, each names and layers; manifest.json is last."""
    entries: dict[str, bytes] = {}
    listed = []
    for names, layers in images:
        document = config(layers)
        entries[f"{hexed(document)}.json"] = document
        for data in layers:
            entries[f"{hexed(data)}.tar"] = data
        listed.append(
            {
                "Config": f"{hexed(document)}.json",
                "RepoTags": list(names),
                "Layers": [f"{hexed(data)}.tar" for data in layers],
            }
        )
    return [*entries.items(), *more, ("manifest.json", json.dumps(listed).encode())]


def oci_image(*layers: bytes) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The blobs of an OCI image by path, and the descriptor of its manifest."""
    packed = [gzip.compress(data, mtime=0) for data in layers]
    document = config(layers)
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "config": descriptor(OCI_CONFIG, document),
            "layers": [
                descriptor("application/vnd.oci.image.layer.v1.tar+gzip", data) for data in packed
            ],
        }
    ).encode()
    blobs = {f"blobs/sha256/{hexed(data)}": data for data in [*packed, document, manifest]}
    return blobs, descriptor(OCI_MANIFEST, manifest)


def descriptor(media_type: str, data: bytes, **more: Any) -> dict[str, Any]:
    """A descriptor of some bytes."""
    return {"mediaType": media_type, "digest": str(sha256_of(data)), "size": len(data), **more}


def layout(
    descriptors: Sequence[Mapping[str, Any]], *blobs: Mapping[str, bytes]
) -> dict[str, bytes]:
    """The files of an OCI layout."""
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": list(descriptors)}).encode()
    for some in blobs:
        files.update(some)
    return files


def unpacked(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Files in a folder."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def dir_image(*layers: bytes) -> dict[str, bytes]:
    """The files of a `dir:` image with a schema 2 manifest."""
    document = config(layers)
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": DOCKER_SCHEMA2,
            "config": descriptor("application/vnd.docker.container.image.v1+json", document),
            "layers": [
                descriptor("application/vnd.docker.image.rootfs.diff.tar", d) for d in layers
            ],
        }
    ).encode()
    return {"manifest.json": manifest, **{hexed(data): data for data in [document, *layers]}}


def delivered(blob: OpenBlob, folder: Path, held: bytes = b"") -> bytes:
    """What a blob delivers, after what an earlier attempt left."""
    path = folder / "delivered"
    path.write_bytes(held)
    writer = BlobWriter(str(path), resume=True)
    with blob:
        blob.deliver(writer)
    writer.finish()
    return path.read_bytes()


def layers_of(source: Source, folder: Path) -> list[bytes]:
    """Every layer of a source's image, each delivered and compared with its digest."""
    found = []
    for wanted in parse_manifest(source.manifest()).layers:
        data = delivered(source.open_blob(wanted), folder)
        assert sha256_of(data) == wanted.digest
        assert len(data) == wanted.size
        found.append(data)
    return found
