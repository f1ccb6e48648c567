"""Repeats requests and transfers after transient failures (REG-020 to REG-024)."""

from __future__ import annotations

import random
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from towline.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from towline.timeouts import Timeouts

__all__ = [
    "TRANSIENT_CAUSES",
    "TRANSIENT_STATUSES",
    "Retries",
    "delay",
    "is_transient",
    "retry_after",
]

#: Statuses of a server that cannot serve a request at the moment.
TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504})

#: Causes after which a retry may succeed.  A host that refuses connections, has no address, does
#: not respond to connections or has a bad certificate is not retried: the next registry is tried.
TRANSIENT_CAUSES = frozenset({"broken", "closed", "reset", "short", "silent", "stalled"})


def is_transient(error: RegistryError) -> bool:
    """Whether the same request may succeed later."""
    return error.facts.get("cause") in TRANSIENT_CAUSES or (
        error.facts.get("status") in TRANSIENT_STATUSES
    )


def delay(attempt: int, header: str | None, timeouts: Timeouts) -> float:
    """The seconds to wait after a failed attempt.

    Args:
        attempt: its number, from 0.
        header: the Retry-After header; it takes precedence if it is valid, up to the longest delay.
        timeouts: the first and the longest delay.
    """
    seconds = retry_after(header, datetime.now(UTC)) if header else None
    if seconds is None:
        # Random, so that clients that failed together do not retry together.
        seconds = timeouts.backoff * 2.0**attempt * random.uniform(1.0, 1.2)
    return min(max(seconds, 0.0), timeouts.longest_delay)


class Retries:
    """The attempts of one request or transfer: their number, and the delays between them.

    >>> while True:                                       # doctest: +SKIP
    ...     retries.pause()
    ...     with retries.attempt():
    ...         return fetch()

    Attributes:
        failures: failed attempts since the beginning, or since the last `reset`.
    """

    __slots__ = ("_limit", "_seconds", "_timeouts", "_wait", "failures")

    def __init__(self, limit: int, timeouts: Timeouts, wait: Callable[[float], None]) -> None:
        """No attempt yet.

        Args:
            limit: how many failures in a row are followed by another attempt.
            timeouts: the first and the longest delay.
            wait: sleeps for a number of seconds; its errors end the attempts, as cancelling does.
        """
        self._limit = limit
        self._timeouts = timeouts
        self._wait = wait
        self._seconds = 0.0
        self.failures = 0

    @property
    def left(self) -> bool:
        """Whether another attempt is allowed after a failure."""
        return self.failures < self._limit

    def pause(self) -> None:
        """Wait if the last attempt failed."""
        seconds, self._seconds = self._seconds, 0.0
        if seconds:
            self._wait(seconds)

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Return the context of one attempt.

        A transient `RegistryError` is counted, and not raised, if another attempt is left.
        """
        try:
            yield
        except RegistryError as error:
            if not (self.left and is_transient(error)):
                raise
            self.fail(self.next_delay())

    def next_delay(self, header: str | None = None) -> float:
        """The seconds to wait if the present attempt fails; `header` is its Retry-After header."""
        return delay(self.failures, header, self._timeouts)

    def fail(self, seconds: float) -> None:
        """Count a failure; `pause` then waits for a number of seconds."""
        self.failures += 1
        self._seconds = seconds

    def reset(self) -> None:
        """Count failures from zero again, after progress."""
        self.failures = 0


def retry_after(text: str, now: datetime) -> float | None:
    """The seconds of a Retry-After header, a number or a date; None if it is malformed."""
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
