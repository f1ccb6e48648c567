"""One zstd frame, fed to the decoder block by block.

The frame's own walk (RFC 8878, section 3.1) finds where it ends and bounds what a step gives.
"""

from __future__ import annotations

import zstandard

from towline.core.failure import CoreError

__all__ = ["ZstdFrame"]

# The largest window that the zstd tools read without being asked.
LARGEST_WINDOW = 128 << 20

SKIPPABLE_HEADER = 8
BLOCK_HEADER = 3
CHECKSUM = 4
RLE = 1


class ZstdFrame:
    """A zstd frame, or a skippable one."""

    def __init__(self) -> None:
        self.inner = zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW).decompressobj()
        self.held = bytearray()
        self.state = "magic"
        self.left = 0  # of a skippable frame
        self.checked = False
        self.hungry = True
        self.ended = False
        self.unused = b""

    def step(self, data: bytes) -> bytes:
        """Take the next bytes; what can be decompressed by now."""
        self.held += data
        out = b""
        if self.state == "skip":
            gone = min(self.left, len(self.held))
            del self.held[:gone]
            self.left -= gone
            if not self.left:
                self._end()
        elif len(self.held) >= self._needed():
            out = getattr(self, f"_{self.state}")()
        self.hungry = not self.ended and len(self.held) < self._needed()
        return out

    def _needed(self) -> int:
        """How many bytes the next step takes, as far as those at hand tell."""
        held = self.held
        match self.state:
            case "magic":
                return 5
            case "skippable":
                return SKIPPABLE_HEADER
            case "skip":
                return 1
            case "header":
                return header_size(held[4])
            case "checksum":
                return CHECKSUM
            case _:
                return self._block_needed()

    def _block_needed(self) -> int:
        held = self.held
        if len(held) < BLOCK_HEADER:
            return BLOCK_HEADER
        kind, size = held[0] >> 1 & 3, int.from_bytes(held[:BLOCK_HEADER], "little") >> 3
        if size > 128 << 10:
            return BLOCK_HEADER  # the decoder refuses it
        return BLOCK_HEADER + (1 if kind == RLE else size)

    def _take(self, count: int) -> bytes:
        piece = bytes(self.held[:count])
        del self.held[:count]
        return piece

    def _decode(self, count: int) -> bytes:
        try:
            return self.inner.decompress(self._take(count))
        except zstandard.ZstdError as error:
            raise CoreError("corrupt", 0, "damaged zstd data") from error

    def _magic(self) -> bytes:
        self.state = "header" if self.held[0] == 0x28 else "skippable"
        return b""

    def _skippable(self) -> bytes:
        self.left = int.from_bytes(self._take(SKIPPABLE_HEADER)[4:], "little")
        self.state = "skip"
        if not self.left:
            self._end()
        return b""

    def _header(self) -> bytes:
        head = bytes(self.held[: self._needed()])
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
        if self.held[0] >> 1 & 3 == 3 or int.from_bytes(self.held[:3], "little") >> 3 > 128 << 10:
            raise CoreError("corrupt", 0, "a zstd block of no kind")
        last = self.held[0] & 1
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
        self.unused = bytes(self.held)


def _fields(descriptor: int) -> tuple[int, int, int]:
    """Sizes of the window, dictionary and content size fields."""
    single = descriptor >> 5 & 1
    content = (single, 2, 4, 8)[descriptor >> 6]
    return 1 - single, (0, 1, 2, 4)[descriptor & 3], content


def header_size(descriptor: int) -> int:
    """Bytes of a frame header, its magic included."""
    return 5 + sum(_fields(descriptor))


def dictionary(head: bytes) -> int:
    """The dictionary that a frame asks for; 0 for none."""
    window, size, _ = _fields(head[4])
    return int.from_bytes(head[5 + window : 5 + window + size], "little")


def window_size(head: bytes) -> int:
    """Bytes of output that the decoder has to keep."""
    window, size, content = _fields(head[4])
    if window:
        base = 1 << 10 + (head[5] >> 3)
        return base + (base >> 3) * (head[5] & 7)
    value = int.from_bytes(head[5 + size : 5 + size + content], "little")
    return value + 256 if content == 2 else value
