"""Sparse files: their maps, and their content with the holes filled.

The map of a file lists the segments that are stored, one after another, in the tar. GNU tar has
four formats: the map is in the header and in blocks after it (the old format), in pax records (0.0
and 0.1), or before the data (1.0).
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from towline.core.twin.streams import SLICE, Stream
from towline.core.twin.tar import decimal, number

__all__ = [
    "FIRST_EXPANDED",
    "SEGMENT_COST",
    "ExpandedStream",
    "MapError",
    "SparseFile",
    "SparseFiles",
    "SparseMap",
    "map_in_header",
    "map_in_records",
    "map_is_before_data",
]

# What each segment counts in addition to the names in an index.
SEGMENT_COST = 16

# The content of sparse files has offsets after the end of any tar.
FIRST_EXPANDED = 1 << 63
DISTANCE = 512
LARGEST = (1 << 64) - 1

FIELD = 12
LONGEST_NUMBER = 19  # digits


class MapError(Exception):
    """The map of a sparse file is damaged."""


class SparseMap:
    """The map of a sparse file.

    Attributes:
        size: of the file with its holes.
        segments: offset and size of each.
        stored: the sum of their sizes.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.segments: list[tuple[int, int]] = []
        self.stored = 0
        self._end = 0
        self._line = b""
        self._left: int | None = None  # segments of a map before the data
        self._offset: int | None = None  # of a segment whose size is not read yet

    def push(self, offset: int | None, size: int | None) -> None:
        """Append a segment; it must be after the previous one, and in the file."""
        if offset is None or size is None or offset < self._end or offset + size > self.size:
            raise MapError
        self._end = offset + size
        self.stored += size
        self.segments.append((offset, size))

    def read_fields(self, fields: bytes) -> None:
        """Read the segments of the old format, up to an empty one."""
        for at in range(0, len(fields), 2 * FIELD):
            if not fields[at]:
                break
            self.push(number(fields[at : at + FIELD]), number(fields[at + FIELD : at + 2 * FIELD]))

    def read_list(self, text: bytes) -> None:
        """Read the map of a pax record: numbers with commas between them."""
        numbers = [decimal(each) for each in text.split(b",")] if text else []
        if len(numbers) % 2:
            raise MapError
        for at in range(0, len(numbers), 2):
            self.push(numbers[at], numbers[at + 1])

    def read_block(self, block: bytes) -> bool:
        """Read a block of the map before the data; return whether the map ends in it.

        The map is the number of segments, and the offset and size of each, in lines.
        """
        *lines, rest = (self._line + block).split(b"\n")
        for line in lines:
            value = decimal(line)
            if value is None:
                raise MapError
            if self._left is None:
                self._left = value
            elif self._offset is None:
                self._offset = value
            else:
                self.push(self._offset, value)
                self._left, self._offset = self._left - 1, None
            if self._left == 0:
                return True
        if len(rest) > LONGEST_NUMBER:
            raise MapError
        self._line = rest
        return False


def map_in_header(block: bytes) -> SparseMap:
    """Return the map in a header block of the old format."""
    size = number(block[483:495])
    if size is None:
        raise MapError
    found = SparseMap(size)
    found.read_fields(block[386:482])
    return found


def map_is_before_data(records: dict[str, bytes]) -> bool:
    """Whether pax records are those of format 1.0."""
    return records.get("GNU.sparse.major") == b"1" and records.get("GNU.sparse.minor") == b"0"


def map_in_records(records: dict[str, bytes]) -> SparseMap:
    """Return the map in pax records; it is empty if it is before the data."""
    size = decimal(records.get("GNU.sparse.realsize") or records.get("GNU.sparse.size", b""))
    if size is None:
        raise MapError
    found = SparseMap(size)
    if not map_is_before_data(records):
        found.read_list(records["GNU.sparse.map"])
    return found


@dataclass(frozen=True, slots=True)
class SparseFile:
    """A sparse file of an archive.

    Attributes:
        start: offset of the content with its holes.
        data: offset of the stored data in the tar.
        map: its map.
    """

    start: int
    data: int
    map: SparseMap

    def parts(self, start: int, end: int) -> tuple[int, int, list[tuple[bool, int]]]:
        """Return offset and size of the stored data of a range, and its parts.

        A part is whether it is stored, and its size.
        """
        parts: list[tuple[bool, int]] = []
        position, stored = start, self.data
        data, count = self.data, 0
        for offset, size in self.map.segments:
            low, high = max(offset, start), min(offset + size, end)
            if low < high:
                if not count:
                    data = stored + low - offset
                count += high - low
                if low > position:
                    parts.append((False, low - position))
                parts.append((True, high - low))
                position = high
            stored += size
        if position < end:
            parts.append((False, end - position))
        return data, count, parts


class SparseFiles:
    """The sparse files of an archive."""

    def __init__(self) -> None:
        self._files: list[SparseFile] = []
        self._starts: list[int] = []

    def add(self, data: int, found: SparseMap) -> int | None:
        """Add a file whose data begins at `data`; return the offset of its content."""
        start = FIRST_EXPANDED
        if self._files:
            start = self._files[-1].start + self._files[-1].map.size + DISTANCE
        if start + found.size > LARGEST:
            return None
        self._files.append(SparseFile(start, data, found))
        self._starts.append(start)
        return start

    def at(self, offset: int) -> SparseFile | None:
        """Return the file whose content begins at an offset or before."""
        found = bisect_right(self._starts, offset)
        return self._files[found - 1] if found else None

    def end_of_data(self, offset: int, size: int) -> int:
        """Return the end of a range in the tar; of a sparse file, the end of its data."""
        found = self.at(offset)
        return offset + size if found is None else found.data + found.map.stored


class ExpandedStream:
    """A range of a sparse file; its source is a stream of the data of the range."""

    def __init__(self, source: Stream, parts: list[tuple[bool, int]]) -> None:
        self.source = source
        self.parts = parts[::-1]
        self.stored = b""

    def next_slice(self) -> bytes:
        """The next bytes, none at the end."""
        if not self.parts:
            return b""
        is_stored, left = self.parts.pop()
        if is_stored:
            self.stored = self.stored or self.source.next_slice()
            piece, self.stored = self.stored[:left], self.stored[left:]
        else:
            piece = bytes(min(left, SLICE))
        if left > len(piece):
            self.parts.append((is_stored, left - len(piece)))
        return piece
