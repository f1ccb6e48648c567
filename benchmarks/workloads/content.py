"""Bytes from a seed that compress like those of real layers.

A layer of gigabytes is put together from pieces of 1 MiB that were compressed once.  Each ends in a
full flush, so that any sequence of them is one gzip stream; a decoder has the same work as ever,
since its window is 32 KiB and a piece comes again after some 20 others.
"""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass
from functools import cache

__all__ = ["PIECE", "Piece", "joined", "pack", "pieces"]

PIECE = 1 << 20
_COUNT = 24
_WORDS, _RECORDS = 1_500, 3_000


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of a tar, and the same as part of a deflate stream."""

    plain: bytes
    packed: bytes
    crc: int


def pack(plain: bytes, level: int = 6) -> Piece:
    """Compress some bytes so that they can stand anywhere in a deflate stream."""
    deflate = zlib.compressobj(level, zlib.DEFLATED, -15, 9)
    packed = deflate.compress(plain) + deflate.flush(zlib.Z_FULL_FLUSH)
    return Piece(plain, packed, zlib.crc32(plain))


def joined(crc: int, piece: Piece) -> int:
    """The CRC-32 of what has `crc`, and then the piece; without reading the piece again."""
    if len(piece.plain) != PIECE:
        return zlib.crc32(piece.plain, crc)
    # CRC-32 over zeros is linear in the start value: each of its bits has its own share.
    moved = piece.crc
    for share in _shares():
        if crc & 1:
            moved ^= share
        crc >>= 1
    return moved


@cache
def _shares() -> tuple[int, ...]:
    zeros = bytes(PIECE)
    none = zlib.crc32(zeros)
    return tuple(zlib.crc32(zeros, 1 << bit) ^ none for bit in range(32))


@cache
def pieces() -> tuple[Piece, ...]:
    """Like text and like programs in turn, and one in twelve that compresses no further."""
    draw = random.Random("towline")
    words = [
        bytes(draw.choices(b"abcdefghijklmnopqrstuvwxyz_/.", k=draw.randint(2, 11)))
        for _ in range(_WORDS)
    ]
    records = [draw.randbytes(draw.randint(4, 24)) for _ in range(_RECORDS)]
    made = []
    for number in range(_COUNT):
        if number % 12 == 11:
            plain = draw.randbytes(PIECE)
        elif number % 2:
            plain = b" ".join(draw.choices(words, _rank(_WORDS), k=PIECE // 6))
        else:
            plain = b"".join(draw.choices(records, _rank(_RECORDS), k=PIECE // 11))
        made.append(pack(plain[:PIECE]))
    return tuple(made)


@cache
def _rank(count: int) -> list[float]:
    return [1 / (place + 1) for place in range(count)]
