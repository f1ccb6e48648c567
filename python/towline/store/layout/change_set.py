"""The records that one change of the store writes and removes, in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.frozen import field, frozen, replace
from towline.store.layout.combine import combine
from towline.store.layout.records import Record, UndecidedRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from towline.store.layout.identity import Placement

__all__ = ["ChangeSet"]


@frozen
class ChangeSet:
    """The new state of the changed records, and the writes that lead to it.

    A moved image is written under its new ID, with all its names, before its old ID is reused or
    removed.  A record that loses a name is written last, so that a kill leaves each name in at
    least one record.

    Attributes:
        before: returns the present record of an ID.
        after: the new record of each changed ID; None if it is removed.
        writes: the records in the order in which they are written; a later one replaces an earlier
            one with the same ID.
    """

    before: Callable[[str], Record | UndecidedRecord | None]
    after: dict[str, Record | None] = field(default_factory=dict)
    writes: list[Record] = field(default_factory=list)

    def now(self, image_id: str) -> Record | None:
        """Return the record of an ID after the changes so far."""
        return self.after[image_id] if image_id in self.after else self.present(image_id)

    def present(self, image_id: str) -> Record | None:
        """Return the record of an ID before the changes; None if it is undecided."""
        found = self.before(image_id)
        return found if isinstance(found, Record) else None

    def put(self, record: Record) -> None:
        """Add a record to those that are written."""
        self.after[record.id] = record
        if self.writes and self.writes[-1].id == record.id:
            self.writes.pop()
        self.writes.append(record)

    def move(self, placement: Placement) -> None:
        """Move or merge records as a placement requires."""
        for image_id, target in placement.moves:
            record = self.now(image_id)
            assert record is not None
            self._into(target, record)
            self.after[image_id] = None
        if placement.absorbed is not None:
            absorbed = self.now(placement.absorbed)
            assert absorbed is not None
            self._into(placement.id, absorbed)
            self.after[placement.absorbed] = None

    def _into(self, target: str, record: Record) -> None:
        there = self.now(target)
        moved = replace(record, id=target)
        self.put(moved if there is None else combine(there, moved, newer=False))

    def records(self) -> list[Record]:
        """The new records."""
        return [record for record in self.after.values() if record is not None]

    def removed(self) -> list[str]:
        """The IDs whose records are removed after the writes."""
        return [image_id for image_id, record in self.after.items() if record is None]
