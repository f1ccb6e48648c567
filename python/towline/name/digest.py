"""Digests: ``algorithm:hex``, parsed and validated.

Sources: the OCI image specification; the order of the checks is the original's (NAME-020).
"""

from __future__ import annotations

import re
from functools import total_ordering

from towline.errors import InvalidNameError
from towline.frozen import frozen

__all__ = ["HEX_LENGTH", "Digest", "digest_of", "is_digest", "parse_digest", "sha256_of"]

HEX_LENGTH = {"sha256": 64, "sha384": 96, "sha512": 128}

_ALGORITHM = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*")
_HEX = re.compile(r"[a-f0-9]+")


@total_ordering
@frozen
class Digest:
    """A digest: a known algorithm and lower-case hex of its length.  `Digest.parse` checks both."""

    algorithm: str
    hex: str

    @staticmethod
    def parse(text: str) -> Digest:
        """Parse ``algorithm:hex``; raises `InvalidNameError` if the text is no digest."""
        return parse_digest(text)

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Digest):
            return NotImplemented
        return (self.algorithm, self.hex) < (other.algorithm, other.hex)


def parse_digest(text: str) -> Digest:
    """Parse ``algorithm:hex``.

    Raises:
        InvalidNameError: ``digest.format``, ``digest.algorithm`` or ``digest.length``; the format
            is tested first, then the algorithm, the length and the hex digits (NAME-020).
    """
    algorithm, colon, encoded = text.partition(":")
    if not colon or not encoded:
        raise InvalidNameError("digest.format", digest=text)
    if algorithm not in HEX_LENGTH:
        # NAME-020: an algorithm that does not match the grammar is a format error
        well_formed = _ALGORITHM.fullmatch(algorithm)
        raise InvalidNameError("digest.algorithm" if well_formed else "digest.format", digest=text)
    if len(encoded.encode("utf-8", "surrogateescape")) != HEX_LENGTH[algorithm]:
        raise InvalidNameError("digest.length", digest=text)
    if not _HEX.fullmatch(encoded):
        raise InvalidNameError("digest.format", digest=text)
    return Digest(algorithm, encoded)


def is_digest(text: str) -> bool:
    """Whether `parse_digest` accepts the text."""
    try:
        parse_digest(text)
    except InvalidNameError:
        return False
    return True


def sha256_of(data: bytes) -> Digest:
    """The SHA-256 digest of bytes in memory."""
    import hashlib  # slow to import, and not needed to parse names

    return Digest("sha256", hashlib.sha256(data).hexdigest())


def digest_of(data: bytes, algorithm: str) -> Digest:
    """The digest of bytes in memory by one of the algorithms in `HEX_LENGTH`."""
    import hashlib

    return Digest(algorithm, hashlib.new(algorithm, data).hexdigest())
