"""Time limits of requests to a registry."""

from __future__ import annotations

from towline.frozen import frozen

__all__ = ["Timeouts"]


@frozen
class Timeouts:
    """Time limits for one registry, in seconds unless stated otherwise.

    Attributes:
        connect: to open a connection.
        response: from the open connection to the end of the response headers.
        stall_window: a response body fails if it brings less than `stall_bytes` in this time.
        stall_bytes: in bytes.
        backoff: the delay before the first retry; it doubles with each further retry.
        longest_delay: the upper limit of every delay, also of one that a server asks for.
    """

    connect: float = 10.0
    response: float = 60.0
    stall_window: float = 30.0
    stall_bytes: int = 16 * 1024
    backoff: float = 0.5
    longest_delay: float = 60.0
