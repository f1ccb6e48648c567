"""Base64 as the original decodes it, with the original's error offsets."""

from __future__ import annotations

from base64 import b64decode

__all__ = ["Base64Error", "decode"]

_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_GROUP = 4


class Base64Error(ValueError):
    """Text that is not base64.

    Attributes:
        offset: the position of the error, in bytes.
    """

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


def decode(text: str) -> bytes:
    """Decode base64 text; line ends are skipped, padding is required.

    Raises:
        Base64Error: at a character outside the alphabet or at misplaced padding; if the text ends
            within a group of four, at the beginning of that group's letters.
    """
    encoded = text.encode("utf-8", "replace")
    chars = [(offset, chr(byte)) for offset, byte in enumerate(encoded)]
    kept = [(offset, char) for offset, char in chars if char not in "\r\n"]
    for start in range(0, len(kept), _GROUP):
        offset = _error_offset(kept[start : start + _GROUP], kept[start + _GROUP :], len(encoded))
        if offset is not None:
            raise Base64Error(offset)
    return b64decode("".join(char for _, char in kept))


def _error_offset(
    group: list[tuple[int, str]], rest: list[tuple[int, str]], length: int
) -> int | None:
    letters = 0
    for offset, char in group:
        if char == "=":
            break
        if char not in _LETTERS:
            return offset
        letters += 1
    padding = group[letters:]
    if not padding:
        return None if letters == _GROUP else length - letters
    if letters < 2:
        return padding[0][0]
    if letters == 2:
        if len(padding) == 1:
            return length
        if padding[1][1] != "=":
            return padding[1][0] - 1
    return rest[0][0] if rest else None
