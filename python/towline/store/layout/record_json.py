"""Records as JSON, parsed strictly: one file per image ID.

Version 2 of the schema has the manifest of each name; version 1 did not.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from towline.errors import InvalidNameError, StoreError
from towline.name.digest import Digest, parse_digest
from towline.store.layout.paths import is_id
from towline.store.layout.records import (
    Link,
    Proof,
    Record,
    StoredManifest,
    UndecidedRecord,
    same_image,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Set

__all__ = ["decode_record", "encode_record"]

SCHEMA = 2

T = TypeVar("T")


def encode_record(record: Record) -> bytes:
    """Return a record as JSON.

    Raises:
        ValueError: its manifests belong to several images, which is a programming error.
    """
    if not same_image(record.manifests):
        raise ValueError("the manifests belong to several images")
    document = {
        "schema": SCHEMA,
        "id": record.id,
        "names": [{"name": link.key, "manifest": link.manifest} for link in record.name_links],
        "named": record.named_at,
        "manifests": [_manifest_entry(manifest) for manifest in record.manifests],
        "lists": [{"digest": link.key, "manifest": link.manifest} for link in record.lists],
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def _manifest_entry(manifest: StoredManifest) -> dict[str, Any]:
    entry: dict[str, Any] = {
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
    if manifest.proof is not None:
        entry["proven"] = manifest.proof is Proof.PROVEN
    return entry


def decode_record(data: bytes, image_id: str, path: str) -> Record | UndecidedRecord:
    """Parse the record of an image, of either version.

    Raises:
        StoreError: ``store.record_damaged``; also if its version is newer than this towline.
    """
    try:
        return _record(json.loads(data), image_id)
    except (ValueError, RecursionError, InvalidNameError) as fault:
        raise StoreError(
            "store.record_damaged", id=image_id, path=path, reason=str(fault)
        ) from None


def _record(document: Any, image_id: str) -> Record | UndecidedRecord:
    schema = document.get("schema") if isinstance(document, dict) else SCHEMA
    if schema not in (1, SCHEMA) or isinstance(schema, bool):
        raise ValueError(f"schema {schema!r}; this towline reads 1 and {SCHEMA}")
    _require_keys(document, {"schema", "id", "names", "named", "manifests", "lists"})
    manifests = _list(document["manifests"], _manifest)
    if not manifests:
        raise ValueError("it has no manifest")
    found = _version_2(document, manifests) if schema == SCHEMA else _version_1(document, manifests)
    if found.id != image_id or not is_id(image_id):
        raise ValueError(f"it is the record of {found.id!r}")
    if len(set(found.names)) != len(found.names):
        raise ValueError("it has a name twice")
    return found


def _version_2(document: Any, manifests: tuple[StoredManifest, ...]) -> Record:
    if not same_image(manifests):
        raise ValueError("its manifests are not those of one image")

    def link(entry: Any, key: str, read: Callable[[Any], object]) -> Link:
        _require_keys(entry, {key, "manifest"})
        index = _count(entry["manifest"])
        if index >= len(manifests):
            raise ValueError(f"it has no manifest {index}")
        return Link(str(read(entry[key])), index)

    return Record(
        id=_text(document["id"]),
        name_links=_list(document["names"], lambda entry: link(entry, "name", _text)),
        named_at=_count(document["named"]),
        manifests=manifests,
        lists=_list(document["lists"], lambda entry: link(entry, "digest", _digest)),
    )


def _version_1(document: Any, manifests: tuple[StoredManifest, ...]) -> Record | UndecidedRecord:
    """A record of version 1; it is decided if all manifests have equal content."""
    old = UndecidedRecord(
        id=_text(document["id"]),
        names=_list(document["names"], _text),
        named_at=_count(document["named"]),
        manifests=manifests,
        lists=_list(document["lists"], _digest),
    )
    if not same_image(manifests):
        return old
    indexes = {str(manifest.lookup_digest): index for index, manifest in enumerate(manifests)}
    return Record(
        id=old.id,
        name_links=tuple(Link(name, indexes.get(name.partition("@")[2], 0)) for name in old.names),
        named_at=old.named_at,
        manifests=manifests,
        lists=tuple(Link(str(listed), 0) for listed in old.lists),
    )


def _manifest(entry: Any) -> StoredManifest:
    optional = {"empty", "payload", "proven"}
    _require_keys(entry, {"mediaType", "digest", "size", "config", "layers"}, optional)
    proven = entry.get("proven")
    if "proven" in entry and not isinstance(proven, bool):
        raise ValueError("not a truth value")
    return StoredManifest(
        media_type=_text(entry["mediaType"]),
        digest=_digest(entry["digest"]),
        size=_count(entry["size"]),
        config=None if entry["config"] is None else _digest(entry["config"]),
        layers=_list(entry["layers"], _digest),
        empty=_list(entry.get("empty", []), _digest),
        payload=_digest(entry["payload"]) if "payload" in entry else None,
        proof=None if proven is None else Proof.PROVEN if proven else Proof.REFUTED,
    )


def _require_keys(document: Any, keys: set[str], optional: Set[str] = frozenset()) -> None:
    if not isinstance(document, dict):
        raise ValueError("not an object")
    if differing := keys ^ (set(document) - optional):
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
