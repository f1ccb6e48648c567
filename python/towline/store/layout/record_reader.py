"""Reads records without locks; a reader sees the state before or after a change."""

from __future__ import annotations

import errno
import os
import time
from collections import defaultdict
from typing import TYPE_CHECKING

from towline.errors import PathError, StoreError, path_errors
from towline.frozen import frozen
from towline.store.layout import files, name_index
from towline.store.layout.paths import StorePaths, is_id
from towline.store.layout.record_json import decode_record
from towline.store.layout.records import Record, UndecidedRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["RecordReader", "refuse_unreadable"]

_ATTEMPTS, _PAUSE = 4, 0.002


@frozen
class RecordReader:
    """Reads the records of one store."""

    paths: StorePaths

    def get(self, image_id: str) -> Record | None:
        """Return the record of an ID; None if there is none.

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
        """Return the record of an ID, of either version; None if there is none.

        Raises:
            StoreError: ``store.record_damaged``; ``store.record_unreadable`` after an error of the
                operating system.
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
        if files.exists(path) and files.regular_size(path) is None:
            raise _damaged(image_id, path, "not a regular file")
        return None

    def ids(self) -> list[str]:
        """Return the IDs of all images, sorted."""
        with path_errors("readdir", self.paths.images):
            names = os.listdir(self.paths.images)
        found = (name.removesuffix(".json") for name in names if name.endswith(".json"))
        return sorted(image_id for image_id in found if is_id(image_id))

    def all(self) -> tuple[list[Record], list[StoreError]]:
        """Return every record, each name in one only, and the errors; newest names come first."""
        for _ in range(_ATTEMPTS - 1):
            stamp = self._stamp()
            found, damaged = self.read_all()
            records = self.without_repeats(found)
            if stamp is not None and stamp == self._stamp():
                return records, damaged
            time.sleep(_PAUSE)  # during a change, a name that moves could be missed
        found, damaged = self.read_all()
        return self.without_repeats(found), damaged

    def with_key(self, key: str) -> Iterator[Record]:
        """Yield the images that have a name or digest, the newest first.

        Raises:
            StoreError: ``store.record_damaged``, ``store.record_undecided``: a record that may
                have the key is damaged or undecided.
        """
        found = False
        for _ in range(_ATTEMPTS):  # a name that moves can be missed once
            known = self.known(key)
            for image_id in known:
                record = self.get(image_id)
                if record is not None and key in record.lookup_keys():
                    found = True
                    yield record
            if found or not known:
                break

    def undecided(self) -> tuple[list[UndecidedRecord], list[StoreError]]:
        """Return the records of version 1 whose names have no certain manifest.

        Returns:
            The records, and the errors of records that cannot be read at this moment.
        """
        found = []
        unreadable = []
        for image_id in self.ids():
            try:
                record = self.read(image_id)
            except StoreError as error:
                if error.code == "store.record_unreadable":
                    unreadable.append(error)
                continue
            if isinstance(record, UndecidedRecord):
                found.append(record)
        return found, unreadable

    def _stamp(self) -> tuple[int, int] | None:
        """A value that differs after each change; None during a change."""
        if files.exists(self.paths.unfinished):
            return None
        try:
            # each change writes it last, and as a new file
            with path_errors("lstat", self.paths.index_checksum):
                last = os.lstat(self.paths.index_checksum)
        except PathError as error:
            if error.facts["errno"] != errno.ENOENT:
                raise
            return 0, 0
        return last.st_ino, last.st_ctime_ns

    def read_all(self) -> tuple[list[Record], list[StoreError]]:
        """Return every record as stored, newest names first, and the errors of the other ones."""
        records, damaged = [], []
        for image_id in self.ids():
            try:
                record = self.get(image_id)
            except StoreError as error:
                damaged.append(error)
                continue
            if record is not None:  # None: removed since the folder was read
                records.append(record)
        records.sort(key=lambda record: (-record.named_at, record.id))
        return records, damaged

    def known(self, key: str) -> tuple[str, ...]:
        """Return the IDs of the images that may have a name or digest, the newest first.

        Raises:
            StoreError: ``store.record_unreadable``, if all records have to be read.
        """
        image_ids = name_index.ids(self.paths, key)
        if image_ids is None:
            records, faults = self.read_all()
            refuse_unreadable(faults)  # one of them may have the key
            return tuple(record.id for record in records if key in record.lookup_keys())
        return image_ids

    def without_repeats(self, records: list[Record]) -> list[Record]:
        """Return the records, with each name only in the newest one.

        After a kill between two renames two records have the name; the name index lists the newer
        one first.
        """
        holders: dict[str, list[Record]] = defaultdict(list)
        for record in records:
            for name in record.names:
                holders[name].append(record)
        lost: dict[str, set[str]] = defaultdict(set)
        for name, several in holders.items():
            if len(several) > 1:
                order = name_index.ids(self.paths, name) or ()
                rank = {image_id: index for index, image_id in enumerate(order)}
                several.sort(key=lambda record: rank.get(record.id, len(rank)))
                for record in several[1:]:
                    lost[record.id].add(name)
        return [record.without(lost[record.id]) if lost else record for record in records]

    def readable(self, image_id: str) -> Record | UndecidedRecord | None:
        """Return a record; None if it is missing or damaged, since a pull repairs a damaged one.

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
        """Return all records except damaged ones; a transient error is raised."""
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
