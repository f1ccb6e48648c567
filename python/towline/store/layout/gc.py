"""Garbage collection: removes unreachable blobs and partial blobs."""

from __future__ import annotations

import os
import re
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from towline.cancel import CancelToken
from towline.errors import PathError, StoreError, path_errors
from towline.frozen import frozen
from towline.go import json_depth
from towline.name.digest import Digest, is_digest, parse_digest
from towline.store.layout import files, locks
from towline.store.layout.oci_index import INDEX_ATTEMPTS, is_own_line
from towline.store.layout.records import UndecidedRecord
from towline.store.layout.repair import repair

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from towline.store.layout.blobs import BlobFile, Blobs
    from towline.store.layout.paths import StorePaths
    from towline.store.layout.record_store import RecordStore

__all__ = ["Collected", "collect"]

_LARGEST_DOCUMENT = 32 << 20  # a larger blob is not parsed as a manifest
_YOUNG = 3600  # seconds; an assumption: another tool finishes a copy within this time


@frozen
class Collected:
    """The result of a garbage collection.

    Attributes:
        blobs, partials: the number of removed files.
        bytes: the size of all removed files.
        names: removed names of a store of version 1, which belong to no certain image (STORE-023).
        kept_blobs: the number of blobs that nothing reaches, but that towline has not stored.
        damaged_indexes: the paths of damaged index.json files, whose blobs are kept (STORE-015).
        failures: errors of files that could not be removed; an error of reading a file, which may
            list any blob, means that all blobs are kept.
    """

    blobs: int
    partials: int
    bytes: int
    names: tuple[str, ...] = ()
    kept_blobs: int = 0
    damaged_indexes: tuple[str, ...] = ()
    failures: tuple[PathError, ...] = ()


def collect(blobs: Blobs, records: RecordStore) -> Collected:
    """Remove all blobs that neither an image nor an index entry of another tool reaches.

    Files that this user may not remove or read do not end it (STORE-017).

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
        sweep = _Sweep()
        with records.locked(freeing=True):
            # Partial blobs go first: on a full disk their space is needed for the rest.
            partials = sweep.remove_blobs(blobs.partial())
            _clear(paths, sweep)
        names = _repaired(blobs, records)
        stack.enter_context(records.locked(freeing=True))
        try:
            plan = _mark(blobs, records)
        except PathError as error:
            sweep.failures.append(error)
            plan = _Plan()
        unneeded = sweep.remove_blobs(plan.unneeded)
        blobs.stamps.remove_stray()
        records.finish(freeing=True)  # with the space that is free now
        return Collected(
            unneeded,
            partials,
            sweep.bytes,
            names,
            plan.kept,
            plan.damaged_indexes,
            tuple(sweep.failures),
        )


class _Sweep:
    """Removes files, and collects the errors of those that stay."""

    def __init__(self) -> None:
        self.bytes = 0
        self.failures: list[PathError] = []

    def remove(self, path: str) -> bool:
        """Remove a file; return whether it existed and was removed."""
        try:
            return files.remove(path)
        except PathError as error:
            self.failures.append(error)
            return False

    def remove_blobs(self, blobs: Iterable[BlobFile]) -> int:
        """Remove blobs; return how many were removed."""
        removed = [blob for blob in blobs if self.remove(blob.path)]
        self.bytes += sum(blob.size for blob in removed)
        return len(removed)


@frozen
class _Plan:
    """The blobs to remove, and those that are kept for other tools.

    Attributes:
        unneeded: the blobs to remove.
        kept: the number of blobs that are kept for other tools (STORE-015).
        damaged_indexes: the paths of the damaged index.json files.
    """

    unneeded: tuple[BlobFile, ...] = ()
    kept: int = 0
    damaged_indexes: tuple[str, ...] = ()


def _mark(blobs: Blobs, records: RecordStore) -> _Plan:
    """Find the blobs to remove, in an index.json that does not change meanwhile."""
    own = _reached_by_records(records)
    for _ in range(INDEX_ATTEMPTS):
        base, _ = records.oci_index.read()
        damaged = records.oci_index.damaged()
        unneeded, kept = _unneeded(blobs, records, own, base, damaged.values())
        if not records.oci_index.changed_since(base):
            return _Plan(tuple(unneeded), kept, tuple(damaged))
    raise StoreError("store.index_busy", path=blobs.paths.index)


def _reached_by_records(records: RecordStore) -> set[Digest]:
    found, faults = records.reader.all()
    reached: set[Digest] = set()
    for fault in faults:
        undecided = _undecided(records, fault)
        reached.update(*(each.blobs() for each in undecided.manifests), undecided.lists)
    for record in found:
        reached.update(record.blobs(), record.digests())
    return reached


def _unneeded(
    blobs: Blobs,
    records: RecordStore,
    own: set[Digest],
    base: bytes | None,
    damaged: Collection[bytes],
) -> tuple[list[BlobFile], int]:
    """The blobs to remove, and the number of those that are kept for other tools (STORE-015).

    Args:
        blobs: the blobs of the store.
        records: the records of the store.
        own: what the records reach.
        base: index.json.
        damaged: the damaged files that were kept.
    """
    needed = own | _reached(blobs, _digests(records.oci_index.foreign(base)))
    for data in damaged:
        needed |= _reached(blobs, _digests_in(data))
    # What other tools use is unknown if index.json is missing or was damaged.  Otherwise they may
    # be in the middle of a copy, whose entry comes last.
    unknown = base is None or bool(damaged)
    unneeded, kept = [], 0
    for blob in blobs.stored():
        if blob.digest in needed:
            continue
        if (unknown or _is_young(blob)) and not blobs.stamps.is_known(blob.digest):
            kept += 1
        else:
            unneeded.append(blob)
    return unneeded, kept


def _is_young(blob: BlobFile) -> bool:
    found = files.regular(blob.path)
    if found is None:
        return False
    # A time in the future, as after the clock was set back, does not keep a blob forever.
    return abs(time.time() - max(found.st_mtime, found.st_ctime)) < _YOUNG


def _digests_in(data: bytes) -> Iterator[Digest]:
    """The digests in a damaged index.json, except in our own entries, which are in lines."""
    foreign = b"\n".join(line for line in data.split(b"\n") if not is_own_line(line))
    for match in re.findall(rb"sha(?:256|384|512):[0-9a-f]+", foreign):
        if is_digest(text := match.decode()):
            yield parse_digest(text)


def _clear(paths: StorePaths, sweep: _Sweep) -> None:
    """Remove the files that killed tasks have left; no other task is running."""
    for folder in (paths.tmp, paths.blob_locks):
        with path_errors("readdir", folder):
            left = os.listdir(folder)
        for name in left:
            sweep.remove(f"{folder}/{name}")


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
    except PathError as error:
        if not files.is_full(error):
            raise
        return ()  # the next gc repairs


def _reached(blobs: Blobs, digests: Iterable[Digest]) -> set[Digest]:
    """Every blob that descriptors reach, through manifests and indexes of any media type."""
    reached: set[Digest] = set()
    waiting = list(digests)
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
            document = json_depth.loads(data)
        except ValueError:  # not a manifest
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
