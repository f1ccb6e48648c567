"""Which failures pass by themselves, and how long to wait for that (REG-020 to REG-024)."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from towline.errors import RegistryError
from towline.timeouts import Timeouts

__all__ = [
    "TRANSIENT_CAUSES",
    "TRANSIENT_STATUSES",
    "Timeouts",
    "delay",
    "is_transient",
    "retry_after",
]

#: The server is there and says that it cannot now.
TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504})

#: What may go well the next time.  A host that refuses, has no address, takes no connection or
#: shows a bad certificate does so again: the next registry is tried instead.
TRANSIENT_CAUSES = frozenset({"broken", "closed", "reset", "short", "silent", "stalled"})


def is_transient(error: RegistryError) -> bool:
    """Whether the same request may go well a little later."""
    return error.facts.get("cause") in TRANSIENT_CAUSES or (
        error.facts.get("status") in TRANSIENT_STATUSES
    )


def delay(attempt: int, asked: str | None, timeouts: Timeouts) -> float:
    """How long to wait after a failed attempt, the first of which is 0.

    Args:
        attempt: its number.
        asked: the Retry-After header, which wins where it can be read, up to the longest wait.
        timeouts: the usual and the longest wait.
    """
    wanted = retry_after(asked, datetime.now(UTC)) if asked else None
    if wanted is None:
        # Clients that failed together must not come back together.
        wanted = timeouts.backoff * 2.0**attempt * random.uniform(1.0, 1.2)
    return min(max(wanted, 0.0), timeouts.longest_delay)


def retry_after(text: str, now: datetime) -> float | None:
    """The seconds of a Retry-After header, which has a number or a date; None for anything else."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return (date - now).total_seconds()
