"""One round of decompression: a sequence of frames, until the input ends.

A decoder decompresses one frame. `Frames` decompresses a sequence of them, and checks the bytes
between frames.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from typing import Protocol

from towline.core.compression import LONGEST_MAGIC, MAGIC
from towline.core.failure import CoreError
from towline.core.twin.streams import SLICE, Stop, Stream, drain
from towline.core.twin.zstd import ZstdFrame

__all__ = ["Frames"]

# The memory limit of the xz decoder; data of `xz -9` needs 65 MiB.
XZ_MEMORY = 256 << 20


class Decoder(Protocol):
    """Decompresses one frame.

    Attributes:
        hungry: whether the next step needs input.
        ended: whether the frame is complete, including its check value.
        unused: the input after the end.
    """

    hungry: bool
    ended: bool
    unused: bytes

    def step(self, data: bytes) -> bytes: ...


class GzipFrame:
    """A gzip member."""

    def __init__(self) -> None:
        self.inner = zlib.decompressobj(wbits=31)
        self.hungry = True
        self.ended = False
        self.unused = b""

    def step(self, data: bytes) -> bytes:
        try:
            out = self.inner.decompress(self.inner.unconsumed_tail + data, SLICE)
        except zlib.error as error:
            raise CoreError("corrupt", 0, "damaged gzip data") from error
        self.hungry = not self.inner.unconsumed_tail and len(out) < SLICE
        self.ended, self.unused = self.inner.eof, self.inner.unused_data
        return out


class Bzip2Frame:
    """A bzip2 stream."""

    def __init__(self) -> None:
        self.inner = bz2.BZ2Decompressor()
        self.hungry = True
        self.ended = False
        self.unused = b""

    def step(self, data: bytes) -> bytes:
        try:
            out = self.inner.decompress(data, SLICE)
        except OSError as error:
            raise CoreError("corrupt", 0, "damaged bzip2 data") from error
        self.hungry = self.inner.needs_input and len(out) < SLICE
        self.ended, self.unused = self.inner.eof, self.inner.unused_data
        return out


class XzFrame:
    """An xz stream."""

    def __init__(self) -> None:
        self.inner = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
        self.hungry = True
        self.ended = False
        self.unused = b""

    def step(self, data: bytes) -> bytes:
        try:
            out = self.inner.decompress(data, SLICE)
        except lzma.LZMAError as error:
            if str(error) == "Memory usage limit exceeded":  # it has no code of its own
                raise CoreError(
                    "unsupported", 0, f"an xz stream that needs more than {XZ_MEMORY} bytes"
                ) from error
            raise CoreError("corrupt", 0, "damaged xz data") from error
        self.hungry = self.inner.needs_input and len(out) < SLICE
        self.ended, self.unused = self.inner.eof, self.inner.unused_data
        return out


DECODERS: dict[str, type[Decoder]] = {
    "gzip": GzipFrame,
    "bzip2": Bzip2Frame,
    "xz": XzFrame,
    "zstd": ZstdFrame,
}

# What a frame counts against the limit, for the time that it takes to make its decoder.
FRAME_COST = {"gzip": 1, "bzip2": 64, "xz": 4, "zstd": 1}


class Frames:
    """The decompressed form of a stream.

    Attributes:
        verified: the number of bytes that came from complete and valid frames.
        failed: whether the error was found here, not in an outer round.
        cost: what the frames up to now count against the limit.
    """

    def __init__(self, source: Stream, form: str, max_frames: int, stop: Stop) -> None:
        self.source = source
        self.form = form
        self.max_cost = max_frames
        self.stop = stop
        self.cost = 0
        self.decoder: Decoder | None = None
        self.input = b""  # read, and not yet passed to a decoder
        self.taken = 0  # bytes read from the source
        self.frame = 0  # offset of the present frame
        self.given = 0
        self.verified = 0
        self.failed = False

    def next_slice(self) -> bytes:
        """The next decompressed bytes, none at the end."""
        while True:
            self.stop.check(self.taken - len(self.input))
            if self.decoder is None and not self._open_frame():
                return b""
            out = self._step()
            if out:
                return out

    def _step(self) -> bytes:
        decoder = self.decoder
        assert decoder is not None
        data = b""
        if decoder.hungry:
            data = self.input or self._more()
            self.input = b""
            if not data:
                raise self._failure("truncated", self.frame, f"{self.form} data is cut short")
        try:
            out = decoder.step(data)
        except CoreError as failure:
            raise self._failure(failure.code, self.frame, failure.detail) from failure
        self.given += len(out)
        if decoder.ended:
            self.input = decoder.unused
            self.verified = self.given
            self.decoder = None
        return out

    def _more(self) -> bytes:
        piece = self.source.next_slice()
        self.taken += len(piece)
        return piece

    def _peek(self) -> bytes:
        """The next input, as many bytes as the longest magic or all that are left."""
        while len(self.input) < LONGEST_MAGIC:
            piece = self._more()
            if not piece:
                break
            self.input += piece
        return self.input

    def _open_frame(self) -> bool:
        if self.form == "xz" and self.taken:
            self._skip_padding()
        head = self._peek()
        self.frame = self.taken - len(head)
        if not head:
            return False
        magic = MAGIC[self.form]
        skippable = False
        if self.form == "zstd":  # 0x184D2A50 to 0x184D2A5F, little-endian
            skippable = 0x50 <= head[0] <= 0x5F and b"\x2a\x4d\x18".startswith(head[1:4])
        if not skippable and not head.startswith(magic[: len(head)]):
            raise self._failure(
                "corrupt", self.frame, f"bytes after the end of the {self.form} data"
            )
        if len(head) < len(magic):
            raise self._failure("truncated", self.frame, f"{self.form} data is cut short")
        if self.cost + FRAME_COST[self.form] > self.max_cost:
            detail = f"too many {self.form} frames, in the frame at byte {self.frame}"
            raise CoreError("limit_frames", self.frame, detail)
        self.cost += FRAME_COST[self.form]
        self.decoder = DECODERS[self.form]()
        return True

    def _skip_padding(self) -> None:
        """Skip the zero bytes between xz streams, which must be a multiple of four."""
        start = self.taken - len(self.input)
        while True:
            self.input = self.input.lstrip(b"\0")
            if self.input:
                break
            self.input = self._more()
            if not self.input:
                break
        if (self.taken - len(self.input) - start) % 4:
            raise self._failure("corrupt", start, "xz padding is not a multiple of four bytes")

    def _failure(self, code: str, offset: int, detail: str) -> CoreError:
        """An error of this round; an error of the source is raised instead."""
        drain(self.source)
        self.failed = True
        return CoreError(code, offset, f"{detail}, in the frame at byte {offset}")
