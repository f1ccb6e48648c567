"""What became of the places that were asked for one image: who gave what, and who could not.

Light: it is part of the result of a pull, so it imports no HTTP.
"""

from __future__ import annotations

import copy
import re
import threading
from dataclasses import dataclass, field
from typing import Any

from towline.errors import TowlineError

__all__ = ["EndpointLog", "EndpointUse", "RateLimit", "read_rate_limit"]

_COUNT = re.compile(r"(\d{1,15})(?:;\s*w=(\d{1,15}))?")


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What a registry says of how much may be asked of it (REG-050).

    Attributes:
        limit: pulls in a window, None where it is not said.
        remaining: pulls that are left of it.
        window: seconds of the window.
        source: whose the limit is: an address or an account.
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
    """The headers ``RateLimit-Limit``, ``RateLimit-Remaining`` and ``Docker-RateLimit-Source``.

    What cannot be read counts as absent.
    """
    most, window = _count(limit)
    left, other = _count(remaining)
    shown = source.strip()[:100] if source else ""
    return RateLimit(most, left, window or other, shown if shown.isprintable() and shown else None)


def _count(text: str | None) -> tuple[int | None, int | None]:
    match = _COUNT.match(text.strip()) if text else None
    if match is None:
        return None, None
    return int(match[1]), int(match[2]) if match[2] else None


@dataclass(frozen=True, slots=True)
class EndpointUse:
    """One place that was asked for an image.

    Attributes:
        location: host and repository, as they were asked.
        mirror: whether registries.conf names it as a mirror.
        served: digests of the manifests, the config and the layers that came from it.
        errors: why other things did not, in the order of asking.
        rate_limit: what it said of its limits, None where it said nothing.
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
            "errors": [{"code": error.code, "message": str(error)} for error in self.errors],
            "rate_limit": None if self.rate_limit is None else self.rate_limit.to_json(),
        }


@dataclass(slots=True)
class _Row:
    mirror: bool
    served: list[str] = field(default_factory=list)
    errors: list[TowlineError] = field(default_factory=list)
    rate_limit: RateLimit | None = None


class EndpointLog:
    """Notes taken while an image is copied.  Safe in any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[str, _Row] = {}

    def asked(self, location: str, *, mirror: bool) -> None:
        """This place is asked now."""
        with self._lock:
            self._rows.setdefault(location, _Row(mirror))

    def served(self, location: str, digest: str) -> None:
        """It gave these bytes."""
        with self._lock:
            row = self._rows[location]
            if digest not in row.served:
                row.served.append(digest)

    def failed(self, location: str, error: TowlineError, digest: str = "") -> None:
        """It failed; what it had begun to serve is not its own."""
        with self._lock:
            row = self._rows[location]
            # A copy, since on its way to the user the error is told more.
            row.errors.append(copy.copy(error))
            if digest in row.served:
                row.served.remove(digest)

    def limited(self, location: str, limit: RateLimit | None) -> None:
        """It told its limits."""
        with self._lock:
            if limit is not None:
                self._rows[location].rate_limit = limit

    def uses(self) -> tuple[EndpointUse, ...]:
        """The notes, in the order of asking."""
        with self._lock:
            return tuple(
                EndpointUse(
                    location, row.mirror, tuple(row.served), tuple(row.errors), row.rate_limit
                )
                for location, row in self._rows.items()
            )
