"""Changes records atomically: after a kill at any moment the old or the new state is visible.

A change holds the index lock and first writes all files to ``tmp/``.  Then it renames them in this
order: lookup files with the IDs of both states, the record (which makes the image and its names
visible), the records that lost names, lookup files of the new state, index.json.  A marker file
exists meanwhile; a task that finds it while the lock is free rebuilds lookup files and index.json
from the records.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING

from towline.errors import PathError, StoreError, path_errors
from towline.frozen import frozen, replace
from towline.store.layout import files, locks, name_index
from towline.store.layout.change_set import ChangeSet
from towline.store.layout.combine import combine, new_record, with_evidence
from towline.store.layout.identity import Evidence, IdInUseError, own_ids, place
from towline.store.layout.oci_index import INDEX_ATTEMPTS, OciIndex, checksum_of
from towline.store.layout.record_json import encode_record
from towline.store.layout.record_reader import RecordReader, refuse_unreadable
from towline.store.layout.records import Record, StoredManifest, UndecidedRecord
from towline.store.layout.version import FIRST, read_version, write_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from towline.cancel import CancelToken
    from towline.store.layout.paths import StorePaths

__all__ = ["RecordStore"]


@frozen
class RecordStore:
    """The records of one store, and the lookup files and index.json that are made from them."""

    reader: RecordReader
    oci_index: OciIndex
    power: bool

    @property
    def paths(self) -> StorePaths:
        """The paths of the store."""
        return self.reader.paths

    # --- changes, under the index lock --------------------------------------

    @contextmanager
    def locked(self, cancel: CancelToken | None = None, *, freeing: bool = False) -> Iterator[None]:
        """Return a context that holds the index lock; a change of a killed task is finished first.

        Args:
            cancel: ends the wait.
            freeing: the caller frees space, so a full disk is no error; the records are right
                also if the rest of a change is not finished.

        Raises:
            StoreError: ``store.newer``: a newer towline has changed the format meanwhile.
            PullCancelledError: the caller cancelled during the wait.
        """
        log = locks.WaitLog("index.json", self.paths.holders)
        with locks.acquire(self.paths.index_lock, cancel=cancel, log=log):
            self.finish(freeing=freeing)
            yield

    def finish(self, *, freeing: bool) -> None:
        """Finish the change of a killed task, under the index lock; `freeing` as for `locked`."""
        try:
            if read_version(self.paths) == FIRST:
                # index.json has undecided names; the marker has it rebuilt without them.
                self._mark()
                write_version(self.paths, repaired=False)
            self._finish()
        except PathError as error:
            if not freeing or not files.is_full(error):
                raise

    def recover(self) -> None:
        """Finish the change of a killed task, unless another task holds the index lock."""
        if files.exists(self.paths.unfinished):
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
        *,
        cancel: CancelToken | None = None,
    ) -> Record | StoredManifest:
        """Make an image visible under its names, or add the names to a stored image.

        Args:
            wanted: the ID that it should have; `towline.store.layout.identity` decides its ID.
            manifest: the manifest that was pulled.
            lists: the digests of the manifest lists through which it was selected.
            names: newest first.
            evidence: the proofs of manifests that were examined.
            cancel: ends the wait for another tool that writes index.json.

        Returns:
            The record; or a manifest that has to be examined first, in which case the store is
            unchanged.

        Raises:
            StoreError: ``store.id_in_use`` if a requested ID belongs to another image.
        """
        found = cache(self.reader.readable)  # reads each record once, for one consistent state
        try:
            self._refuse_foreign_digest(wanted, manifest)
            placement = place(wanted, manifest, found, evidence)
        except IdInUseError:
            holder = found(wanted)
            used_by = () if holder is None else holder.names
            raise StoreError("store.id_in_use", id=wanted, names=used_by) from None
        if isinstance(placement, StoredManifest):
            return placement
        changes = ChangeSet(found)
        changes.move(placement)
        pulled = new_record(placement.id, manifest, tuple(lists), tuple(names))
        present = changes.now(placement.id)
        new = pulled if present is None else combine(present, pulled, newer=True)
        new = with_evidence(new, evidence)
        changes.put(new)
        losing = self._records_losing_names(names, new.id, changes)
        final = ChangeSet(found, {**changes.after, **{record.id: record for record in losing}})
        before, after = self._name_index_changes(final, new, names)
        if present is None or new.names != present.names or after:
            # The order of the name index follows from this time if it has to be rebuilt.
            new = replace(new, named_at=time.time_ns())
            changes.put(new)
        for record in losing:
            changes.put(record)
        base, own = self.oci_index.read(cancel)
        data = base if own else None
        unchanged = new == present and not after and len(changes.after) == 1
        if unchanged and data and self.oci_index.shows(data, new, names):
            return new
        if data is None or placement.moves or placement.absorbed:
            index = self.oci_index.rebuilt(base, self._with_changes(changes), names)
        else:
            others = [record for record in changes.records() if record.id != new.id]
            index = self.oci_index.with_names(data, new, names, others)
        self._put(
            changes.writes, (base, index), before, after, removed=changes.removed(), taken=names
        )
        return new

    def _refuse_foreign_digest(self, wanted: str, manifest: StoredManifest) -> None:
        """Refuse a requested ID that is the digest of the manifest or list of another image."""
        config = manifest.config
        if wanted in own_ids(manifest) or (config is not None and config.hex == wanted):
            return
        for record in self.reader.with_key(f"sha256:{wanted}"):
            if all(each.content != manifest.content for each in record.manifests):
                raise IdInUseError

    def _name_index_changes(
        self, changes: ChangeSet, new: Record, names: Sequence[str]
    ) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
        """The IDs of the lookup files that change: while the records change, and afterwards."""
        keys = dict.fromkeys((*names, *map(str, new.digests())))
        for image_id, record in changes.after.items():
            old = changes.present(image_id)
            both = [() if each is None else each.lookup_keys() for each in (old, record)]
            keys.update(dict.fromkeys(key for key in (*both[0], *both[1]) if record != old))
        before, after = {}, {}
        for key in keys:
            known = self.reader.known(key)
            holders = [new.id] if key in new.lookup_keys() else []
            if key not in names:  # only one image has a name
                holders += [
                    record.id for record in changes.records() if key in record.lookup_keys()
                ]
                holders += [image_id for image_id in known if image_id not in changes.after]
            final = tuple(dict.fromkeys(holders))
            if final != known:
                after[key] = final
                before[key] = (*final, *(each for each in known if each not in final))
        return before, after

    def remove(self, record: Record, names: Sequence[str] | None) -> Record | None:
        """Remove names from an image, or the image if `names` is None; return the new record."""
        left = None if names is None else record.without(names)
        removed = record.names if names is None else names
        after = {
            key: tuple(other for other in self.reader.known(key) if other != record.id)
            for key in (record.lookup_keys() if left is None else removed)
        }
        base, own = self.oci_index.read()
        data = base if own else None
        if data is not None:
            index = self.oci_index.without(data, record, removed, left)
        else:
            rest = [other for other in self.reader.all_readable() if other.id != record.id]
            index = self.oci_index.rebuilt(base, [*rest, left] if left else rest)
        changed = [left] if left else []
        gone = () if left else (record.id,)
        try:
            self._put(changed, (base, index), {}, after, removed=gone)
        except PathError as error:
            if left is not None or not files.is_full(error):
                raise
            self._remove_without_space(record, after)
        return left

    def _remove_without_space(self, record: Record, after: Mapping[str, tuple[str, ...]]) -> None:
        """Remove an image on a full disk; index.json is written by the next change or gc."""
        # Renaming the checksum sets the marker without new space; without a checksum, the next
        # change writes index.json anyway.
        with suppress(PathError), path_errors("rename", self.paths.unfinished):
            os.replace(self.paths.index_checksum, self.paths.unfinished)
        files.remove(self.paths.record(record.id))
        for key, ids in after.items():
            if not ids:
                files.remove(self.paths.key(key))

    def replace(self, old: UndecidedRecord, new: Record | None) -> None:
        """Replace an undecided record, or remove it if `new` is None."""
        with self._marked():
            path = self.paths.record(old.id)
            if new is None:
                files.remove(path)
            else:
                files.write(self.paths.tmp, path, encode_record(new), sync=True)
            self._rebuild()

    def remove_damaged(self, image_id: str) -> None:
        """Remove a damaged record."""
        with self._marked():
            files.remove(self.paths.record(image_id))
            self._rebuild()

    def _records_losing_names(
        self, names: Sequence[str], winner: str, changes: ChangeSet
    ) -> list[Record]:
        """The other records that have one of the names, with the names removed."""
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
        if files.exists(self.paths.unfinished):
            self._rebuild()
            files.remove(self.paths.unfinished)

    def _mark(self) -> None:
        """Create the marker of an unfinished change."""
        files.write(self.paths.tmp, self.paths.unfinished, b"", sync=False)

    @contextmanager
    def _marked(self) -> Iterator[None]:
        self._mark()
        yield
        files.remove(self.paths.unfinished)  # after an error the marker stays

    def _put(
        self,
        changed: Sequence[Record],
        index: tuple[bytes | None, bytes],
        before: Mapping[str, tuple[str, ...]],
        after: Mapping[str, tuple[str, ...]],
        *,
        removed: Sequence[str] = (),
        taken: Sequence[str] = (),
    ) -> None:
        """Write all files to ``tmp/``, then rename them in order and remove records.

        Args:
            changed: the records to write.
            index: index.json, before and after the change.
            before: the IDs of lookup files while the records change.
            after: the IDs of lookup files afterwards.
            removed: the IDs of the records to remove.
            taken: the names that were just pulled.
        """
        base, content = index
        with ExitStack() as stack:

            def prepare(target: str, data: bytes, *, sync: bool) -> files.Prepared:
                prepared = files.prepare(self.paths.tmp, target, data, sync=sync)
                stack.callback(prepared.drop)
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
            indexes = (
                prepare(self.paths.index, content, sync=True),
                prepare(self.paths.index_checksum, checksum_of(content), sync=False),
            )
            self._mark()
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
            if self.oci_index.changed_since(base):
                # The change is complete but for index.json, which another tool is writing.  If it
                # does not end, the marker stays, and the next change writes index.json.
                with suppress(StoreError):
                    self._write_index(self._oldest_first(), taken)
                    files.remove(self.paths.unfinished)
            else:
                for prepared in indexes:
                    prepared.put()
                files.remove(self.paths.unfinished)
            if self.power:
                files.sync_folder(self.paths.root)

    def _oldest_first(self) -> list[Record]:
        return list(reversed(self.reader.all_readable()))

    def _rebuild(self) -> None:
        """Rebuild lookup files and index.json, and remove each name from all records but one."""
        tmp = self.paths.tmp
        found, damaged = self.reader.read_all()
        refuse_unreadable(damaged)
        records = self.reader.without_repeats(found)
        for old, new in zip(found, records, strict=True):
            if old != new:
                files.write(tmp, self.paths.record(new.id), encode_record(new), sync=True)
        wanted: dict[str, list[str]] = defaultdict(list)
        for record in records:
            for key in record.lookup_keys():
                wanted[key].append(record.id)
        name_index.rebuild(self.paths, wanted, {str(error.facts["id"]) for error in damaged})
        self._write_index(list(reversed(records)))

    def _write_index(self, records: Sequence[Record], taken: Sequence[str] = ()) -> None:
        """Write index.json from the records, oldest first, and the entries of other tools."""
        paths = self.paths
        for _ in range(INDEX_ATTEMPTS):
            base, _ = self.oci_index.read()
            content = self.oci_index.rebuilt(base, records, taken)
            prepared = files.prepare(paths.tmp, paths.index, content, sync=True)
            if not self.oci_index.changed_since(base):
                prepared.put()
                files.write(paths.tmp, paths.index_checksum, checksum_of(content), sync=False)
                return
            prepared.drop()
        raise StoreError("store.index_busy", path=paths.index)
