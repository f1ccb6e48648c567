"""A log of the endpoints that one image was requested from: what each served, and its errors.

The log is part of the result of a pull, so this module does not import HTTP.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

from towline.frozen import frozen

if TYPE_CHECKING:
    from towline.errors import TowlineError

__all__ = ["EndpointLog", "EndpointUse", "RateLimit", "read_rate_limit"]

_COUNT = re.compile(r"(\d{1,15})(?:;\s*w=(\d{1,15}))?")


@frozen
class RateLimit:
    """The rate limit that a registry states in its responses (REG-050).

    Attributes:
        limit: pulls in a window, None if not stated.
        remaining: pulls that remain in the window.
        window: its length in seconds.
        source: the address or account that the limit applies to.
    """

    limit: int | None = None
    remaining: int | None = None
    window: int | None = None
    source: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The limit as a JSON document."""
        return {
            "limit": self.limit,
            "remaining": self.remaining,
            "window": self.window,
            "source": self.source,
        }


def read_rate_limit(limit: str | None, remaining: str | None, source: str | None) -> RateLimit:
    """Parse ``RateLimit-Limit``, ``RateLimit-Remaining`` and ``Docker-RateLimit-Source``.

    A malformed header counts as absent.
    """
    most, window = _parse_count(limit)
    left, other = _parse_count(remaining)
    shown = source.strip()[:100] if source else ""
    return RateLimit(most, left, window or other, shown if shown.isprintable() and shown else None)


def _parse_count(text: str | None) -> tuple[int | None, int | None]:
    match = _COUNT.match(text.strip()) if text else None
    if match is None:
        return None, None
    return int(match[1]), int(match[2]) if match[2] else None


@frozen
class EndpointUse:
    """The documents and blobs of an image that one endpoint served.

    Attributes:
        location: host and repository that the requests were sent to.
        mirror: whether registries.conf names it as a mirror.
        served: digests of the manifests, the config and the layers that came from it.
        errors: the errors of the other requests, in order.
        rate_limit: its rate limit, None if it stated none.
    """

    location: str
    mirror: bool = False
    served: tuple[str, ...] = ()
    errors: tuple[TowlineError, ...] = ()
    rate_limit: RateLimit | None = None

    def to_json(self) -> dict[str, Any]:
        """The use as a JSON document."""
        return {
            "location": self.location,
            "mirror": self.mirror,
            "served": list(self.served),
            "errors": [error.to_json() for error in self.errors],
            "rate_limit": None if self.rate_limit is None else self.rate_limit.to_json(),
        }


class _Row:
    __slots__ = ("errors", "mirror", "rate_limit", "served")

    def __init__(self, *, mirror: bool) -> None:
        self.mirror = mirror
        self.served: list[str] = []
        self.errors: list[TowlineError] = []
        self.rate_limit: RateLimit | None = None


class EndpointLog:
    """Records what each endpoint serves while an image is copied.  Safe in any number of threads.

    The location in each method is host and repository.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[str, _Row] = {}

    def requested(self, location: str, *, mirror: bool) -> None:
        """Record that an endpoint is used."""
        with self._lock:
            self._rows.setdefault(location, _Row(mirror=mirror))

    def served(self, location: str, digest: str) -> None:
        """Record that an endpoint served the bytes with this digest."""
        with self._lock:
            row = self._rows[location]
            if digest not in row.served:
                row.served.append(digest)

    def failed(self, location: str, error: TowlineError, digest: str = "") -> None:
        """Record an error; a digest that was recorded as served is removed again."""
        with self._lock:
            row = self._rows[location]
            # A copy, since callers add steps to the error later.
            row.errors.append(error.copied())
            if digest in row.served:
                row.served.remove(digest)

    def limited(self, location: str, limit: RateLimit | None) -> None:
        """Record the rate limit of an endpoint, if it stated one."""
        with self._lock:
            if limit is not None:
                self._rows[location].rate_limit = limit

    def uses(self) -> tuple[EndpointUse, ...]:
        """The use of each endpoint, in the order of the first requests."""
        with self._lock:
            return tuple(
                EndpointUse(
                    location, row.mirror, tuple(row.served), tuple(row.errors), row.rate_limit
                )
                for location, row in self._rows.items()
            )
