"""One zstd frame, passed to the decoder block by block.

The structure of the frame is parsed here (RFC 8878, section 3.1) to find its end and to limit the
output of a step.
"""

from __future__ import annotations

import zstandard

from towline.core.failure import CoreError

__all__ = ["ZstdFrame"]

# The largest window that the zstd tool accepts without an option.
LARGEST_WINDOW = 128 << 20

SKIPPABLE_HEADER = 8
BLOCK_HEADER = 3
CHECKSUM = 4
RLE = 1


class ZstdFrame:
    """A zstd frame, or a skippable one."""

    def __init__(self) -> None:
        self.inner = zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW).decompressobj()
        self.buffer = bytearray()
        self.state = "magic"
        self.left = 0  # bytes left of a skippable frame
        self.checked = False
        self.hungry = True
        self.ended = False
        self.unused = b""

    def step(self, data: bytes) -> bytes:
        """Take the next bytes; return the bytes that can be decompressed now."""
        self.buffer += data
        out = b""
        if self.state == "skip":
            count = min(self.left, len(self.buffer))
            del self.buffer[:count]
            self.left -= count
            if not self.left:
                self._end()
        elif len(self.buffer) >= self._needed():
            out = getattr(self, f"_{self.state}")()
        self.hungry = not self.ended and len(self.buffer) < self._needed()
        return out

    def _needed(self) -> int:
        """How many bytes the next step needs, according to the bytes read so far."""
        buffer = self.buffer
        match self.state:
            case "magic":
                return 5
            case "skippable":
                return SKIPPABLE_HEADER
            case "skip":
                return 1
            case "header":
                return header_size(buffer[4])
            case "checksum":
                return CHECKSUM
            case _:
                return self._block_needed()

    def _block_needed(self) -> int:
        buffer = self.buffer
        if len(buffer) < BLOCK_HEADER:
            return BLOCK_HEADER
        kind, size = buffer[0] >> 1 & 3, int.from_bytes(buffer[:BLOCK_HEADER], "little") >> 3
        if size > 128 << 10:
            return BLOCK_HEADER  # `_block` rejects it
        return BLOCK_HEADER + (1 if kind == RLE else size)

    def _take(self, count: int) -> bytes:
        piece = bytes(self.buffer[:count])
        del self.buffer[:count]
        return piece

    def _decode(self, count: int) -> bytes:
        try:
            return self.inner.decompress(self._take(count))
        except zstandard.ZstdError as error:
            raise CoreError("corrupt", 0, "damaged zstd data") from error

    def _magic(self) -> bytes:
        self.state = "header" if self.buffer[0] == 0x28 else "skippable"
        return b""

    def _skippable(self) -> bytes:
        self.left = int.from_bytes(self._take(SKIPPABLE_HEADER)[4:], "little")
        self.state = "skip"
        if not self.left:
            self._end()
        return b""

    def _header(self) -> bytes:
        head = bytes(self.buffer[: self._needed()])
        if head[4] & 0x08:
            raise CoreError("corrupt", 0, "a zstd frame with a reserved bit")
        if window_size(head) > LARGEST_WINDOW:
            raise CoreError("unsupported", 0, f"a zstd window of more than {LARGEST_WINDOW} bytes")
        if dictionary(head):
            raise CoreError("unsupported", 0, "zstd data that needs a dictionary")
        self.checked = bool(head[4] & 0x04)
        self.state = "block"
        return self._decode(len(head))

    def _block(self) -> bytes:
        if (
            self.buffer[0] >> 1 & 3 == 3
            or int.from_bytes(self.buffer[:3], "little") >> 3 > 128 << 10
        ):
            raise CoreError("corrupt", 0, "a zstd block of no kind")
        last = self.buffer[0] & 1
        out = self._decode(self._needed())
        if last and self.checked:
            self.state = "checksum"
        elif last:
            self._end()
        return out

    def _checksum(self) -> bytes:
        out = self._decode(CHECKSUM)
        self._end()
        return out

    def _end(self) -> None:
        self.ended = True
        self.unused = bytes(self.buffer)


def _fields(descriptor: int) -> tuple[int, int, int]:
    """Return the sizes of the window, dictionary ID and content size fields."""
    single = descriptor >> 5 & 1
    content = (single, 2, 4, 8)[descriptor >> 6]
    return 1 - single, (0, 1, 2, 4)[descriptor & 3], content


def header_size(descriptor: int) -> int:
    """Return the size of a frame header, including its magic."""
    return 5 + sum(_fields(descriptor))


def dictionary(head: bytes) -> int:
    """Return the ID of the dictionary that a frame requires; 0 for none."""
    window, size, _ = _fields(head[4])
    return int.from_bytes(head[5 + window : 5 + window + size], "little")


def window_size(head: bytes) -> int:
    """Return the window size: how many bytes of output the decoder has to keep."""
    window, size, content = _fields(head[4])
    if window:
        base = 1 << 10 + (head[5] >> 3)
        return base + (base >> 3) * (head[5] & 7)
    value = int.from_bytes(head[5 + size : 5 + size + content], "little")
    return value + 256 if content == 2 else value
