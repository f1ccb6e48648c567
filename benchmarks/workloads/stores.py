"""Stores with many images, and tiny images to add to them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from towline import open_store
from towline.image.manifest import RawManifest, parse_manifest
from towline.name.digest import Digest, parse_digest
from towline.store.layout.paths import StorePaths
from towline.store.layout.record_json import encode_record
from towline.store.layout.records import Link, Record, StoredManifest
from towline.store.layout.store import LayoutStore
from towline.store.protocol import ImagePlan

__all__ = ["fill_layout", "fill_store", "publish", "tiny_layout"]

_OCI = "application/vnd.oci.image"
_MANIFEST = f"{_OCI}.manifest.v1+json"


def publish(store: LayoutStore, number: int) -> None:
    """Publish an image without layers in a store."""
    config, manifest = _documents(number)
    raw = RawManifest(manifest, _MANIFEST)
    plan = ImagePlan(parse_manifest(raw).config.digest.hex, raw, config, (), (_name(number),))
    with store.begin(plan) as ingest:
        ingest.publish()


def fill_store(root: Path, count: int) -> LayoutStore:
    """A store with `count` images, numbered from 0.

    The records are written directly, together with the mark of an interrupted change.  The recovery
    of the store then generates everything else at once.  As many pulls would take minutes.
    """
    store = open_store(root)
    paths = StorePaths.below(str(root.absolute()))
    for number in range(count):
        config, manifest = _documents(number)
        for data in (config, manifest):
            path = Path(paths.blobs, "sha256", hashlib.sha256(data).hexdigest())
            path.write_bytes(data)
        digest, config_digest = _digest(manifest), _digest(config)
        stored = StoredManifest(_MANIFEST, digest, len(manifest), config_digest, ())
        image_id = config_digest.hex
        record = Record(image_id, (Link(_name(number), 0),), number + 1, (stored,))
        Path(paths.record(image_id)).write_bytes(encode_record(record))
    Path(paths.unfinished).touch()
    store.recover()
    return store


def fill_layout(root: Path, count: int) -> None:
    """Create an OCI layout with `count` images, as a store for other tools."""
    blobs = root / "blobs/sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    entries = []
    for number in range(count):
        config, manifest = _documents(number)
        for data in (config, manifest):
            (blobs / hashlib.sha256(data).hexdigest()).write_bytes(data)
        digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
        named = {"org.opencontainers.image.ref.name": _name(number)}
        entry = {"mediaType": _MANIFEST, "digest": digest, "size": len(manifest)}
        entries.append(entry | {"annotations": named})
    (root / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))


def tiny_layout(root: Path) -> str:
    """Create a layout with one such image, and return its location in skopeo's syntax."""
    fill_layout(root, 1)
    return f"oci:{root}:{_name(0)}"


def _documents(number: int) -> tuple[bytes, bytes]:
    """Config and manifest."""
    rootfs = {"type": "layers", "diff_ids": []}
    system = {"architecture": "amd64", "os": "linux", "rootfs": rootfs}
    config = json.dumps(system | {"config": {"Labels": {"number": str(number)}}}).encode()
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    descriptor = {"mediaType": f"{_OCI}.config.v1+json", "digest": digest, "size": len(config)}
    document = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": descriptor, "layers": []}
    return config, json.dumps(document).encode()


def _name(number: int) -> str:
    return f"localhost/image:{number}"


def _digest(data: bytes) -> Digest:
    return parse_digest(f"sha256:{hashlib.sha256(data).hexdigest()}")
