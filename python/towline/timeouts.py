"""Time limits of requests to a registry."""

from __future__ import annotations

from towline.frozen import frozen

__all__ = ["Timeouts"]

_FOREVER = float("inf")


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

    def __post_init__(self) -> None:
        """Refuse what is not a number, or too small.

        Raises:
            TypeError: a limit is not a number.
            ValueError: a limit is negative or no finite number; a timeout or window is zero.
        """
        for name in self.__match_args__:
            limit = getattr(self, name)
            if isinstance(limit, bool) or not isinstance(limit, int | float):
                raise TypeError(f"{name} must be a number, not {type(limit).__name__}")
            may_be_zero = name in ("backoff", "longest_delay", "stall_bytes")
            if not (0 < limit < _FOREVER or (may_be_zero and limit == 0)):
                least = "at least 0" if may_be_zero else "more than 0"
                raise ValueError(f"{name} must be {least} and finite, not {limit}")
