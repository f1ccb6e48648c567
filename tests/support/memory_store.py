"""A store in memory, written from the protocols: a second destination beside the embedded store."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Self

import zstandard

from tests.support.byte_writers import MemoryWriter
from towline.cancel import CancelToken
from towline.core import CoreError
from towline.errors import SourceError, StoreError, VerificationError
from towline.frozen import frozen, replace
from towline.image.config import ConfigValues
from towline.image.descriptor import Descriptor
from towline.image.manifest import Manifest, RawManifest
from towline.image.schema1 import Schema1, manifest_digest, parse_image
from towline.name.digest import Digest, digest_of, sha256_of
from towline.store.protocol import ImagePlan, LayerPlan
from towline.transport.facts import StoreIdentity

__all__ = ["MemoryStore"]

_PAUSE = 0.01  # seconds between two looks at a blob that another task fetches


@frozen
class MemoryImage(ConfigValues):
    """An image in memory."""

    id: str
    manifest: RawManifest
    raw_config: bytes
    names: tuple[str, ...]
    listed: RawManifest | None

    @property
    def digest(self) -> Digest:
        return manifest_digest(self.manifest)

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        manifest = parse_image(self.manifest)
        return manifest.content if isinstance(manifest, Schema1) else manifest.layers

    @property
    def digests(self) -> set[str]:
        listed = {str(self.listed.digest)} if self.listed else set()
        return {str(self.digest), *listed}


@dataclass(frozen=True)
class MemoryBlob:
    """A verified blob."""

    digest: Digest
    size: int
    diff_id: Digest | None


@dataclass
class MemoryStore:
    """Images and blobs in dictionaries.

    Attributes:
        blobs: the bytes of each stored blob.
        partial: the bytes of blobs whose fetching was broken off.
        writers: every writer that was used.
    """

    name: str = "memory"
    blobs: dict[Digest, bytes] = field(default_factory=dict)
    partial: dict[Digest, bytes] = field(default_factory=dict)
    writers: list[MemoryWriter] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    _images: list[MemoryImage] = field(default_factory=list)
    _fetched: set[Digest] = field(default_factory=set)

    @property
    def identity(self) -> StoreIdentity:
        return StoreIdentity(self.name, "/memory", "/memory/run")

    def begin(self, plan: ImagePlan, /, *, diff_ids: bool, cancel: CancelToken) -> MemoryIngest:
        return MemoryIngest(self, plan, parse_image(plan.manifest), cancel, diff_ids)

    def holds(self, name: str, /) -> bool:
        return any(name in image.names or name in image.digests for image in self._images)

    def document(self, digest: Digest, limit: int, /) -> bytes | None:
        data = self.blobs.get(digest)
        return data if data is not None and len(data) <= limit else None

    def open_layer(self, digest: Digest, /) -> BytesIO:
        if digest not in self.blobs:
            raise StoreError("store.blob_missing", digest=digest)
        return MemoryReader(digest, self.blobs[digest])

    def images(self) -> Sequence[MemoryImage]:
        return tuple(self._images)

    def image(self, name: str | Digest, /) -> MemoryImage:
        name = str(name)
        for image in self._images:
            if name in (image.id, *image.names, *image.digests):
                return image
        found = [image for image in self._images if image.id.startswith(name)]
        if not found:
            raise StoreError("store.unknown_image", name=name, path=self.name)
        if len(found) > 1:
            raise StoreError("store.ambiguous_id", id=name, ids=tuple(each.id for each in found))
        return found[0]

    def __iter__(self) -> Iterator[MemoryImage]:
        return iter(self._images)

    def __len__(self) -> int:
        return len(self._images)

    def __contains__(self, name: object, /) -> bool:
        try:
            return isinstance(name, str | Digest) and bool(self.image(name).id)
        except StoreError:
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def find_id(self, prefix: str, /) -> str | None:
        found = [image.id for image in self._images if image.id.startswith(prefix)]
        return found[0] if prefix and len(found) == 1 else None

    def put(self, image: MemoryImage) -> MemoryImage:
        """Add an image, or its names; the names of a plan are removed from all other images."""
        with self.lock:
            rest = []
            for other in self._images:
                names = tuple(name for name in other.names if name not in image.names)
                if other.id == image.id:
                    image = replace(image, names=(*image.names, *names))
                else:
                    rest.append(replace(other, names=names))
            self._images = [image, *rest]
        return image

    def take(self, digest: Digest, cancel: CancelToken) -> bool:
        """Wait until no other task fetches a blob; whether the blob is still missing then."""
        while True:
            with self.lock:
                if digest in self.blobs:
                    return False
                if digest not in self._fetched:
                    self._fetched.add(digest)
                    return True
            cancel.wait(_PAUSE)

    def release(self, digest: Digest) -> None:
        """End the fetching of a blob."""
        with self.lock:
            self._fetched.remove(digest)


class MemoryReader(BytesIO):
    """Reads a blob, and compares its digest at the end."""

    def __init__(self, digest: Digest, data: bytes) -> None:
        super().__init__(data)
        self._digest = digest

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        got = digest_of(self.getvalue(), self._digest.algorithm)
        if self.tell() == len(self.getvalue()) and not data[: size or 0] and got != self._digest:
            raise VerificationError("verify.digest", want=self._digest, got=got, size=self.tell())
        return data


@dataclass
class MemoryIngest:
    """The storing of one image in memory."""

    store: MemoryStore
    plan: ImagePlan
    manifest: Manifest | Schema1
    cancel: CancelToken
    follow: bool

    def missing(self) -> Sequence[LayerPlan]:
        found = {layer.descriptor.digest: layer for layer in reversed(self.plan.layers)}
        absent = [layer for layer in self.plan.layers if found[layer.descriptor.digest] is layer]
        return [layer for layer in absent if layer.descriptor.digest not in self.store.blobs]

    def sink(self, layer: LayerPlan, /) -> MemorySink | None:
        if not self.store.take(layer.descriptor.digest, self.cancel):
            return None
        return MemorySink(self.store, layer.descriptor, self.follow)

    def diff_id(self, layer: LayerPlan, /) -> Digest:
        self.cancel.raise_if_cancelled()
        if layer.descriptor.digest not in self.store.blobs:
            raise StoreError("store.blob_missing", digest=layer.descriptor.digest)
        return diff_id_of(self.store.blobs[layer.descriptor.digest])

    def publish(self) -> MemoryImage:
        plan, store = self.plan, self.store
        for layer in plan.layers:
            if layer.descriptor.digest not in store.blobs:
                raise StoreError("store.incomplete", id=plan.id, digest=layer.descriptor.digest)
        config, image_id = plan.config, plan.id
        if isinstance(self.manifest, Schema1):
            config = self.manifest.config_with(
                [self.diff_id(LayerPlan(layer)) for layer in self.manifest.content]
            )
            image_id = image_id or sha256_of(config).hex
        for data in (plan.manifest.data, config, plan.listed.data if plan.listed else b""):
            store.blobs[sha256_of(data)] = data
        return store.put(MemoryImage(image_id, plan.manifest, config, plan.names, plan.listed))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class MemorySink:
    """The sink of one blob in memory."""

    def __init__(self, store: MemoryStore, descriptor: Descriptor, follow: bool) -> None:
        self._store = store
        self._descriptor = descriptor
        self._follow = follow
        self.writer = MemoryWriter()
        self.writer.data += store.partial.pop(descriptor.digest, b"")
        store.writers.append(self.writer)

    def restart(self) -> None:
        self.writer = MemoryWriter()
        self._store.writers.append(self.writer)

    def commit(self, *, any_size: bool = False) -> MemoryBlob:
        want, data = self._descriptor.digest, bytes(self.writer.data)
        got = digest_of(data, want.algorithm)
        right_size = any_size or self._descriptor.size in (-1, len(data))
        if got != want or not right_size:
            self.writer = MemoryWriter()
            code = "verify.digest" if got != want else "verify.size"
            facts = (want, got) if got != want else (self._descriptor.size, len(data))
            raise VerificationError(code, want=facts[0], got=facts[1], size=len(data))
        self._store.blobs[want] = data
        try:
            diff_id = diff_id_of(data) if self._follow else None
        except SourceError:
            diff_id = None
        return MemoryBlob(want, len(data), diff_id)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        digest = self._descriptor.digest
        if digest not in self._store.blobs:
            self._store.partial[digest] = bytes(self.writer.data)
        self._store.release(digest)
        if isinstance(error, CoreError):
            raise StoreError("store.write_failed", reason=error.detail) from None


def diff_id_of(data: bytes) -> Digest:
    """The diff ID of a layer that is a tar, plain or compressed."""
    try:
        decompress = next(
            (each for magic, each in _COMPRESSIONS.items() if data.startswith(magic)), bytes
        )
        tar = decompress(data)
        if tar[:512].strip(b"\0"):
            tarfile.TarInfo.frombuf(tar[:512], "utf-8", "surrogateescape")
    except (OSError, EOFError, ValueError, zlib.error, tarfile.TarError) as error:
        raise SourceError("core.layer", code="not_tar", offset=0, detail=str(error)) from None
    return sha256_of(tar)


def _decompress_zstd(data: bytes) -> bytes:
    with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as reader:
        return reader.read()


_COMPRESSIONS: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ": lzma.decompress,
    b"\x28\xb5\x2f\xfd": _decompress_zstd,
}
