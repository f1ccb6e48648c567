"""Base64 as the original reads it, with the offset that it names where it cannot."""

from __future__ import annotations

from base64 import b64decode

__all__ = ["Base64Fault", "decode"]

_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_GROUP = 4


class Base64Fault(ValueError):
    """Text that is not base64.

    Attributes:
        offset: where, in bytes.
    """

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


def decode(text: str) -> bytes:
    """The bytes that a text stands for; line ends are skipped, padding is needed.

    Raises:
        Base64Fault: at a character that is no letter of the alphabet or padding out of its place,
            or, where the text ends within a group of four, at the beginning of its letters.
    """
    whole = [(offset, chr(byte)) for offset, byte in enumerate(text.encode("utf-8", "replace"))]
    kept = [(offset, char) for offset, char in whole if char not in "\r\n"]
    for start in range(0, len(kept), _GROUP):
        offset = _fault(kept[start : start + _GROUP], kept[start + _GROUP :], len(whole))
        if offset is not None:
            raise Base64Fault(offset)
    return b64decode("".join(char for _, char in kept))


def _fault(group: list[tuple[int, str]], rest: list[tuple[int, str]], length: int) -> int | None:
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
