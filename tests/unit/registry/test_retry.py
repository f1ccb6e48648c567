"""Which failures are retried, and after which delay."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.errors import RegistryError
from towline.registry.retry import Retries, delay, is_transient, retry_after
from towline.timeouts import Timeouts

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        (" 7 ", 7.0),
        ("999999999999999999999999", 999999999.0),
        ("Fri, 02 Jan 2026 03:04:35 GMT", 30.0),
        ("Fri, 02 Jan 2026 03:03:35 GMT", -30.0),
        ("Fri, 02 Jan 2026 03:04:35 -0000", 30.0),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        ("", None),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    """Retry-After is a number of seconds or a date; anything else is ignored."""
    assert retry_after(text, NOW) == seconds


@given(st.integers(0, 20), st.one_of(st.none(), st.text(max_size=40), st.integers().map(str)))
def test_delays_are_within_their_limits(attempt: int, header: str | None) -> None:
    """Whatever a server requests, the delay is between 0 and the longest delay."""
    assert 0.0 <= delay(attempt, header, Timeouts(longest_delay=60.0)) <= 60.0


def test_delays_grow() -> None:
    """Without Retry-After, each delay is longer than the one before."""
    timeouts = Timeouts(backoff=1.0)
    assert delay(0, None, timeouts) < delay(1, None, timeouts) < delay(2, None, timeouts)
    assert delay(0, "9", timeouts) == 9.0


@pytest.mark.parametrize(
    ("facts", "transient"),
    [
        *(({"status": status}, True) for status in (408, 429, 500, 502, 503, 504)),
        *(({"status": status}, False) for status in (400, 401, 403, 404, 416, 501, 505)),
        *(({"cause": c}, True) for c in ("closed", "reset", "short", "silent", "stalled")),
        *(({"cause": c}, False) for c in ("refused", "unresolved", "timeout", "proxy")),
        ({}, False),
    ],
)
def test_transient_failures(facts: dict[str, object], transient: bool) -> None:
    """Server errors and broken connections are transient, refusals are not."""
    assert is_transient(RegistryError("registry.unreachable", **facts)) is transient


def test_retries_are_counted_until_there_is_progress() -> None:
    """A limit bounds failures in a row; only transient errors are retried."""
    transient = RegistryError("registry.broken", cause="reset")
    final = RegistryError("registry.unreachable", cause="refused")
    waits: list[float] = []
    retries = Retries(2, Timeouts(backoff=1.0), waits.append)

    def fail(error: Exception) -> None:
        retries.pause()
        with retries.attempt():
            raise error

    for error in (final, ValueError("of the caller")):
        with pytest.raises(type(error)):
            fail(error)
    fail(transient)
    fail(transient)
    with pytest.raises(RegistryError) as caught:
        fail(transient)
    assert caught.value is transient
    assert len(waits) == 2
    assert waits[0] < waits[1]
    assert retries.failures == 2
    retries.reset()
    assert retries.failures == 0
    assert retries.next_delay("7") == 7.0
    retries.fail(3.0)
    retries.pause()
    retries.pause()
    assert waits[2:] == [3.0]
