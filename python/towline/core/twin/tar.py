"""Strict parsing of tar headers, which are blocks of 512 bytes.

Supports the old format, ustar, GNU long names, sparse files, and the pax records ``path``,
``linkpath``, ``size`` and those of sparse files. Global pax headers are skipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

__all__ = [
    "BLOCK",
    "LARGEST_EXTENSION",
    "LARGEST_OFFSET",
    "WITHOUT_DATA",
    "ZEROS",
    "Member",
    "decimal",
    "header_names",
    "number",
    "octal",
    "pax_records",
]

BLOCK = 512
ZEROS = bytes(BLOCK)

# An extended header is read into memory, so its size is limited.
LARGEST_EXTENSION = 1 << 20
LARGEST_OFFSET = (1 << 63) - 1

SPARSE_RECORDS = frozenset(
    b"GNU.sparse." + key for key in (b"name", b"major", b"minor", b"size", b"realsize", b"map")
)

# Links, devices, directories and fifos have no data, even if their size field is not zero.
WITHOUT_DATA = frozenset("123456")


@final
@dataclass(frozen=True, slots=True)
class Member:
    """One member of a tar.

    Attributes:
        name, linkname: as stored, with extensions applied.
        type: the type flag; NUL of the old format becomes ``0``, or ``5`` if the name ends in a
            slash.
        size: the size of the data, in bytes; that of a sparse file includes its holes.
        offset: the offset of the data in the decompressed tar; that of a sparse file is after the
            end of any tar, where its content can be read with the holes filled.
        header: the offset of the first header block, extensions included.
    """

    name: bytes
    linkname: bytes
    type: str
    size: int
    offset: int
    header: int


def octal(field: bytes) -> int | None:
    """Parse octal digits between spaces and NULs; no digits are 0; None if invalid."""
    digits = field.strip(b" \0").partition(b"\0")[0]
    if not digits:
        return 0
    return int(digits, 8) if not digits.strip(b"01234567") else None


def number(field: bytes) -> int | None:
    """Parse octal digits, or a base-256 number that is not negative; None if invalid."""
    if not field[0] & 0x80:
        return octal(field)
    value = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    return value if not field[0] & 0x40 and value <= LARGEST_OFFSET else None


def decimal(text: bytes) -> int | None:
    """Parse decimal digits; None if invalid or too large."""
    if not text or text.strip(b"0123456789") or len(text) > 19:
        return None
    value = int(text)
    return value if value <= LARGEST_OFFSET else None


def header_names(block: bytes) -> tuple[bytes, bytes]:
    """Return the name and link name of a header block, without extensions."""
    name = block[:100].partition(b"\0")[0]
    link = block[157:257].partition(b"\0")[0]
    if block[257:263] == b"ustar\0":
        # In the format of star, times follow a shorter prefix.
        end = 476 if block[508:512] == b"tar\0" else 500
        prefix = block[345:end].partition(b"\0")[0]
        if prefix:
            name = prefix + b"/" + name
    return name, link


def pax_records(data: bytes) -> dict[str, bytes] | None:
    """Parse the supported records of a pax header; None if it is not well-formed.

    A record is ``LENGTH KEY=VALUE`` and a newline; LENGTH is the length of the whole record.
    """
    records: dict[str, bytes] = {}
    start, after_offset = 0, False
    while start < len(data):
        length, space, _ = data[start : start + 20].partition(b" ")
        size = decimal(length)
        if size is None or not space or not len(length) + 1 < size <= len(data) - start:
            return None
        record, start = data[start + len(length) + 1 : start + size], start + size
        key, equals, value = record[:-1].partition(b"=")
        if record[-1:] != b"\n" or not equals or not key:
            return None
        if key in (b"path", b"linkpath", b"size"):
            if b"\0" in value:
                return None
            records[key.decode()] = value
        elif key in SPARSE_RECORDS:
            records[key.decode()] = value
        elif key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
            # Format 0.0 repeats these two, which are joined to the map of format 0.1.
            in_order = (key == b"GNU.sparse.numbytes") == after_offset
            after_offset = not after_offset
            joined = [records["GNU.sparse.map"]] if "GNU.sparse.map" in records else []
            records["GNU.sparse.map"] = b",".join([*joined, value if in_order else b"?"])
    return records
