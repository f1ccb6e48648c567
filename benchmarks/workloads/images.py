"""The measured images, as OCI layouts in the cache; each is created once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from benchmarks.workloads.layers import (
    Layer,
    compressed_in_order,
    file_tar,
    sized_layer,
    small_files,
    write_layer,
)

__all__ = ["MIB", "Image", "first_layers", "sized_image", "small_files_image", "usr_image"]

MIB = 1 << 20
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_TREES = ("/usr", "/opt", "/root/.rustup", "/root/.cargo")
_USR_LEVEL, _SMALL_LEVEL = 4, 1
_USR_RATIO = 0.33  # compression ratio of program files


@dataclass(frozen=True, slots=True)
class Image:
    """An image in an OCI layout.

    Attributes:
        layout: the folder of the layout.
        name: the name in the layout and of the repository.
        layers: lowest first.
        config, manifest: digests, in hex.
    """

    layout: Path
    name: str
    layers: tuple[Layer, ...]
    config: str
    manifest: str

    @property
    def size(self) -> int:
        """Bytes of its compressed layers."""
        return sum(layer.size for layer in self.layers)

    def blob(self, digest: str) -> Path:
        """The path of a blob."""
        return self.layout / "blobs/sha256" / digest

    def blobs(self) -> tuple[str, ...]:
        """The digests of all blobs, layers first."""
        return (*(layer.digest for layer in self.layers), self.config, self.manifest)


def sized_image(cache: Path, layers: int, each: int) -> Image:
    """An image of `layers` layers with `each` bytes, of files of 8 MiB."""

    def make(blobs: Path) -> list[Layer]:
        def one(number: int) -> Layer:
            return write_layer(blobs, sized_layer(f"{layers}-{number}", each), str(number))

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(one, range(layers)))

    return _cached(cache, f"sized-{layers}x{each // 1024}k", make)


def small_files_image(cache: Path, files: int) -> Image:
    """An image with one layer of small files."""

    def make(blobs: Path) -> list[Layer]:
        content = compressed_in_order(small_files("doc", files), _SMALL_LEVEL)
        return [write_layer(blobs, content, "files")]

    return _cached(cache, f"files-{files}", make)


def usr_image(cache: Path, size: int, layers: int) -> Image:
    """An image of real files below ``/usr`` and of toolchains, of about `size` bytes."""

    def make(blobs: Path) -> list[Layer]:
        return [
            write_layer(blobs, compressed_in_order(file_tar(group), _USR_LEVEL), str(number))
            for number, group in enumerate(_groups(int(size / _USR_RATIO), layers))
        ]

    return _cached(cache, f"usr-{size // MIB}m-{layers}", make)


def first_layers(cache: Path, image: Image, layers: int) -> Image:
    """An image of the first layers of another image; blobs are hard links."""

    def make(blobs: Path) -> list[Layer]:
        for layer in image.layers[:layers]:
            os.link(image.blob(layer.digest), blobs / layer.digest)
        return list(image.layers[:layers])

    return _cached(cache, f"{image.name}-first-{layers}", make)


def _cached(cache: Path, name: str, make: Callable[[Path], list[Layer]]) -> Image:
    layout = cache / "images" / name
    summary = layout / "image.json"
    if not summary.exists():
        shutil.rmtree(layout, ignore_errors=True)
        blobs = layout / "blobs/sha256"
        blobs.mkdir(parents=True)
        layers = make(blobs)
        config, manifest = _write_documents(layout, name, layers)
        rows = [[each.digest, each.size, each.diff_id, each.tar_size] for each in layers]
        summary.write_text(json.dumps({"layers": rows, "config": config, "manifest": manifest}))
    data = json.loads(summary.read_text())
    layers = [Layer(*row) for row in data["layers"]]
    return Image(layout, name, tuple(layers), data["config"], data["manifest"])


def _write_documents(layout: Path, name: str, layers: Sequence[Layer]) -> tuple[str, str]:
    config = _store(
        layout,
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Labels": {"org.opencontainers.image.title": name}},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{each.diff_id}" for each in layers]},
        },
    )
    document = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": {"mediaType": _CONFIG} | config,
        "layers": [
            {"mediaType": _LAYER, "digest": f"sha256:{each.digest}", "size": each.size}
            for each in layers
        ],
    }
    manifest = _store(layout, document)
    named = {"annotations": {"org.opencontainers.image.ref.name": name}}
    index = {"schemaVersion": 2, "manifests": [{"mediaType": _MANIFEST} | manifest | named]}
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (layout / "index.json").write_text(json.dumps(index))
    return _hex(config), _hex(manifest)


def _store(layout: Path, document: object) -> dict[str, str | int]:
    data = json.dumps(document).encode()
    digest = hashlib.sha256(data).hexdigest()
    (layout / "blobs/sha256" / digest).write_bytes(data)
    return {"digest": f"sha256:{digest}", "size": len(data)}


def _hex(descriptor: Mapping[str, object]) -> str:
    return str(descriptor["digest"]).removeprefix("sha256:")


def _groups(wanted: int, layers: int) -> Iterator[list[Path]]:
    """The machine's files in `layers` groups of equal size, in sorted order."""
    group: list[Path] = []
    share, filled = wanted / layers, 0
    made = 0
    for folder, folders, names in chain.from_iterable(map(os.walk, _TREES)):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if not path.is_file() or path.is_symlink():
                continue
            group.append(path)
            filled += path.stat().st_size
            if filled > share * (made + 1):
                yield group
                group, made = [], made + 1
                if made == layers:
                    return
    if group:  # a machine with fewer files gives fewer layers
        yield group
