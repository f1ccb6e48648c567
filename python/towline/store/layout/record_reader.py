"""Reading of records, without locks: a reader at any moment sees the old or the new state."""

from __future__ import annotations

import errno
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from towline.errors import PathError, StoreError
from towline.store.layout import files, name_index
from towline.store.layout.paths import StorePaths, is_id
from towline.store.layout.record_json import decode_record
from towline.store.layout.records import Record, UndecidedRecord

__all__ = ["RecordReader", "refuse_unreadable"]

_ATTEMPTS, _PAUSE = 4, 0.002


@dataclass(frozen=True, slots=True)
class RecordReader:
    """Reads the records of one store."""

    paths: StorePaths

    def get(self, image_id: str) -> Record | None:
        """The record of an ID, None where there is none.

        Raises:
            StoreError: ``store.record_damaged``, ``store.record_undecided``,
                ``store.record_unreadable``.
        """
        found = self.read(image_id)
        if isinstance(found, UndecidedRecord):
            path = self.paths.record(image_id)
            raise StoreError("store.record_undecided", id=image_id, path=path, names=found.names)
        return found

    def read(self, image_id: str) -> Record | UndecidedRecord | None:
        """The record of an ID, of either version, None where there is none.

        Raises:
            StoreError: ``store.record_damaged``; ``store.record_unreadable`` where the system
                refuses to read it at this moment.
        """
        path = self.paths.record(image_id)
        try:
            data = files.read(path)
        except PathError as error:
            number = error.facts["errno"]
            reason = os.strerror(number).lower()
            if number == errno.EFBIG:
                raise _damaged(image_id, path, reason) from error
            raise StoreError(
                "store.record_unreadable", id=image_id, path=path, reason=reason
            ) from error
        if data is not None:
            return decode_record(data, image_id, path)
        if os.path.lexists(path) and files.regular_size(path) is None:
            raise _damaged(image_id, path, "not a regular file")
        return None

    def ids(self) -> list[str]:
        """The IDs of all images, sorted."""
        with files.using("readdir", self.paths.images):
            names = os.listdir(self.paths.images)
        found = (name.removesuffix(".json") for name in names if name.endswith(".json"))
        return sorted(image_id for image_id in found if is_id(image_id))

    def all(self) -> tuple[list[Record], list[StoreError]]:
        """Every record, no name twice, those with the newest names first; and the damaged ones."""
        for _ in range(_ATTEMPTS - 1):
            stamp = self._stamp()
            found, damaged = self.read_all()
            records = self.without_repeats(found)
            if stamp is not None and stamp == self._stamp():
                return records, damaged
            time.sleep(_PAUSE)  # a change is under way: a name on the move could be missed
        found, damaged = self.read_all()
        return self.without_repeats(found), damaged

    def holding(self, key: str) -> Iterator[Record]:
        """The images that have a name or are known by a digest, the newest first.

        Raises:
            StoreError: ``store.record_damaged``, ``store.record_undecided``: the record that may
                have it cannot be read, or does not say.
        """
        given = False
        for _ in range(_ATTEMPTS):  # a name on the move may slip by once
            known = self.known(key)
            for image_id in known:
                record = self.get(image_id)
                if record is not None and key in record.handles():
                    given = True
                    yield record
            if given or not known:
                break

    def undecided(self) -> list[UndecidedRecord]:
        """The records of version 1 whose names nobody can attribute yet."""
        found = []
        for image_id in self.ids():
            with suppress(StoreError):  # damaged
                record = self.read(image_id)
                if isinstance(record, UndecidedRecord):
                    found.append(record)
        return found

    def _stamp(self) -> tuple[int, int] | None:
        """Another one after each change, None during one."""
        if os.path.lexists(self.paths.unfinished):
            return None
        try:
            # written last by every change, while the one before is still there
            with files.using("lstat", self.paths.index_checksum):
                last = os.lstat(self.paths.index_checksum)
        except PathError as error:
            if error.facts["errno"] != errno.ENOENT:
                raise
            return 0, 0
        return last.st_ino, last.st_ctime_ns

    def read_all(self) -> tuple[list[Record], list[StoreError]]:
        """Every record as it is, those with the newest names first, and the errors of the rest."""
        records, damaged = [], []
        for image_id in self.ids():
            try:
                record = self.get(image_id)
            except StoreError as error:
                damaged.append(error)
                continue
            if record is not None:  # else removed since the folder was read
                records.append(record)
        records.sort(key=lambda record: (-record.named, record.id))
        return records, damaged

    def known(self, key: str) -> tuple[str, ...]:
        """The IDs of the images that may have a name or digest, the newest first.

        Raises:
            StoreError: ``store.record_unreadable``, if all records have to be read.
        """
        image_ids = name_index.ids(self.paths, key)
        if image_ids is None:
            records, faults = self.read_all()
            refuse_unreadable(faults)  # one of them may have the key
            return tuple(record.id for record in records if key in record.handles())
        return image_ids

    def without_repeats(self, records: list[Record]) -> list[Record]:
        """The records, each name only in the newest one.

        A kill between two renames leaves a name in two records; the name index lists the newer one
        first.
        """
        holders: dict[str, list[Record]] = defaultdict(list)
        for record in records:
            for name in record.names:
                holders[name].append(record)
        lost: dict[str, set[str]] = defaultdict(set)
        for name, several in holders.items():
            if len(several) > 1:
                order = name_index.ids(self.paths, name) or ()
                rank = {image_id: place for place, image_id in enumerate(order)}
                several.sort(key=lambda record: rank.get(record.id, len(rank)))
                for record in several[1:]:
                    lost[record.id].add(name)
        return [record.without(lost[record.id]) if lost else record for record in records]

    def readable(self, image_id: str) -> Record | UndecidedRecord | None:
        """A record; a damaged one is absent, since storing its image again repairs it.

        Raises:
            StoreError: ``store.record_unreadable``; a transient failure is not damage.
        """
        try:
            return self.read(image_id)
        except StoreError as error:
            if error.code != "store.record_damaged":
                raise
            return None

    def all_readable(self) -> list[Record]:
        """All records but the damaged ones, for a view that must lack no other."""
        records, faults = self.all()
        refuse_unreadable(faults)
        return records


def refuse_unreadable(faults: Sequence[StoreError]) -> None:
    """Raise the first error that is transient."""
    for fault in faults:
        if fault.code == "store.record_unreadable":
            raise fault


def _damaged(image_id: str, path: str, reason: str) -> StoreError:
    return StoreError("store.record_damaged", id=image_id, path=path, reason=reason)
