"""Walks a tar to find its members and their exact offsets."""

from __future__ import annotations

from dataclasses import replace
from typing import final

from towline.core.failure import CoreError
from towline.core.twin.limits import Limits, SizeLimit
from towline.core.twin.sparse import (
    FIRST_EXPANDED,
    SEGMENT_COST,
    MapError,
    SparseFiles,
    SparseMap,
    map_in_header,
    map_in_records,
    map_is_before_data,
)
from towline.core.twin.tar import (
    BLOCK,
    LARGEST_EXTENSION,
    LARGEST_OFFSET,
    WITHOUT_DATA,
    ZEROS,
    Member,
    decimal,
    header_names,
    number,
    octal,
    pax_records,
)

__all__ = ["TarWalk"]

# Added to the names of each member of an index, for the memory of its entry.
MEMBER_COST = 256


@final
class TarWalk:
    """Finds the members of a tar that is passed in pieces of any size.

    The tar ends with two zero blocks (bytes after them are ignored), or after a complete member,
    with or without one zero block.
    """

    def __init__(self, limits: Limits, max_expanded: SizeLimit | None = None) -> None:
        """Count the members; with a limit of the size of all sparse files, keep them."""
        self.limits = limits
        self.max_expanded = max_expanded or limits.ceiling(None)
        self.keep = max_expanded is not None
        self.sparse = SparseFiles()
        self.expanded = 0  # the size of all sparse files with their holes
        self.map: SparseMap | None = None  # of the member, if it is sparse and kept
        self.map_at = 0  # header block of that member
        self.members: list[Member] = []
        self.count = 0
        self.cost = 0  # what the kept members count together
        self.position = 0  # bytes passed so far
        self.buffer = bytearray()  # of the block or extension that is being collected
        self.state = "header"
        self.want = BLOCK
        self.left = 0  # bytes of data or padding still to skip
        self.member: Member | None = None  # the member of that data
        self.first: int | None = None  # header block of the first extension before a member
        self.extension = (0, "")  # header block and type of the extension being collected
        self.pax: dict[str, bytes] = {}
        self.long_name: bytes | None = None
        self.long_link: bytes | None = None
        self.zero = False  # the block before was a zero block

    @property
    def skippable(self) -> int:
        """How many of the next bytes can be skipped."""
        return self.left if self.state in ("data", "padding") else 0

    @property
    def file_ahead(self) -> int:
        """The size of the file whose data starts with the next byte; else 0."""
        member = self.member
        if member is None or member.type not in "07" or self.state != "data":
            return 0
        if member.offset >= FIRST_EXPANDED:
            return 0
        return member.size if self.left == member.size else 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            CoreError: ``not_tar``, ``corrupt``, or a limit of the members.
        """
        rest = memoryview(data)
        while rest:
            rest = rest[self.take(rest) :]

    def take(self, data: memoryview) -> int:
        """Take the next bytes of one kind, header or data; return how many.

        Raises:
            CoreError: as `feed`.
        """
        count = len(data)
        if self.state == "tail":
            self.position += count
        elif self.state in ("data", "padding"):
            count = min(self.left, count)
            self.skip(count)
        else:
            count = min(self.want - len(self.buffer), count)
            self.buffer += data[:count]
            self.position += count
            if len(self.buffer) == self.want:
                block, self.buffer = bytes(self.buffer), bytearray()
                self._collected(block)
        return count

    def skip(self, count: int) -> None:
        """Skip `count` bytes; at most `skippable`."""
        self.position += count
        self.left -= count
        if self.left:
            return
        if self.state == "data":
            self._data_ended()
        else:
            self._await_header()

    def finish(self) -> None:
        """Check that the tar is complete.

        Raises:
            CoreError: ``not_tar`` or ``truncated``.
        """
        # umoci omits the padding of the last member, and other tools accept its layers
        between = self.state in ("header", "padding") and not self.buffer and self.first is None
        if between or self.state == "tail":
            return
        if self.position < BLOCK:
            raise CoreError("not_tar", 0, f"{self.position} bytes are too few for a tar")
        raise CoreError(
            "truncated", self.position, f"the tar ends at byte {self.position}, too early"
        )

    def _await_header(self) -> None:
        self.state, self.want = "header", BLOCK

    def _collected(self, block: bytes) -> None:
        if self.state == "header":
            self._header(block)
        elif self.state == "sparse":
            self._sparse(block)
        elif self.state == "map":
            self._map_block(block)
        else:
            self._extended(block)

    def _header(self, block: bytes) -> None:
        at = self.position - BLOCK
        if block == ZEROS:
            if self.first is not None:
                raise CoreError(
                    "corrupt", at, f"an end mark after an extended header, at byte {at}"
                )
            if self.zero:
                self.state = "tail"
            self.zero = True
            return
        if self.zero:
            raise CoreError("corrupt", at, f"a single zero block before byte {at}")
        stated = octal(block[148:156])
        unsigned = sum(block[:148]) + 8 * 32 + sum(block[156:])
        high = sum(byte >= 128 for byte in block[:148] + block[156:])
        if stated is None or stated not in (unsigned, unsigned - 256 * high):
            if at == 0:
                raise CoreError("not_tar", 0, "the first block is not a tar header")
            raise CoreError("corrupt", at, f"the block at byte {at} is not a tar header")
        size = number(block[124:136])
        if size is None:
            raise CoreError("corrupt", at, f"the header at byte {at} has no valid size")
        self._check_extent(size, at)
        kind = chr(block[156])
        if kind in "xLK":
            self._open_extension(kind, size, at)
        elif kind == "g":
            self._open_data(size)
        else:
            self._open_member(block, kind, size, at)

    def _check_extent(self, size: int, at: int) -> None:
        if size > LARGEST_OFFSET - self.position - BLOCK:
            raise CoreError("corrupt", at, f"the header at byte {at} has no valid size")

    def _open_extension(self, kind: str, size: int, at: int) -> None:
        self.first = at if self.first is None else self.first
        if size > LARGEST_EXTENSION:
            raise CoreError(
                "limit_path", self.first, f"an extended header of {size} bytes at byte {at}"
            )
        self.extension = (at, kind)
        self.state, self.want = "extension", size
        if not size:
            self._extended(b"")

    def _extended(self, data: bytes) -> None:
        at, kind = self.extension
        if kind == "L":
            self.long_name = data.partition(b"\0")[0]
        elif kind == "K":
            self.long_link = data.partition(b"\0")[0]
        else:
            records = pax_records(data)
            if records is None:
                raise CoreError("corrupt", at, f"the pax header at byte {at} is damaged")
            self.pax = records
        self._open_padding(len(data))

    def _open_member(self, block: bytes, kind: str, size: int, at: int) -> None:
        first = at if self.first is None else self.first
        name, link = header_names(block)
        name, link = self.pax.get("path") or name, self.pax.get("linkpath") or link
        name = self.pax.get("GNU.sparse.name") or name
        name, link = self.long_name or name, self.long_link or link
        if self.pax.get("size"):
            stated = decimal(self.pax["size"])
            if stated is None:
                raise CoreError("corrupt", at, f"the pax header before byte {at} has no valid size")
            size = stated
            self._check_extent(size, at)
        if kind == "\0":
            kind = "5" if name.endswith(b"/") else "0"
            if kind == "5" and size:
                # Implementations disagree on whether there is data.
                raise CoreError("corrupt", at, f"an old directory with data, at byte {at}")
        if kind in WITHOUT_DATA:
            size = 0
        if self.count >= self.limits.max_entries:
            raise CoreError(
                "limit_entries", first, f"more than the {self.limits.max_entries} members allowed"
            )
        if max(len(name), len(link)) > self.limits.max_path:
            raise CoreError(
                "limit_path",
                first,
                f"a path longer than {self.limits.max_path} bytes, at byte {at}",
            )
        self._charge(len(name) + len(link) + MEMBER_COST, first)
        records, self.pax, self.long_name, self.long_link = self.pax, {}, None, None
        self.first = first
        self.member = Member(name, link, kind, size, self.position, first)
        self._open_map(block, kind, records, at)

    def _charge(self, cost: int, first: int) -> None:
        """Count bytes that the index is about to keep for the member with this first header."""
        if not self.keep:
            return
        self.cost += cost
        if self.cost > self.limits.max_index:
            raise CoreError(
                "limit_index",
                first,
                f"the index of the members needs more than the {self.limits.max_index} bytes"
                " allowed",
            )

    def _open_map(self, block: bytes, kind: str, records: dict[str, bytes], at: int) -> None:
        """Begin the map of a sparse file, or the data of another member."""
        before_data = map_is_before_data(records)
        sparse = kind == "S" or (kind in "07" and (before_data or "GNU.sparse.map" in records))
        if self.keep and sparse:
            self.map_at = at
            try:
                self.map = map_in_header(block) if kind == "S" else map_in_records(records)
            except MapError:
                raise self._damaged_map() from None
            self._charge_segments(0)
            if kind != "S" and before_data:
                self._await_map_block()
                return
        if kind == "S" and block[482]:
            self.state, self.want = "sparse", BLOCK
        else:
            self._member_data()

    def _sparse(self, block: bytes) -> None:
        """Read a further map of the old format; the data begins after the last one."""
        if self.map is not None:
            before = len(self.map.segments)
            try:
                self.map.read_fields(block[:504])
            except MapError:
                raise self._damaged_map() from None
            self._charge_segments(before)
        if not block[504]:
            self._member_data()

    def _map_block(self, block: bytes) -> None:
        """Read a block of the map before the data."""
        assert self.map is not None
        before = len(self.map.segments)
        try:
            ended = self.map.read_block(block)
        except MapError:
            raise self._damaged_map() from None
        self._charge_segments(before)
        if ended:
            self._member_data()
        else:
            self._await_map_block()

    def _await_map_block(self) -> None:
        assert self.member is not None
        if self.member.size < BLOCK:
            raise self._damaged_map()
        self.member = replace(self.member, size=self.member.size - BLOCK)
        self.state, self.want = "map", BLOCK

    def _member_data(self) -> None:
        assert self.member is not None
        stored = self.member.size
        self.member = replace(self.member, offset=self.position)
        if self.map is not None:
            found, self.map = self.map, None
            if found.stored != stored:
                raise self._damaged_map()
            offset = self._add_sparse(found)
            self.member = replace(self.member, offset=offset, size=found.size)
        self._check_extent(stored, self.position - BLOCK)
        self._open_data(stored)

    def _add_sparse(self, found: SparseMap) -> int:
        """Add a sparse file whose data begins here; return the offset of its content."""
        limit = self.max_expanded
        self.expanded += found.size
        if self.expanded > limit.size:
            raise CoreError(
                limit.code, limit.size, f"sparse files of more than the {limit.size} bytes allowed"
            )
        offset = self.sparse.add(self.position, found)
        if offset is None:
            raise self._damaged_map()
        return offset

    def _charge_segments(self, before: int) -> None:
        assert self.map is not None
        assert self.first is not None
        self._charge(SEGMENT_COST * (len(self.map.segments) - before), self.first)

    def _damaged_map(self) -> CoreError:
        return CoreError(
            "corrupt", self.map_at, f"the map of the sparse file at byte {self.map_at} is damaged"
        )

    def _open_data(self, size: int) -> None:
        self.state, self.left, self.want = "data", size, size
        if not size:
            self._data_ended()

    def _data_ended(self) -> None:
        if self.member is not None:
            self.count += 1
            if self.keep:
                self.members.append(self.member)
            self.member = self.first = None
        self._open_padding(self.want)

    def _open_padding(self, size: int) -> None:
        self.state, self.left = "padding", -size % BLOCK
        if not self.left:
            self._await_header()
