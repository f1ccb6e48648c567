"""Layers as gzip files, written and hashed in one pass."""

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

from benchmarks.workloads.content import PIECE, Piece, append_crc, pack, pieces

__all__ = ["Layer", "compressed_in_order", "file_tar", "sized_layer", "small_files", "write_layer"]

_START = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # gzip, no name, no time
_LAST = b"\x03\x00"  # an empty final block
_END = bytes(2 * tarfile.BLOCKSIZE)
_PER_FILE = 8  # pieces
_PER_FOLDER = 100  # files


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer that is stored as a blob.

    Attributes:
        digest: of the gzip file, in hex.
        size: of the gzip file, in bytes.
        diff_id: the digest of the tar, in hex.
        tar_size: of the tar, in bytes.
    """

    digest: str
    size: int
    diff_id: str
    tar_size: int


def write_layer(blobs: Path, content: Iterable[Piece], name: str) -> Layer:
    """Write a layer to the blobs; `name` is part of the name of the temporary file."""
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
            crc = append_crc(crc, piece)
            tar_size += len(piece.plain)
        put(_LAST + crc.to_bytes(4, "little") + (tar_size & 0xFFFFFFFF).to_bytes(4, "little"))
        size = output.tell()
    partial.rename(blobs / stored.hexdigest())
    return Layer(stored.hexdigest(), size, tar.hexdigest(), tar_size)


def sized_layer(seed: str, size: int) -> Iterator[Piece]:
    """A tar of files of 8 MiB with about `size` bytes after compression."""
    draw, number = random.Random(seed), 0
    while size > 0:
        chosen: list[Piece] = []
        while size > 0 and len(chosen) < _PER_FILE:
            piece = draw.choice(pieces())
            if len(piece.packed) > size:  # the last piece is cut to the remaining size
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
    draw, buffer = random.Random(seed), bytearray()
    sources = [piece.plain for piece in pieces()]
    for number in range(count):
        folder = f"usr/share/{seed}/{number // _PER_FOLDER}"
        if number % _PER_FOLDER == 0:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            buffer += entry.tobuf(tarfile.GNU_FORMAT)
        entry = tarfile.TarInfo(f"{folder}/{number}.txt")
        entry.size = min(int(draw.lognormvariate(7.3, 1.0)), 1 << 16)
        begin = draw.randrange(PIECE - entry.size)
        buffer += entry.tobuf(tarfile.GNU_FORMAT)
        buffer += draw.choice(sources)[begin : begin + entry.size]
        buffer += bytes(-entry.size % tarfile.BLOCKSIZE)
        if len(buffer) >= PIECE:
            yield bytes(buffer)
            buffer.clear()
    yield bytes(buffer) + _END


def file_tar(paths: Iterable[Path]) -> Iterator[bytes]:
    """A tar of real files, in pieces of 1 MiB."""
    buffer = bytearray()
    writing = tarfile.TarFile(os.devnull, "w", format=tarfile.GNU_FORMAT)
    with writing:
        for path in paths:
            try:
                entry = writing.gettarinfo(path)
                entry.type, entry.linkname = tarfile.REGTYPE, ""  # a hard link becomes a file
                data = path.read_bytes()
            except OSError:  # it was removed, or is not readable
                continue
            entry.size = len(data)
            buffer += entry.tobuf(tarfile.GNU_FORMAT)
            buffer += data
            buffer += bytes(-len(data) % tarfile.BLOCKSIZE)
            while len(buffer) >= PIECE:
                yield bytes(buffer[:PIECE])
                del buffer[:PIECE]
    yield bytes(buffer) + _END


def compressed_in_order(plain: Iterable[bytes], level: int) -> Iterator[Piece]:
    """Compress pieces on all cores, and yield them in order."""
    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as pool:
        waiting: deque[Future[Piece]] = deque()
        for data in plain:
            waiting.append(pool.submit(pack, data, level))
            if len(waiting) > 4 * cores:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
