"""Archives and layouts built in code, valid or invalid."""

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
    """A member of a type without content."""
    member = tarfile.TarInfo(name)
    member.type = kind
    return name, member


def tar(entries: Sequence[Entry]) -> bytes:
    """A tar of the entries, in this order and with exactly these names."""
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
    """A layer with one file."""
    return tar([(f"{text}.txt", text.encode())])


def sha256_hex(data: bytes) -> str:
    """The SHA-256 digest of bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def config(layers: Sequence[bytes], **more: Any) -> bytes:
    """An image config for layers given as uncompressed tars."""
    diff_ids = [f"sha256:{sha256_hex(data)}" for data in layers]
    rootfs = {"type": "layers", "diff_ids": diff_ids}
    return json.dumps({"os": "linux", "architecture": "amd64", "rootfs": rootfs, **more}).encode()


def docker_archive(
    *images: tuple[Sequence[str], Sequence[bytes]], more: Sequence[Entry] = ()
) -> list[Entry]:
    """The entries of a docker-archive; an image is its names and its layers.

    manifest.json is last.
    """
    entries: dict[str, bytes] = {}
    listed = []
    for names, layers in images:
        document = config(layers)
        entries[f"{sha256_hex(document)}.json"] = document
        for data in layers:
            entries[f"{sha256_hex(data)}.tar"] = data
        listed.append(
            {
                "Config": f"{sha256_hex(document)}.json",
                "RepoTags": list(names),
                "Layers": [f"{sha256_hex(data)}.tar" for data in layers],
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
    blobs = {f"blobs/sha256/{sha256_hex(data)}": data for data in [*packed, document, manifest]}
    return blobs, descriptor(OCI_MANIFEST, manifest)


def descriptor(media_type: str, data: bytes, **more: Any) -> dict[str, Any]:
    """A descriptor of bytes."""
    return {"mediaType": media_type, "digest": str(sha256_of(data)), "size": len(data), **more}


def layout(
    descriptors: Sequence[Mapping[str, Any]], *blobs: Mapping[str, bytes]
) -> dict[str, bytes]:
    """The files of an OCI layout."""
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": list(descriptors)}).encode()
    for group in blobs:
        files.update(group)
    return files


def write_files(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files into a folder, and return it."""
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
    return {"manifest.json": manifest, **{sha256_hex(data): data for data in [document, *layers]}}


def read_blob(blob: OpenBlob, folder: Path, prefix: bytes = b"") -> bytes:
    """The bytes of a blob; `prefix` is the content that an earlier attempt left in the file."""
    path = folder / "blob"
    path.write_bytes(prefix)
    writer = BlobWriter(str(path), resume=True)
    with blob:
        blob.deliver(writer)
    writer.finish()
    return path.read_bytes()


def layers_of(source: Source, folder: Path) -> list[bytes]:
    """Read every layer of a source's image, and check its digest and size."""
    found = []
    for wanted in parse_manifest(source.manifest()).layers:
        data = read_blob(source.open_blob(wanted), folder)
        assert sha256_of(data) == wanted.digest
        assert len(data) == wanted.size
        found.append(data)
    return found
