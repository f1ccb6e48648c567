"""Small images in memory, and a function that stores them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from towline.frozen import frozen, replace
from towline.image.descriptor import Descriptor
from towline.image.manifest import (
    DOCKER_CONFIG,
    DOCKER_LAYER_GZIP,
    DOCKER_SCHEMA2,
    OCI_CONFIG,
    OCI_MANIFEST,
    RawManifest,
)
from towline.name.digest import Digest, sha256_of
from towline.store.layout.paths import StorePaths
from towline.store.layout.store import LayoutStore
from towline.store.protocol import Image, ImagePlan, Ingest, LayerPlan

OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@frozen
class Made:
    """An image: the plan for storing it, and the bytes of its layers by digest."""

    plan: ImagePlan
    blobs: Mapping[str, bytes]

    def named(self, *names: str) -> Made:
        """The same image with other names."""
        return replace(self, plan=replace(self.plan, names=names))

    def under(self, image_id: str) -> Made:
        """The same image with another ID."""
        return replace(self, plan=replace(self.plan, id=image_id))


def layer(content: bytes, level: int = 9) -> tuple[bytes, Digest]:
    """A layer with one file, compressed by gzip, and its diff ID."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo("file")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), level, mtime=0), sha256_of(buffer.getvalue())


def make(
    *contents: bytes,
    names: Sequence[str] = ("localhost/hello:latest",),
    docker: bool = False,
    annotation: str = "",
    diff_ids: Sequence[Digest] | None = None,
    algorithm: str = "sha256",
    listed: RawManifest | None = None,
    level: int = 9,
    config: bytes = b"",
) -> Made:
    """An image with one layer for each content; another `level` gives other blobs."""
    layers = [layer(content, level) for content in contents]
    rootfs = [str(diff_id) for diff_id in diff_ids or [diff_id for _, diff_id in layers]]
    config = (
        config
        or json.dumps(
            {
                "os": "linux",
                "architecture": "amd64",
                "rootfs": {"type": "layers", "diff_ids": rootfs},
            }
        ).encode()
    )
    descriptors = [
        Descriptor(
            DOCKER_LAYER_GZIP if docker else OCI_LAYER,
            f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}",
            len(data),
        )
        for data, _ in layers
    ]
    document = {
        "schemaVersion": 2,
        "mediaType": DOCKER_SCHEMA2 if docker else OCI_MANIFEST,
        "config": {
            "mediaType": DOCKER_CONFIG if docker else OCI_CONFIG,
            "digest": str(sha256_of(config)),
            "size": len(config),
        },
        "layers": [
            {"mediaType": each.media_type, "digest": each.digest_text, "size": each.size}
            for each in descriptors
        ],
    }
    if annotation:
        document["annotations"] = {"note": annotation}
    plan = ImagePlan(
        id=sha256_of(config).hex,
        manifest=RawManifest(json.dumps(document).encode(), str(document["mediaType"])),
        config=config,
        layers=tuple(LayerPlan(each) for each in descriptors),
        names=tuple(names),
        listed=listed,
    )
    blobs = {each.digest_text: data for each, (data, _) in zip(descriptors, layers, strict=True)}
    return Made(plan, blobs)


def write_dir(path: Path, made: Made) -> Path:
    """Write an image into a new folder, in the form of the transport ``dir``."""
    path.mkdir()
    (path / "version").write_text("Directory Transport Version: 1.1\n")
    (path / "manifest.json").write_bytes(made.plan.manifest.data)
    for data in (made.plan.config, *made.blobs.values()):
        (path / sha256_of(data).hex).write_bytes(data)
    return path


def blob_path(store: LayoutStore, digest: Digest) -> str:
    """The file of a blob in a store."""
    return StorePaths.below(store.root).blob(digest)


def write_missing(ingest: Ingest, made: Made) -> list[str]:
    """Write the layers that the store does not have; return their digests."""
    written = []
    for missing in ingest.missing():
        sink = ingest.sink(missing)
        if sink is not None:
            digest = missing.descriptor.digest_text
            with sink:
                sink.writer.write(made.blobs[digest][sink.writer.offset :])
                sink.commit()
            written.append(digest)
    return written


def put(store: LayoutStore, made: Made, *, diff_ids: bool = False) -> Image:
    """Store an image: write the missing blobs, and publish; `diff_ids` decompresses all layers."""
    with store.begin(made.plan, diff_ids=diff_ids) as ingest:
        write_missing(ingest, made)
        for wanted in made.plan.layers if diff_ids else ():
            ingest.diff_id(wanted)
        return ingest.publish()


def state(store: LayoutStore) -> dict[str, tuple[str, ...]]:
    """The names of each stored image, by ID."""
    return {image.id: image.names for image in store.images()}
