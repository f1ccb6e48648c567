"""Pull an image that is made in memory: python custom_source.py ROOT.

A source is any object with the methods of `towline.Source`.  The runtime asks `open_source` first.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sys
import tarfile
from collections.abc import Sequence

import towline

CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


class MemoryBlob:
    """Bytes, from an offset on."""

    def __init__(self, data: bytes, offset: int) -> None:
        self.size: int | None = len(data)
        self.offset = offset
        self._data = data

    def deliver(self, writer: towline.ByteWriter, /) -> None:
        writer.write(self._data[self.offset :])

    def close(self) -> None:
        pass

    def __enter__(self) -> MemoryBlob:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class MemorySource:
    """An image with one layer that has one file."""

    parallel = 1

    def __init__(self, reference: towline.ImageReference, name: str, content: bytes) -> None:
        self.reference = reference
        tar = _tar(name, content)
        layer = gzip.compress(tar, mtime=0)
        rootfs = {"type": "layers", "diff_ids": [_digest(tar)]}
        config = {"os": "linux", "architecture": "amd64", "rootfs": rootfs}
        self._config = json.dumps(config).encode()
        self._blobs = {_digest(layer): layer}
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": _descriptor(CONFIG_TYPE, self._config),
            "layers": [_descriptor(LAYER_TYPE, layer)],
        }
        self._manifest = towline.RawManifest(json.dumps(document).encode(), MANIFEST_TYPE)

    def manifest(self, instance: towline.Digest | None = None, /) -> towline.RawManifest:
        return self._manifest

    def config(self, descriptor: towline.Descriptor, /) -> bytes:
        return self._config

    def in_order(self, wanted: Sequence[towline.Descriptor], /) -> Sequence[towline.Descriptor]:
        return wanted

    def open_blob(self, descriptor: towline.Descriptor, offset: int = 0, /) -> MemoryBlob:
        return MemoryBlob(self._blobs[descriptor.digest_text], offset)

    def close(self) -> None:
        pass


def _tar(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _descriptor(media_type: str, data: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _digest(data), "size": len(data)}


def open_source(reference: towline.ImageReference) -> towline.Source | None:
    """Open the images of memory.example; towline opens all others."""
    name = reference.docker_reference
    if name is None or name.domain != "memory.example":
        return None
    return MemorySource(reference, "hello.txt", b"hello from memory")


def main(root: str) -> None:
    store = towline.open_store(root)
    options = towline.Options(verify_diff_ids=True)
    runtime = towline.Runtime(store, options, open_source=open_source)
    result = runtime.pull("memory.example/hello:1")
    print(result.images, result.verified)


if __name__ == "__main__":
    main(*sys.argv[1:])
