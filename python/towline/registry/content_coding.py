"""Decodes bodies that a server encoded although identity was requested (REG-053)."""

from __future__ import annotations

import zlib

__all__ = ["CODINGS", "CodingError", "Decoder"]

#: The codings that can be decoded.
CODINGS = ("deflate", "gzip", "x-gzip")
_ZLIB_OR_GZIP, _RAW = 47, -15  # window bits
_SLACK = 64 << 10  # bytes of an encoding beyond those of its data


class CodingError(Exception):
    """The encoded data cannot be decoded; its text is the reason."""


class Decoder:
    """Decodes a body piece by piece; memory and output of each step are limited.

    Args:
        limit: the most bytes of data; much longer encodings are refused, since they are empty.
    """

    def __init__(self, limit: int) -> None:
        self._left = limit + limit // 8 + _SLACK
        self._input = b""
        self._inflate: zlib._Decompress | None = None

    def feed(self, data: bytes) -> None:
        """Add encoded bytes.

        Raises:
            CodingError: there are more than the data needs.
        """
        self._left -= len(data)
        if self._left < 0:
            raise CodingError("it is longer than its data")
        self._input += data

    def take(self, most: int) -> bytes:
        """Decoded bytes, up to `most`; none if more encoded bytes are needed.

        Raises:
            CodingError: the data is damaged.
        """
        damaged = False
        try:
            while self._begin():
                assert self._inflate is not None
                data = self._inflate.decompress(self._input, most)
                self._input = self._inflate.unconsumed_tail or self._inflate.unused_data
                ended = self._inflate.eof
                if ended:
                    self._inflate = None
                if data:
                    return data
                if not ended and not self._input:
                    break
        except zlib.error:
            damaged = True
        if damaged:  # not raised above, since the context adds nothing
            raise CodingError("it is damaged")
        return b""

    @property
    def complete(self) -> bool:
        """Whether the encoding is at an end."""
        return self._inflate is None and not self._input

    def _begin(self) -> bool:
        """Begin the next member of the encoding; False if there is none yet."""
        if self._inflate is None:
            self._input = self._input.lstrip(b"\0")  # padding
            if not self._input:
                return False
            # Some servers send deflate without the zlib header.
            known = self._input[0] == 0x1F or self._input[0] & 0x0F == zlib.DEFLATED
            self._inflate = zlib.decompressobj(_ZLIB_OR_GZIP if known else _RAW)
        return True
