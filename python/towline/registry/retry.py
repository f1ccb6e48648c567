"""Which failures pass by themselves, and how long to wait for that (REG-020 to REG-024)."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from towline.errors import RegistryError

__all__ = ["PASSING_CAUSES", "PASSING_STATUSES", "Patience", "delay", "passes", "retry_after"]

#: The server is there and says that it cannot now.
PASSING_STATUSES = frozenset({408, 429, 500, 502, 503, 504})

#: What may go well the next time.  A host that refuses, has no address, takes no connection or
#: shows a bad certificate does so again: the next registry is tried instead.
PASSING_CAUSES = frozenset({"broken", "closed", "reset", "short", "silent", "stalled"})


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


def passes(error: RegistryError) -> bool:
    """Whether the same request may go well a little later."""
    return error.facts.get("cause") in PASSING_CAUSES or (
        error.facts.get("status") in PASSING_STATUSES
    )


def delay(attempt: int, asked: str | None, patience: Patience) -> float:
    """How long to wait after a failed attempt, the first of which is 0.

    Args:
        attempt: its number.
        asked: the Retry-After header, which wins where it can be read, up to the longest wait.
        patience: the usual and the longest wait.
    """
    wanted = retry_after(asked, datetime.now(UTC)) if asked else None
    if wanted is None:
        # Clients that failed together must not come back together.
        wanted = patience.backoff * 2.0**attempt * random.uniform(1.0, 1.2)
    return min(max(wanted, 0.0), patience.longest)


def retry_after(text: str, now: datetime) -> float | None:
    """The seconds of a Retry-After header, which has a number or a date; None for anything else."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return (date - now).total_seconds()
