"""Garbage collection: removes unreachable blobs and partial blobs."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from towline.cancel import CancelToken
from towline.errors import PathError, StoreError, path_errors
from towline.frozen import frozen
from towline.name.digest import Digest, is_digest, parse_digest
from towline.store.layout import files, locks
from towline.store.layout.records import UndecidedRecord
from towline.store.layout.repair import repair

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from towline.store.layout.blobs import Blobs
    from towline.store.layout.paths import StorePaths
    from towline.store.layout.record_store import RecordStore

__all__ = ["Collected", "collect"]

_LARGEST_DOCUMENT = 32 << 20  # a larger blob is not parsed as a manifest


@frozen
class Collected:
    """The result of a garbage collection.

    Attributes:
        blobs, partials: the number of removed files.
        bytes: the size of all removed files.
        names: removed names of a store of version 1, which belong to no certain image (STORE-023).
    """

    blobs: int
    partials: int
    bytes: int
    names: tuple[str, ...] = ()


def collect(blobs: Blobs, records: RecordStore) -> Collected:
    """Remove all blobs that neither an image nor an index entry of another tool reaches.

    Raises:
        StoreError: ``store.busy`` with its ``holders``; ``store.record_damaged`` and
            ``store.index_damaged``, since their reachable blobs are unknown.
    """
    paths = blobs.paths
    lock = locks.try_acquire(paths.store_lock)
    if lock is None:
        raise StoreError("store.busy", path=paths.root, holders=locks.holders(paths.holders))
    with lock, ExitStack() as stack:
        with suppress(PathError):  # a full disk: others then see that gc runs, but not where
            stack.enter_context(locks.holder_file(paths.holders, "gc"))
        with records.locked(freeing=True):
            # Nothing was written so far, and on a full disk the rest needs some space.
            partials = list(blobs.partial())
            for blob in partials:
                files.remove(blob.path)
            _clear(paths)
        names = _repaired(blobs, records)
        stack.enter_context(records.locked(freeing=True))
        found, faults = records.reader.all()
        needed: set[Digest] = set()
        for fault in faults:
            undecided = _undecided(records, fault)
            needed.update(*(each.blobs() for each in undecided.manifests), undecided.lists)
        for record in found:
            needed.update(record.blobs(), record.digests())
        needed |= _reached(blobs, records.oci_index.foreign())
        unneeded = [blob for blob in blobs.stored() if blob.digest not in needed]
        for blob in unneeded:
            files.remove(blob.path)
        blobs.stamps.remove_stray()
        records.finish(freeing=True)  # with the space that is free now
        size = sum(blob.size for blob in (*unneeded, *partials))
        return Collected(len(unneeded), len(partials), size, names)


def _clear(paths: StorePaths) -> None:
    """Remove the files that killed tasks have left; no other task is running."""
    for folder in (paths.tmp, paths.blob_locks):
        with path_errors("readdir", folder):
            left = os.listdir(folder)
        for name in left:
            files.remove(f"{folder}/{name}")


def _undecided(records: RecordStore, fault: StoreError) -> UndecidedRecord:
    """The undecided record of an error; any other error is raised, since nothing may be removed."""
    if fault.code == "store.record_undecided":
        record = records.reader.read(fault.facts["id"])
        if isinstance(record, UndecidedRecord):
            return record
    raise fault


def _repaired(blobs: Blobs, records: RecordStore) -> tuple[str, ...]:
    try:
        return repair(blobs, records, CancelToken())
    except PathError:  # perhaps the disk is full; gc must work then, and the next gc repairs
        return ()


def _reached(blobs: Blobs, entries: Iterable[Any]) -> set[Digest]:
    """Every blob that descriptors reach, through manifests and indexes of any media type."""
    reached: set[Digest] = set()
    waiting = list(_digests(entries))
    while waiting:
        digest = waiting.pop()
        if digest in reached:
            continue
        reached.add(digest)
        path = blobs.paths.blob(digest)
        size = files.regular_size(path)
        if size is not None and size <= _LARGEST_DOCUMENT:
            waiting.extend(_named_in(path))
    return reached


def _named_in(path: str) -> Iterator[Digest]:
    data = files.read(path) or b""
    if data[:1].isspace() or data[:1] == b"{":
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):  # not a manifest
            return
        if isinstance(document, dict):
            for key in ("config", "layers", "blobs", "manifests", "subject", "fsLayers"):
                found = document.get(key)
                yield from _digests(found if isinstance(found, list) else [found])


def _digests(entries: Iterable[Any]) -> Iterator[Digest]:
    for entry in entries:
        if isinstance(entry, dict):
            text = entry.get("digest", entry.get("blobSum"))  # "blobSum" in schema 1
            if isinstance(text, str) and is_digest(text):
                yield parse_digest(text)
