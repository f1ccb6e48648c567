"""How long a registry is waited for."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Patience"]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a registry is waited for, in seconds.

    Attributes:
        connect: for a connection to stand.
        answer: from then on until the head of an answer is here.
        window: how long a body may bring less than `least` bytes.
        least: bytes that make a window a living one.
        backoff: the first wait before a repetition; each further one is twice as long.
        longest: no wait is longer, whatever a server asks for.
    """

    connect: float = 10.0
    answer: float = 60.0
    window: float = 30.0
    least: int = 16 * 1024
    backoff: float = 0.5
    longest: float = 60.0
