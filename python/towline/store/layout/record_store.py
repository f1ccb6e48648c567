"""Changing records, all by one rule: a kill at any moment leaves the old or the new state.

Under the index lock everything is written beside its place first.  Then come renames: lookups that
know both states, the record (at this moment the image and its names are visible), the records that
lost names, lookups of the new state, the view.  A mark lies beside them meanwhile; whoever finds it
with the lock free makes lookups and view from the records again.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache

from towline.cancel import CancelToken
from towline.errors import StoreError
from towline.store.layout import files, locks, name_index
from towline.store.layout.change_set import ChangeSet
from towline.store.layout.combine import combine, new_record, with_evidence
from towline.store.layout.identity import Evidence, IdInUseError, place
from towline.store.layout.oci_index import OciIndex, checksum_of
from towline.store.layout.paths import StorePaths
from towline.store.layout.record_json import encode_record
from towline.store.layout.record_reader import RecordReader, refuse_unreadable
from towline.store.layout.records import Record, StoredManifest, UndecidedRecord
from towline.store.layout.version import FIRST, read_version, write_version

__all__ = ["RecordStore"]


@dataclass(frozen=True, slots=True)
class RecordStore:
    """The records of one store, with the lookups and the view that follow them."""

    reader: RecordReader
    view: OciIndex
    power: bool

    @property
    def paths(self) -> StorePaths:
        """The paths of the store."""
        return self.reader.paths

    # --- changing, under the index lock -------------------------------------

    @contextmanager
    def locked(self, cancel: CancelToken | None = None) -> Iterator[None]:
        """The index lock, with what a killed task left undone finished.

        Raises:
            StoreError: ``store.newer``: another towline has changed the store's format meanwhile.
            PullCancelledError: while waiting.
        """
        with locks.acquire(self.paths.index_lock, cancel=cancel):
            if read_version(self.paths) == FIRST:
                # The view shows undecided names, and is made again without them.
                files.write(self.paths.tmp, self.paths.unfinished, b"", sync=False)
                write_version(self.paths, repaired=False)
            self._finish()
            yield

    def recover(self) -> None:
        """Finish what a killed task left undone, unless another one is at work just now."""
        if os.path.lexists(self.paths.unfinished):
            lock = locks.try_acquire(self.paths.index_lock)
            if lock is not None:
                with lock:
                    self._finish()

    def store(
        self,
        wanted: str,
        manifest: StoredManifest,
        lists: Sequence[str],
        names: Sequence[str],
        evidence: Evidence,
    ) -> Record | StoredManifest:
        """Make an image visible under its names, or give these to one that is here.

        Args:
            wanted: the ID that it should have; `towline.store.layout.identity` says which it gets.
            manifest: by which it came.
            lists: digests of those through which it came.
            names: newest first.
            evidence: what was decompressed, and what came of it.

        Returns:
            The record; or, with nothing changed, a manifest that the evidence lacks.

        Raises:
            StoreError: ``store.id_in_use`` where a requested ID is that of another image.
        """
        found = cache(self.reader.readable)  # each record is read once, so that one state is seen
        try:
            placement = place(wanted, manifest, found, evidence)
        except IdInUseError:
            holder = found(wanted)
            held = () if holder is None else holder.names
            raise StoreError("store.id_in_use", id=wanted, names=held) from None
        if isinstance(placement, StoredManifest):
            return placement
        changes = ChangeSet(found)
        changes.move(placement)
        arrived = new_record(placement.id, manifest, tuple(lists), tuple(names))
        here = changes.now(placement.id)
        new = arrived if here is None else combine(here, arrived, newer=True)
        new = with_evidence(new, evidence)
        if here is None or new.names != here.names:
            new = replace(new, named=time.time_ns())
        changes.put(new)
        for record in self._losing(names, new.id, changes):
            changes.put(record)
        before, after = self._lookups(changes, new, names)
        data = self.view.unchanged()
        alone = new == here and not after and len(changes.after) == 1
        if alone and data and self.view.shows(data, new, names):
            return new
        if data is None or placement.moves or placement.absorbed:
            index = self.view.made_anew(self._with_changes(changes), names)
        else:
            others = [record for record in changes.records() if record.id != new.id]
            index = self.view.named_anew(data, new, names, others)
        self._put(changes.records(), index, before, after, removed=changes.removed())
        return new

    def _lookups(
        self, changes: ChangeSet, new: Record, names: Sequence[str]
    ) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
        """The lookups that change: as they are before the records change, and after."""
        keys = dict.fromkeys((*names, *map(str, new.digests())))
        for image_id, record in changes.after.items():
            was = changes.present(image_id)
            both = [() if each is None else each.handles() for each in (was, record)]
            keys.update(dict.fromkeys(key for key in (*both[0], *both[1]) if record != was))
        before, after = {}, {}
        for key in keys:
            known = self.reader.known(key)
            holders = [new.id] if key in new.handles() else []
            if key not in names:  # a name has one holder
                holders += [record.id for record in changes.records() if key in record.handles()]
                holders += [image_id for image_id in known if image_id not in changes.after]
            final = tuple(dict.fromkeys(holders))
            if final != known:
                after[key] = final
                before[key] = (*final, *(each for each in known if each not in final))
        return before, after

    def forget(self, record: Record, names: Sequence[str] | None) -> Record | None:
        """Take these names from an image, or with None the image itself; what is left of it."""
        left = None if names is None else record.without(names)
        gone = record.names if names is None else names
        after = {
            key: tuple(other for other in self.reader.known(key) if other != record.id)
            for key in (record.handles() if left is None else gone)
        }
        data = self.view.unchanged()
        if data is not None:
            index = self.view.without(data, record, gone, left)
        else:
            rest = [other for other in self.reader.all_readable() if other.id != record.id]
            index = self.view.made_anew([*rest, left] if left else rest)
        self._put([left] if left else [], index, {}, after, removed=() if left else (record.id,))
        return left

    def replace(self, old: UndecidedRecord, new: Record | None) -> None:
        """Put a record in the place of an undecided one, or with None remove that."""
        with self._marked():
            path = self.paths.record(old.id)
            if new is None:
                files.remove(path)
            else:
                files.write(self.paths.tmp, path, encode_record(new), sync=True)
            self._make_again()

    def forget_damaged(self, image_id: str) -> None:
        """Remove a record that cannot be read."""
        with self._marked():
            files.remove(self.paths.record(image_id))
            self._make_again()

    def _losing(self, names: Sequence[str], winner: str, changes: ChangeSet) -> list[Record]:
        """The other records that have one of the names, without them."""
        holders = [image_id for name in names for image_id in self.reader.known(name)]
        found = {}
        for image_id in dict.fromkeys((*holders, *changes.after)):
            record = None if image_id == winner else changes.now(image_id)
            if record is not None and not set(names).isdisjoint(record.names):
                found[image_id] = record.without(names)
        return list(found.values())

    def _with_changes(self, changes: ChangeSet) -> list[Record]:
        kept = [record for record in self.reader.all_readable() if record.id not in changes.after]
        return [*kept, *reversed(changes.records())]

    def _finish(self) -> None:
        if os.path.lexists(self.paths.unfinished):
            self._make_again()
            files.remove(self.paths.unfinished)

    @contextmanager
    def _marked(self) -> Iterator[None]:
        files.write(self.paths.tmp, self.paths.unfinished, b"", sync=False)
        yield
        files.remove(self.paths.unfinished)  # an error on the way leaves the mark

    def _put(
        self,
        changed: Sequence[Record],
        index: bytes,
        before: Mapping[str, tuple[str, ...]],
        after: Mapping[str, tuple[str, ...]],
        *,
        removed: Sequence[str] = (),
    ) -> None:
        """Bring the store into its new state: all is written first, then comes into its place."""
        with ExitStack() as undone:

            def prepare(target: str, data: bytes, *, sync: bool) -> files.Prepared:
                prepared = files.prepare(self.paths.tmp, target, data, sync=sync)
                undone.callback(prepared.drop)
                return prepared

            def lookups(state: Mapping[str, tuple[str, ...]]) -> list[files.Prepared]:
                return [
                    prepare(self.paths.key(key), name_index.encode(key, ids), sync=False)
                    for key, ids in state.items()
                    if ids
                ]

            first = lookups(before)
            for record in changed:
                path = self.paths.record(record.id)
                first.append(prepare(path, encode_record(record), sync=True))
            last = lookups({key: ids for key, ids in after.items() if ids != before.get(key)})
            last.append(prepare(self.paths.index, index, sync=True))
            last.append(prepare(self.paths.index_checksum, checksum_of(index), sync=False))
            with self._marked():
                for prepared in first:
                    prepared.put()
                for image_id in removed:
                    files.remove(self.paths.record(image_id))
                if self.power:
                    files.sync_folder(self.paths.images)
                for prepared in last:
                    prepared.put()
                for key, ids in after.items():
                    if not ids:
                        files.remove(self.paths.key(key))
                if self.power:
                    files.sync_folder(self.paths.root)

    def _make_again(self) -> None:
        """Make lookups and view from the records, and let no name stand in two of them."""
        tmp = self.paths.tmp
        found, damaged = self.reader.read_all()
        refuse_unreadable(damaged)
        records = self.reader.without_repeats(found)
        for old, new in zip(found, records, strict=True):
            if old != new:
                files.write(tmp, self.paths.record(new.id), encode_record(new), sync=True)
        wanted: dict[str, list[str]] = defaultdict(list)
        for record in records:
            for key in record.handles():
                wanted[key].append(record.id)
        name_index.rebuild(self.paths, wanted, {str(error.facts["id"]) for error in damaged})
        index = self.view.made_anew(reversed(records))
        files.write(tmp, self.paths.index, index, sync=True)
        files.write(tmp, self.paths.index_checksum, checksum_of(index), sync=False)
