"""An answer of the web, whose body is still to come; what comes too slowly is refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from towline.cancel import CancelToken
from towline.errors import LimitExceededError, RegistryError
from towline.registry.deadline import Deadline, Watchdog
from towline.registry.error_body import redact_url
from towline.registry.network_error import network_error
from towline.timeouts import Timeouts

if TYPE_CHECKING:
    from towline.core import BlobWriter

__all__ = ["Response"]

_DRAIN_MAX = 64 * 1024  # bytes that are read to keep a connection; beyond, it is closed
_PIECE = 1 << 20
_LENGTH_DIGITS = 20  # of a Content-Length; a longer one says nothing
_NEVER = float("inf")


class Response:
    """An answer whose body was not read yet.  Close it, or read it to its end."""

    def __init__(
        self,
        response: BaseHTTPResponse,
        url: str,
        watchdog: Watchdog,
        deadline: Deadline,
        timeouts: Timeouts,
        cancel: CancelToken,
    ) -> None:
        self._response = response
        self._watchdog = watchdog
        self._deadline = deadline
        self._timeouts = timeouts
        self._cancel = cancel
        self._waited = 0.0
        self._arrived = 0
        #: Seconds in which the network had nothing for us.
        self.idle = 0.0
        self.status = response.status
        self.url = url
        self.status_line = f"{response.status} {response.reason or ''}".strip()

    def header(self, name: str) -> str | None:
        """A header, several of one name joined by commas."""
        value: str | None = self._response.headers.get(name)
        return value

    def headers(self, name: str) -> list[str]:
        """Each header of one name."""
        return list(self._response.headers.getlist(name))

    @property
    def length(self) -> int | None:
        """The length of the body where the server says it."""
        text = (self.header("Content-Length") or "").strip()
        chunked = "chunked" in (self.header("Transfer-Encoding") or "").lower()
        good = text.isascii() and text.isdigit() and len(text) < _LENGTH_DIGITS
        return int(text) if good and not chunked else None

    def take(self, most: int) -> bytes:
        """As `read1`, but a handful at once, where that comes soon.

        Raises:
            RegistryError: as `read1`.
            PullCancelledError: the caller cancelled.
        """
        body = self._deadline.body
        if body is None or not body.sized:
            return self.read1(most)
        data = self._timed(body.take, most)
        self._response.length_remaining = body.length
        if not data or not body.length:
            self.read1(1)  # urllib3 finds that the body is over
        return data

    def read1(self, most: int) -> bytes:
        """What has arrived of the body, at least a byte; empty at its end.

        Raises:
            RegistryError: ``registry.stalled``, ``registry.broken``.
            PullCancelledError: the caller cancelled.
        """
        return self._timed(self._response.read1, most)

    def _timed(self, read: Callable[[int], bytes], most: int) -> bytes:
        """One read, and what it says of the network and of the server."""
        began, worked = time.monotonic(), time.thread_time()
        data = b""
        with self._reading(self._timeouts.stall_window):
            data = read(most) or b""
        # Only the time spent waiting counts: a slow disk of ours is not the server's fault.
        waited = time.monotonic() - began
        self.idle += max(waited - (time.thread_time() - worked), 0.0)
        self._judge(waited, len(data), ended=not data)
        return data

    def pour(self, writer: BlobWriter, most: int) -> int:
        """Append what comes of the body to a writer, up to `most` bytes; 0 only at its end.

        Where the socket has the body's own bytes, they are taken from there in one call.

        Raises:
            RegistryError: as `read1`.
            PullCancelledError: the caller cancelled.
            CoreError: of the writer.
        """
        body = self._deadline.body
        if body is None or not body.direct:
            data = self.take(min(most, _PIECE))
            if data:
                writer.write(data)
            return len(data)
        left = self._timeouts.stall_window - self._waited
        count, waited = 0, 0.0
        # The core minds the time itself: a call may last as long as the server goes on sending.
        with self._reading(_NEVER):
            count, waited = body.receive(writer, most, max(left, 0.0))
        if count:
            self._response.length_remaining = body.length
        ended = count == 0 and waited < left
        if count == 0 and not ended:
            raise network_error(TimeoutError(), self.url, late=True, body=True)
        self.idle += waited
        self._judge(waited, count, ended=ended)
        if ended or not body.length:
            self.read1(1)  # urllib3 finds that the body is over
        return count

    @contextmanager
    def _reading(self, seconds: float) -> Iterator[None]:
        """A read of the body, whose errors are told as ours."""
        problem: RegistryError | None = None
        try:
            with self._deadline.within(seconds):
                yield
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            late = self._deadline.late or isinstance(error, TimeoutError)
            problem = network_error(error, self.url, late=late, body=True)
        if self._deadline.late and problem is None:
            # A socket that was cut looks like a body, or a head, that has come to its end.
            problem = network_error(TimeoutError(), self.url, late=True, body=True)
        self._cancel.raise_if_cancelled()
        if problem is not None:
            raise problem

    def _judge(self, waited: float, arrived: int, *, ended: bool) -> None:
        """Refuse a server that sends too little in a window of waiting."""
        timeouts = self._timeouts
        self._waited += waited
        self._arrived += arrived
        if self._waited < timeouts.stall_window:
            return
        if self._arrived < timeouts.stall_bytes and not ended:
            raise RegistryError(
                "registry.stalled",
                cause="stalled",
                url=redact_url(self.url),
                host=urlsplit(self.url).netloc,
                seconds=timeouts.stall_window,
            )
        self._waited, self._arrived = 0.0, 0

    def read_all(self, limit: int, what: str) -> bytes:
        """The whole body.

        Raises:
            LimitExceededError: ``limit.document`` where it is longer than `limit`.
            RegistryError: as `read1`.
        """
        pieces: list[bytes] = []
        size = 0
        while data := self.read1(min(_PIECE, limit + 1 - size)):
            pieces.append(data)
            size += len(data)
            if size > limit:
                self.close()
                raise LimitExceededError(
                    "limit.document", what=what, limit=limit, origin=redact_url(self.url)
                )
        self.close()
        return b"".join(pieces)

    def read_some(self, most: int) -> bytes:
        """The beginning of the body, for a message: a body that breaks off ends there."""
        try:
            return self._read_up_to(most)
        except RegistryError:
            return b""
        finally:
            self.close()

    def finish(self) -> None:
        """Let go of the answer, and keep its connection where little of the body is left."""
        if (self.length or 0) <= _DRAIN_MAX:
            self.read_some(_DRAIN_MAX)
        self.close()

    def close(self) -> None:
        """Let go of the connection: into the pool where the body was read, else closed."""
        self._watchdog.end(self._deadline)
        self._response.close()
        self._response.release_conn()

    def _read_up_to(self, most: int) -> bytes:
        pieces: list[bytes] = []
        left = most
        while left and (data := self.read1(left)):
            pieces.append(data)
            left -= len(data)
        return b"".join(pieces)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
