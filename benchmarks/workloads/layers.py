"""Layers as gzip files, written in one pass and hashed on the way."""

from __future__ import annotations

import hashlib
import os
import random
import tarfile
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.workloads.content import PIECE, Piece, joined, pack, pieces

__all__ = ["Layer", "file_layer", "packed_in_turn", "sized_layer", "small_files", "write_layer"]

_START = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # gzip, no name, no time
_LAST = b"\x03\x00"  # an empty block that says it is the last
_END = bytes(2 * tarfile.BLOCKSIZE)
_PER_FILE = 8  # pieces
_PER_FOLDER = 100  # files


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer that lies among the blobs.

    Attributes:
        digest: hex, of the gzip file.
        size: bytes of it.
        diff_id: hex, of the tar.
        tar_size: bytes of that.
    """

    digest: str
    size: int
    diff_id: str
    tar_size: int


def write_layer(blobs: Path, content: Iterable[Piece], name: str) -> Layer:
    """Write a layer below its digest; `name` is its own while it grows."""
    stored, tar, crc, tar_size = hashlib.sha256(), hashlib.sha256(), 0, 0
    partial = blobs / f"{name}.partial"
    with partial.open("wb") as output:

        def put(data: bytes) -> None:
            output.write(data)
            stored.update(data)

        put(_START)
        for piece in content:
            put(piece.packed)
            tar.update(piece.plain)
            crc = joined(crc, piece)
            tar_size += len(piece.plain)
        put(_LAST + crc.to_bytes(4, "little") + (tar_size & 0xFFFFFFFF).to_bytes(4, "little"))
        size = output.tell()
    partial.rename(blobs / stored.hexdigest())
    return Layer(stored.hexdigest(), size, tar.hexdigest(), tar_size)


def sized_layer(seed: str, size: int) -> Iterator[Piece]:
    """A tar of files of 8 MiB that takes about so many bytes as gzip."""
    draw, number = random.Random(seed), 0
    while size > 0:
        chosen: list[Piece] = []
        while size > 0 and len(chosen) < _PER_FILE:
            piece = draw.choice(pieces())
            if len(piece.packed) > size:  # the last one, cut so that the layer gets its size
                cut = PIECE * size // len(piece.packed) // tarfile.BLOCKSIZE * tarfile.BLOCKSIZE
                piece = pack(piece.plain[:cut])
                size = 0
            chosen.append(piece)
            size -= len(piece.packed)
        entry = tarfile.TarInfo(f"opt/data/{seed}-{number}")
        entry.size = sum(len(each.plain) for each in chosen)
        yield pack(entry.tobuf(tarfile.GNU_FORMAT))
        yield from chosen
        number += 1
    yield pack(_END)


def small_files(seed: str, count: int) -> Iterator[bytes]:
    """A tar of small files, some kilobytes each, in pieces of about 1 MiB."""
    draw, held = random.Random(seed), bytearray()
    sources = [piece.plain for piece in pieces()]
    for number in range(count):
        folder = f"usr/share/{seed}/{number // _PER_FOLDER}"
        if number % _PER_FOLDER == 0:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            held += entry.tobuf(tarfile.GNU_FORMAT)
        entry = tarfile.TarInfo(f"{folder}/{number}.txt")
        entry.size = min(int(draw.lognormvariate(7.3, 1.0)), 1 << 16)
        begin = draw.randrange(PIECE - entry.size)
        held += entry.tobuf(tarfile.GNU_FORMAT)
        held += draw.choice(sources)[begin : begin + entry.size]
        held += bytes(-entry.size % tarfile.BLOCKSIZE)
        if len(held) >= PIECE:
            yield bytes(held)
            held.clear()
    yield bytes(held) + _END


def file_layer(paths: Iterable[Path]) -> Iterator[bytes]:
    """A tar of real files, in pieces of 1 MiB."""
    held = bytearray()
    writing = tarfile.TarFile(os.devnull, "w", format=tarfile.GNU_FORMAT)
    with writing:
        for path in paths:
            try:
                entry = writing.gettarinfo(path)
                entry.type, entry.linkname = tarfile.REGTYPE, ""  # a second name is a file again
                data = path.read_bytes()
            except OSError:  # it went away, or is not ours to read
                continue
            entry.size = len(data)
            held += entry.tobuf(tarfile.GNU_FORMAT)
            held += data
            held += bytes(-len(data) % tarfile.BLOCKSIZE)
            while len(held) >= PIECE:
                yield bytes(held[:PIECE])
                del held[:PIECE]
    yield bytes(held) + _END


def packed_in_turn(plain: Iterable[bytes], level: int) -> Iterator[Piece]:
    """The pieces compressed on all cores, in their order."""
    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as pool:
        waiting: deque[Future[Piece]] = deque()
        for data in plain:
            waiting.append(pool.submit(pack, data, level))
            if len(waiting) > 4 * cores:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
