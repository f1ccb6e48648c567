"""Counts with their nouns, such as two blobs, and lists of limited length."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.go.go_quote import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["counted", "joined", "listed"]

_LISTED = 20  # the maximum number of names in one sentence


def counted(number: int, noun: str) -> str:
    """The number and its noun; `noun` is the singular: ``1 entry``, ``2 entries``."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}s"


def joined(texts: Sequence[str]) -> str:
    """The first texts, separated by commas, and the number of the others."""
    shown = ", ".join(texts[:_LISTED])
    return f"{shown} and {len(texts) - _LISTED} more" if len(texts) > _LISTED else shown


def listed(names: Sequence[object]) -> str:
    """Untrusted names, quoted and joined."""
    return joined([quote(str(name)) for name in names])
