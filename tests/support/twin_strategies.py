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
    "block",
    "compressed",
    "compressions",
    "damaged",
    "entry",
    "in_pieces",
    "pax",
    "skippable",
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
    data = b""
    for key, value in records.items():
        rest = b" %s=%s\n" % (key.encode(), value)
        length = len(rest) + 1
        while len(b"%d" % length) + len(rest) != length:
            length += 1
        data += b"%d" % length + rest
    return entry(b"pax", data, b"x")


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
    st.sampled_from([b"", b"7", b"600", b"-1", b"9223372036854775807", b"99999999999999999999"]),
    st.binary(max_size=200),
)
pax_headers = st.one_of(
    st.builds(
        lambda records: pax(**records),
        st.dictionaries(st.sampled_from(["path", "linkpath", "size", "atime", "a.b"]), pax_values),
    ),
    st.builds(lambda data: entry(b"pax", data, b"x"), st.binary(max_size=60)),
    st.builds(lambda data: entry(b"pax", data, b"g"), st.binary(max_size=600)),
)
parts = st.one_of(
    plain_entries,
    plain_entries,
    plain_entries,
    long_names,
    pax_headers,
    odd_headers,
    st.sampled_from([bytes(512), b"j" * 512]),
)
ends = st.sampled_from([END, END, END + bytes(9000), b"", bytes(512), END + b"junk", bytes(700)])


def tars() -> st.SearchStrategy[bytes]:
    """Tars, valid and invalid."""
    return st.one_of(
        st.builds(
            lambda blocks, end: b"".join(blocks) + end, st.lists(plain_entries, max_size=6), ends
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
