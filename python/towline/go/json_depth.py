"""The limit on the nesting of JSON documents (MANIFEST-014).

Without it, the version of Python and the depth of the caller's stack would decide which documents
are accepted.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["is_too_deep", "loads"]

_DEPTH = 500  # what Python 3.11 can decode with half of its stack
_STRING = r'(?s)"[^"\\]*+(?:\\.[^"\\]*+)*+"?'  # also one without an end
_OTHERS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def is_too_deep(text: str, start: int = 0) -> bool:
    """Whether the first JSON document from a position on has more than `_DEPTH` levels."""
    if text.count("[", start) + text.count("{", start) <= _DEPTH:
        return False
    outside = re.sub(_STRING, "", text[start:]).encode("utf-8", "surrogatepass")
    for depth in accumulate(map(_STEPS.__getitem__, outside.translate(None, _OTHERS))):
        if depth > _DEPTH:
            return True
        if depth <= 0:
            return False
    return False


def loads(
    data: bytes,
    parse_constant: Callable[[str], Any] | None = None,
    parse_int: Callable[[str], Any] | None = None,
) -> Any:
    """Decode a JSON document as `json.loads`.

    Raises:
        ValueError: not JSON, or nested too deeply.
    """
    text = data.decode(json.detect_encoding(data), "surrogatepass")
    if is_too_deep(text):
        raise ValueError("nested too deeply")
    try:
        return json.loads(text, parse_constant=parse_constant, parse_int=parse_int)
    except RecursionError:  # the caller's stack is deep
        raise ValueError("nested too deeply") from None
