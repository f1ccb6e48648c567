"""Images to pull: real file trees of this machine, as real tools would have made them.

Everything that is made is kept in a cache directory and made once.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

__all__ = ["Workload", "usr_image"]

_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_TREES = ("/usr", "/opt", "/root/.rustup", "/root/.cargo")


@dataclass(frozen=True)
class Workload:
    """An image as an OCI layout on disk.

    Attributes:
        layout: the directory.
        name: what the image is called in it.
        compressed: bytes of its layer blobs.
    """

    layout: Path
    name: str
    compressed: int

    @property
    def layers(self) -> list[str]:
        """The digests of its layers."""
        index = json.loads((self.layout / "index.json").read_text())
        manifest = json.loads(_blob(self.layout, index["manifests"][0]["digest"]).read_text())
        return [layer["digest"] for layer in manifest["layers"]]


def usr_image(cache: Path, limit: int, layers: int = 6) -> Workload:
    """An image of about `limit` compressed bytes from the files below ``/usr`` (gzip, level 6)."""
    layout = cache / f"usr-{limit // 1_000_000}-{layers}"
    if not (layout / "index.json").exists():
        shutil.rmtree(layout, ignore_errors=True)
        (layout / "blobs/sha256").mkdir(parents=True)
        _write_image(layout, _gzip_layers(layout, _groups(limit, layers)))
    workload = Workload(layout, "usr", 0)
    sizes = sum(_blob(layout, digest).stat().st_size for digest in workload.layers)
    return Workload(layout, "usr", sizes)


def _groups(limit: int, layers: int) -> list[list[Path]]:
    # Such files compress to about a third; the walk is sorted, so it is repeatable.
    wanted, found, total = int(limit / 0.32), [], 0
    for folder, folders, names in chain.from_iterable(map(os.walk, _TREES)):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink() and total < wanted:
                found.append(path)
                total += path.stat().st_size
    groups: list[list[Path]] = [[] for _ in range(layers)]
    share, number, filled = total / layers, 0, 0
    for path in found:
        groups[number].append(path)
        filled += path.stat().st_size
        if filled > share * (number + 1) and number < layers - 1:
            number += 1
    return groups


def _gzip_layers(layout: Path, groups: Sequence[Sequence[Path]]) -> list[dict[str, object]]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(_gzip_layer, [layout] * len(groups), range(len(groups)), groups))


def _gzip_layer(layout: Path, number: int, group: Sequence[Path]) -> dict[str, object]:
    plain, packed = layout / f"{number}.tar", layout / f"{number}.tar.gz"
    with tarfile.open(plain, "w", format=tarfile.GNU_FORMAT) as tar:
        for path in group:
            tar.add(path, recursive=False)
    with packed.open("wb") as output:
        subprocess.run(["gzip", "-6", "-n", "-c", str(plain)], stdout=output, check=True)
    digest, diff_id, size = _sha256(packed), _sha256(plain), packed.stat().st_size
    plain.unlink()
    packed.rename(_blob(layout, digest))
    return {"mediaType": _LAYER, "digest": digest, "size": size, "diff_id": diff_id}


def _write_image(layout: Path, layers: list[dict[str, object]]) -> None:
    diff_ids = [layer.pop("diff_id") for layer in layers]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Labels": {"org.opencontainers.image.title": "usr"}},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _store(layout, _CONFIG, config),
        "layers": layers,
    }
    entry = _store(layout, _MANIFEST, manifest)
    entry["annotations"] = {"org.opencontainers.image.ref.name": "usr"}
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))


def _store(layout: Path, media_type: str, document: object) -> dict[str, object]:
    data = json.dumps(document).encode()
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    _blob(layout, digest).write_bytes(data)
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / digest.replace(":", "/")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
