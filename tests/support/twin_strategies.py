"""Hypothesis strategies for tars: valid and invalid, compressed several times, and damaged."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable, Sequence
from itertools import pairwise

import zstandard
from hypothesis import strategies as st

__all__ = [
    "COMPRESSIONS",
    "SPARSE_FORMS",
    "block",
    "compressed",
    "compressions",
    "damaged",
    "entry",
    "in_pieces",
    "pax",
    "skippable",
    "sparse_content",
    "sparse_entry",
    "sparse_files",
    "tars",
]

END = bytes(1024)


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def zstd_streamed(data: bytes) -> bytes:
    compressor = zstandard.ZstdCompressor(write_checksum=False).compressobj()
    return compressor.compress(data) + compressor.flush()


def skippable(data: bytes) -> bytes:
    return b"\x5a\x2a\x4d\x18" + len(data).to_bytes(4, "little") + data


def xz(data: bytes) -> bytes:
    return lzma.compress(data, preset=0)


def gzip_fast(data: bytes) -> bytes:
    return gzip.compress(data, 1, mtime=0)


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip_fast,
    "bzip2": lambda data: bz2.compress(data, 1),
    "xz": xz,
    "zstd": zstd,
    "zstd-streamed": zstd_streamed,
    "zstd-skippable": lambda data: zstd(data) + skippable(b"some words"),
    "pzstd": lambda data: skippable(b"\0\0\0\0") + zstd(data),
    "zstd-skippables": lambda data: skippable(b"") + skippable(b"x" * 300) + zstd_streamed(data),
    "xz-padded": lambda data: xz(data) + bytes(8),
}


def in_pieces(
    compress: Callable[[bytes], bytes], data: bytes, cuts: Sequence[int], empty: int = 0
) -> bytes:
    """Compress the data between each two cuts as a separate frame, after some empty frames."""
    offsets = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    frames = [compress(data[a:b]) for a, b in pairwise(offsets)]
    return b"".join([frames[0], compress(b"") * empty, *frames[1:]])


def octal(value: int, width: int) -> bytes:
    return b"%0*o\0" % (width - 1, value)


def block(
    name: bytes,
    kind: bytes = b"0",
    size: bytes = octal(0, 12),
    *,
    link: bytes = b"",
    magic: bytes = b"ustar\x0000",
    prefix: bytes = b"",
    tail: bytes = b"",
    signed: bool = False,
) -> bytes:
    """A header block with a correct checksum."""
    head = name[:100].ljust(100, b"\0") + b"0000644\0" + 2 * b"0000000\0"
    head += size.ljust(12, b"\0")[:12] + b"00000000000\0" + b" " * 8 + kind
    head += link[:100].ljust(100, b"\0") + magic.ljust(8, b"\0")[:8]
    head = head.ljust(345, b"\0") + prefix[:155].ljust(155, b"\0") + tail[:12].ljust(12, b"\0")
    total = sum(byte - 256 if signed and byte > 127 else byte for byte in head)
    return head[:148] + b"%06o\0 " % (total % 0o777777) + head[156:]


def entry(name: bytes, data: bytes = b"", kind: bytes = b"0", link: bytes = b"") -> bytes:
    """A header and its data."""
    size = octal(len(data), 12)
    return block(name, kind, size, link=link) + data + bytes(-len(data) % 512)


def pax(**records: bytes) -> bytes:
    """A pax header."""
    return pax_of(list(records.items()))


def pax_of(records: Sequence[tuple[str, bytes]]) -> bytes:
    """A pax header whose records may have the same key."""
    data = b""
    for key, value in records:
        rest = b" %s=%s\n" % (key.encode(), value)
        length = len(rest) + 1
        while len(b"%d" % length) + len(rest) != length:
            length += 1
        data += b"%d" % length + rest
    return entry(b"pax", data, b"x")


def sparse_entry(
    form: str, size: int, segments: Sequence[tuple[int, bytes]], *, name: bytes = b"sparse"
) -> bytes:
    """A sparse file of `size` bytes in a format of GNU tar; segments are offsets and bytes."""
    stored = b"".join(data for _, data in segments)
    pairs = [(offset, len(data)) for offset, data in segments]
    if form == "old":
        return old_sparse_entry(name, size, pairs, stored)
    records: list[tuple[str, bytes]] = [("GNU.sparse.name", name)]
    if form == "1.0":
        records += [("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0")]
        records += [("GNU.sparse.realsize", b"%d" % size)]
        lines = b"%d\n" % len(pairs) + b"".join(b"%d\n%d\n" % pair for pair in pairs)
        return pax_of(records) + entry(
            b"GNUSparseFile.0/x", lines + bytes(-len(lines) % 512) + stored
        )
    records += [("GNU.sparse.size", b"%d" % size), ("GNU.sparse.numblocks", b"%d" % len(pairs))]
    if form == "0.1":
        records += [("GNU.sparse.map", b",".join(b"%d,%d" % pair for pair in pairs))]
    else:
        for offset, count in pairs:
            records += [("GNU.sparse.offset", b"%d" % offset)]
            records += [("GNU.sparse.numbytes", b"%d" % count)]
    return pax_of(records) + entry(b"GNUSparseFile.0/x", stored)


def old_sparse_entry(
    name: bytes, size: int, pairs: Sequence[tuple[int, int]], stored: bytes
) -> bytes:
    fields = [octal(offset, 12) + octal(count, 12) for offset, count in pairs]
    head = bytearray(block(name, b"S", octal(len(stored), 12), magic=b"ustar  \0"))
    head[386:482] = b"".join(fields[:4]).ljust(96, b"\0")
    blocks = [fields[at : at + 21] for at in range(4, len(fields), 21)]
    head[482:495] = bytes([bool(blocks)]) + octal(size, 12)
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    more = b"".join(
        b"".join(each).ljust(504, b"\0") + bytes([at + 1 < len(blocks)]) + bytes(7)
        for at, each in enumerate(blocks)
    )
    return bytes(head) + more + stored + bytes(-len(stored) % 512)


SPARSE_FORMS = ("old", "0.0", "0.1", "1.0")


def sparse_content(size: int, segments: Sequence[tuple[int, bytes]]) -> bytes:
    """The content of a sparse file with its holes."""
    content = bytearray(size)
    for offset, data in segments:
        content[offset : offset + len(data)] = data
    return bytes(content)


@st.composite
def sparse_files(draw: st.DrawFn) -> tuple[int, list[tuple[int, bytes]]]:
    """The size and the segments of a sparse file; the end may be a segment without bytes."""
    segments, end = [], 0
    for hole, data in draw(st.lists(st.tuples(holes, st.binary(max_size=40)), max_size=30)):
        segments.append((end + hole, data))
        end += hole + len(data)
    size = end + draw(st.one_of(holes, st.just(200_000)))
    at_end = [(size, b"")]  # a map in format 0.0 has at least one segment
    return size, segments + at_end * draw(st.integers(0 if segments else 1, 1))


holes = st.one_of(st.integers(0, 5), st.integers(0, 3000))
sparse_entries = st.builds(
    lambda form, file, change: sparse_entry(form, file[0] + change, file[1]),
    st.sampled_from(SPARSE_FORMS),
    sparse_files(),
    st.sampled_from([0, 0, 0, 0, 1, -1, 1 << 20, 1 << 32]),
)

names = st.one_of(
    st.sampled_from([b"a", b"d/", b"dir/file", b"", b"n" * 100, b"\xff\xe9", b"x\0y"]),
    st.binary(max_size=110),
)
contents = st.one_of(
    st.sampled_from([b"", b"x", b"y" * 511, b"z" * 512, b"w" * 513, b"v" * 5000, b"u" * 300_000]),
    st.binary(max_size=700),
    st.builds(
        lambda data, name: COMPRESSIONS[name](data),
        st.binary(max_size=600),
        st.sampled_from(sorted(COMPRESSIONS)),
    ),
)
kinds = st.sampled_from(
    [b"0", b"0", b"0", b"\0", *(b"%d" % at for at in range(8)), b"S", b"V", b"\xfe"]
)
sizes = st.one_of(
    st.sampled_from(
        [
            b"",
            b"        17 \0",
            b"00000000018\0",
            b"-0000000001\0",
            b"\x80" + bytes(9) + b"\x02\x58",
            b"\xff" * 12,
            b"\x80\0\0\0\x7f" + b"\xff" * 7,
            b"777777777777",
        ]
    ),
    st.binary(min_size=12, max_size=12),
    st.integers(0, 3000).map(lambda size: octal(size, 12)),
)
magics = st.sampled_from([b"ustar\x0000", b"ustar  \0", b"", b"ustar\0"])

plain_entries = st.builds(entry, names, contents, kinds, names)
odd_headers = st.builds(
    block,
    names,
    kinds,
    sizes,
    link=names,
    magic=magics,
    prefix=st.sampled_from([b"", b"pre/fix", b"p" * 155]),
    tail=st.sampled_from([b"", b"tar\0".rjust(12, b"\0")]),
    signed=st.booleans(),
)
long_names = st.builds(
    lambda name, kind, nul: entry(b"././@LongLink", name + nul, kind),
    st.binary(max_size=800),
    st.sampled_from([b"L", b"K"]),
    st.sampled_from([b"", b"\0", b"\0\0more"]),
)
pax_values = st.one_of(
    st.sampled_from(
        [
            b"",
            b"0",
            b"1",
            b"7",
            b"0,7",
            b"3,4,7,0",
            b"600",
            b"-1",
            b"9223372036854775807",
            b"99999999999999999999",
        ]
    ),
    st.binary(max_size=200),
)
sparse_keys = st.sampled_from(
    ["name", "major", "minor", "realsize", "size", "map", "offset", "numbytes", "numblocks"]
).map("GNU.sparse.".__add__)
pax_headers = st.one_of(
    st.builds(
        lambda records: pax(**records),
        st.dictionaries(st.sampled_from(["path", "linkpath", "size", "atime", "a.b"]), pax_values),
    ),
    st.builds(pax_of, st.lists(st.tuples(sparse_keys, pax_values), max_size=7)),
    st.builds(lambda data: entry(b"pax", data, b"x"), st.binary(max_size=60)),
    st.builds(lambda data: entry(b"pax", data, b"g"), st.binary(max_size=600)),
)
parts = st.one_of(
    plain_entries,
    plain_entries,
    plain_entries,
    long_names,
    pax_headers,
    sparse_entries,
    odd_headers,
    st.sampled_from([bytes(512), b"j" * 512]),
)
ends = st.sampled_from([END, END, END + bytes(9000), b"", bytes(512), END + b"junk", bytes(700)])


def tars() -> st.SearchStrategy[bytes]:
    """Tars, valid and invalid."""
    return st.one_of(
        st.builds(
            lambda blocks, end: b"".join(blocks) + end,
            st.lists(st.one_of(plain_entries, sparse_entries), max_size=6),
            ends,
        ),
        st.builds(lambda blocks, end: b"".join(blocks) + end, st.lists(parts, max_size=8), ends),
    )


def compressions() -> st.SearchStrategy[Callable[[bytes], bytes]]:
    """A compression: as a whole, or in several frames."""
    return st.builds(
        lambda name, cuts, empty: lambda data: in_pieces(COMPRESSIONS[name], data, cuts, empty),
        st.sampled_from(sorted(COMPRESSIONS)),
        st.lists(st.integers(0, 1 << 20), max_size=3),
        st.one_of(st.just(0), st.integers(0, 60)),
    )


def compressed(most: int = 3) -> st.SearchStrategy[bytes]:
    """Tars, compressed up to `most` times."""

    def apply(tar: bytes, ways: list[Callable[[bytes], bytes]]) -> bytes:
        for way in ways:
            tar = way(tar)
        return tar

    return st.builds(apply, tars(), st.lists(compressions(), max_size=most))


def damaged(whole: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Data that is truncated, changed in a few bits, or followed by other bytes."""
    offsets = st.one_of(st.integers(0, 1 << 20), st.integers(-600, -1))

    def cut(data: bytes, offset: int) -> bytes:
        return data[: offset % (len(data) + 1)]

    def flip(data: bytes, changes: list[tuple[int, int]]) -> bytes:
        changed = bytearray(data or b"\0")
        for offset, value in changes:
            changed[offset % len(changed)] ^= value
        return bytes(changed)

    bits = st.lists(st.tuples(offsets, st.integers(1, 255)), min_size=1, max_size=3)
    more = st.sampled_from(
        [b"\0", bytes(4), bytes(5), b"\x1f", b"\x1f\x8b", b"BZ", b"junk", b"\x28"]
    )
    return st.one_of(
        st.builds(cut, whole, offsets),
        st.builds(flip, whole, bits),
        st.builds(bytes.__add__, whole, more),
    )
