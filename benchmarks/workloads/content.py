"""Bytes generated from a seed that compress like real layers.

A layer of gigabytes is composed of pieces of 1 MiB that were compressed once.  Each piece ends in a
full flush, so that any sequence of pieces is one gzip stream.  A decoder has the usual amount of
work, because its window is 32 KiB and a piece is repeated only after about 20 others.
"""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass
from functools import cache

__all__ = ["PIECE", "Piece", "append_crc", "pack", "pieces"]

PIECE = 1 << 20
_COUNT = 24
_WORDS, _RECORDS = 1_500, 3_000


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a tar, plain and as part of a deflate stream."""

    plain: bytes
    packed: bytes
    crc: int


def pack(plain: bytes, level: int = 6) -> Piece:
    """Compress bytes so that they can be placed anywhere in a deflate stream."""
    deflate = zlib.compressobj(level, zlib.DEFLATED, -15, 9)
    packed = deflate.compress(plain) + deflate.flush(zlib.Z_FULL_FLUSH)
    return Piece(plain, packed, zlib.crc32(plain))


def append_crc(crc: int, piece: Piece) -> int:
    """The CRC-32 of data with the CRC `crc` followed by a piece, computed from the piece's CRC."""
    if len(piece.plain) != PIECE:
        return zlib.crc32(piece.plain, crc)
    # The CRC-32 of zeros is linear in the start value, so the effect of each bit is added.
    combined = piece.crc
    for effect in _bit_effects():
        if crc & 1:
            combined ^= effect
        crc >>= 1
    return combined


@cache
def _bit_effects() -> tuple[int, ...]:
    zeros = bytes(PIECE)
    none = zlib.crc32(zeros)
    return tuple(zlib.crc32(zeros, 1 << bit) ^ none for bit in range(32))


@cache
def pieces() -> tuple[Piece, ...]:
    """Pieces that compress alternately like text and like programs; one in twelve is random."""
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
            plain = b" ".join(draw.choices(words, _weights(_WORDS), k=PIECE // 6))
        else:
            plain = b"".join(draw.choices(records, _weights(_RECORDS), k=PIECE // 11))
        made.append(pack(plain[:PIECE]))
    return tuple(made)


@cache
def _weights(count: int) -> list[float]:
    return [1 / (rank + 1) for rank in range(count)]
