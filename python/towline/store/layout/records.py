"""Records: what the store knows of each image, one JSON file per ID, read strictly."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from towline.digest import Digest, parse_digest
from towline.errors import InvalidName, StoreError
from towline.store.layout.places import is_id

__all__ = ["Record", "StoredManifest", "decode_record", "encode_record"]

SCHEMA = 1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """One manifest by which an image is known, and the blobs that it names.

    Attributes:
        media_type: under which it came; the bytes alone do not always say.
        digest: of the bytes.
        config: None where the image has none.
        layers: those that change something, which the config's diff IDs are of; lowest first.
        empty: layers that the manifest lists beside them and that change nothing (MANIFEST-022).
        payload: the digest by which a signed manifest is known (MANIFEST-023).
    """

    media_type: str
    digest: Digest
    size: int
    config: Digest | None
    layers: tuple[Digest, ...]
    empty: tuple[Digest, ...] = ()
    payload: Digest | None = None

    @property
    def known(self) -> Digest:
        """The digest by which it is known."""
        return self.payload or self.digest

    def documents(self) -> tuple[Digest, ...]:
        """Itself, and its config."""
        return (self.digest,) if self.config is None else (self.digest, self.config)

    def blobs(self) -> tuple[Digest, ...]:
        """Every blob of it, itself first."""
        return (*self.documents(), *self.layers, *self.empty)


@dataclass(frozen=True, slots=True)
class Record:
    """An image as the store knows it.

    Attributes:
        id: hex; of the config's digest, or another where the destination asked for it.
        names: newest first; empty for an image whose names moved on.
        named: when a name was last given, in nanoseconds since 1970.
        manifests: oldest first; the first gives *the* digest, which the image keeps.
        lists: digests of lists and indexes through which it came; where their bytes are here,
            another pull need not ask for them (REG-052), and nothing else reads them.
    """

    id: str
    names: tuple[str, ...]
    named: int
    manifests: tuple[StoredManifest, ...]
    lists: tuple[Digest, ...] = ()

    @property
    def digest(self) -> Digest:
        """*The* digest of the image."""
        return self.manifests[0].known

    def digests(self) -> tuple[Digest, ...]:
        """Every digest by which it is known, *the* digest first."""
        known = (*(manifest.known for manifest in self.manifests), *self.lists)
        return tuple(dict.fromkeys(known))

    def blobs(self) -> set[Digest]:
        """Every blob that it needs."""
        return {blob for manifest in self.manifests for blob in manifest.blobs()}

    def handles(self) -> tuple[str, ...]:
        """What it can be looked up by: names and digests.  No name looks like a digest."""
        return (*self.names, *map(str, self.digests()))

    def without(self, names: Iterable[str]) -> Record:
        """The same without these names."""
        gone = frozenset(names)
        return replace(self, names=tuple(name for name in self.names if name not in gone))


def encode_record(record: Record) -> bytes:
    """A record as JSON."""
    document = {
        "schema": SCHEMA,
        "id": record.id,
        "names": record.names,
        "named": record.named,
        "manifests": [_entry(manifest) for manifest in record.manifests],
        "lists": [str(digest) for digest in record.lists],
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def _entry(manifest: StoredManifest) -> dict[str, Any]:
    entry = {
        "mediaType": manifest.media_type,
        "digest": str(manifest.digest),
        "size": manifest.size,
        "config": None if manifest.config is None else str(manifest.config),
        "layers": [str(layer) for layer in manifest.layers],
    }
    if manifest.empty:
        entry["empty"] = [str(layer) for layer in manifest.empty]
    if manifest.payload is not None:
        entry["payload"] = str(manifest.payload)
    return entry


def decode_record(data: bytes, image_id: str, path: str) -> Record:
    """Read the record of an image.

    Raises:
        StoreError: ``store.record_damaged``; also where it is newer than this towline.
    """
    try:
        return _record(json.loads(data), image_id)
    except (ValueError, RecursionError, InvalidName) as fault:
        raise StoreError(
            "store.record_damaged", id=image_id, path=path, reason=str(fault)
        ) from None


def _record(document: Any, image_id: str) -> Record:
    if isinstance(document, dict) and document.get("schema") != SCHEMA:
        raise ValueError(f"schema {document.get('schema')!r}; this towline reads {SCHEMA}")
    _exactly(document, {"schema", "id", "names", "named", "manifests", "lists"})
    record = Record(
        id=_text(document["id"]),
        names=_list(document["names"], _text),
        named=_count(document["named"]),
        manifests=_list(document["manifests"], _manifest),
        lists=_list(document["lists"], _digest),
    )
    if record.id != image_id or not is_id(image_id):
        raise ValueError(f"it is the record of {record.id!r}")
    if not record.manifests:
        raise ValueError("it has no manifest")
    if len(set(record.names)) != len(record.names):
        raise ValueError("it has a name twice")
    return record


def _manifest(entry: Any) -> StoredManifest:
    _exactly(entry, {"mediaType", "digest", "size", "config", "layers"}, {"empty", "payload"})
    return StoredManifest(
        media_type=_text(entry["mediaType"]),
        digest=_digest(entry["digest"]),
        size=_count(entry["size"]),
        config=None if entry["config"] is None else _digest(entry["config"]),
        layers=_list(entry["layers"], _digest),
        empty=_list(entry.get("empty", []), _digest),
        payload=_digest(entry["payload"]) if "payload" in entry else None,
    )


def _exactly(document: Any, keys: set[str], more: Set[str] = frozenset()) -> None:
    if not isinstance(document, dict):
        raise ValueError("not an object")
    if differing := keys ^ (set(document) - more):
        raise ValueError(f"its keys differ at {min(differing)!r}")


def _list(value: Any, read: Callable[[Any], T]) -> tuple[T, ...]:
    if not isinstance(value, list):
        raise ValueError("not a list")
    return tuple(read(item) for item in value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("not a string")
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("not a count")
    return value


def _digest(value: Any) -> Digest:
    return parse_digest(_text(value))
