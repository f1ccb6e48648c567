"""HTTP responses whose body is read on demand; a body that stalls is an error."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from http.client import HTTPException
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from towline.errors import LimitExceededError, RegistryError
from towline.registry.error_body import printable, redact_url
from towline.registry.network_error import network_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from towline.cancel import CancelToken
    from towline.core import ByteWriter
    from towline.registry.content_coding import Decoder
    from towline.registry.deadline import Deadline, Watchdog
    from towline.timeouts import Timeouts

__all__ = ["Response"]

_DRAIN_MAX = 64 * 1024  # bytes that are read to keep a connection; beyond, it is closed
_READ_MAX = 1 << 20
_ENCODED_MAX = 64 * 1024  # bytes that are read at once to be decoded
_CODING_MAX = 80  # characters of a coding in messages
_LENGTH_DIGITS = 20  # of a Content-Length; a longer one is ignored
_NEVER = float("inf")


class Response:
    """An HTTP response whose body is not read yet.  Close it, or read it to its end."""

    def __init__(
        self,
        response: BaseHTTPResponse,
        url: str,
        watchdog: Watchdog,
        deadline: Deadline,
        timeouts: Timeouts,
        cancel: CancelToken,
    ) -> None:
        self._http_response = response
        self._watchdog = watchdog
        self._deadline = deadline
        self._timeouts = timeouts
        self._cancel = cancel
        self._waited = 0.0
        self._arrived = 0
        self._decoder: Decoder | None = None
        #: Seconds spent waiting for the network.
        self.idle = 0.0
        #: The request had credentials, or a token for them, and this is the registry's response.
        self.has_credentials = False
        self.status = response.status
        self.url = url
        self.status_line = f"{response.status} {response.reason or ''}".strip()

    def header(self, name: str) -> str | None:
        """The value of a header; several with one name are joined by commas."""
        value: str | None = self._http_response.headers.get(name)
        return value

    def headers(self, name: str) -> list[str]:
        """The values of all headers with one name."""
        return list(self._http_response.headers.getlist(name))

    @property
    def length(self) -> int | None:
        """The length of the body, None if the server does not state it, or if it is decoded."""
        if self._decoder is not None:
            return None
        text = (self.header("Content-Length") or "").strip()
        chunked = "chunked" in (self.header("Transfer-Encoding") or "").lower()
        valid = text.isascii() and text.isdigit() and len(text) < _LENGTH_DIGITS
        return int(text) if valid and not chunked else None

    @property
    def coding(self) -> str:
        """The content codings of the body, which were not requested; ``""`` if there are none."""
        listed = (self.header("Content-Encoding") or "").lower().split(",")
        return ", ".join(each.strip() for each in listed if each.strip() not in ("", "identity"))

    def decode(self, limit: int) -> None:
        """Decode the body while it is read, if it is encoded (REG-053).

        Args:
            limit: the most bytes of data.

        Raises:
            RegistryError: ``registry.encoding``: the coding is not supported.
        """
        if not self.coding:
            return
        from towline.registry.content_coding import CODINGS, Decoder

        if self.coding not in CODINGS:
            raise self._coding_error("it is not supported")
        self._decoder = Decoder(limit)

    def read_batch(self, most: int) -> bytes:
        """Read as `read1`, but larger batches, of the bytes that arrive within 0.1 s.

        Raises:
            RegistryError: as `read1`.
            PullCancelledError: the caller cancelled.
        """
        body = self._deadline.body
        if body is None or not body.sized or self._decoder is not None:
            return self.read1(most)
        data = self._timed(body.read_batch, most)
        self._http_response.length_remaining = body.length
        if not data or not body.length:
            self.read1(1)  # urllib3 finds that the body is over
        return data

    def read1(self, most: int) -> bytes:
        """Read the bytes that have arrived, at least one; empty at the end of the body.

        Raises:
            RegistryError: ``registry.stalled``, ``registry.broken``, ``registry.encoding``.
            PullCancelledError: the caller cancelled.
        """
        if self._decoder is not None:
            return self._read_decoded(self._decoder, most)
        return self._timed(self._http_response.read1, most)

    def _read_decoded(self, decoder: Decoder, most: int) -> bytes:
        from towline.registry.content_coding import CodingError

        try:
            while not (data := decoder.take(most)):
                encoded = self._timed(self._http_response.read1, _ENCODED_MAX)
                if not encoded:
                    if decoder.complete:
                        return b""
                    raise CodingError("it is incomplete")
                decoder.feed(encoded)
        except CodingError as error:
            reason = str(error)
        else:
            return data
        raise self._coding_error(reason)

    def _coding_error(self, reason: str) -> RegistryError:
        self.close()
        return RegistryError(
            "registry.encoding",
            coding=printable(self.coding[:_CODING_MAX]),
            reason=reason,
            url=redact_url(self.url),
            host=urlsplit(self.url).netloc.rpartition("@")[2],
        )

    def _timed(self, read: Callable[[int], bytes], most: int) -> bytes:
        """Read once, and account for the time that was spent waiting."""
        began, worked = time.monotonic(), time.thread_time()
        data = b""
        with self._reading(self._timeouts.stall_window):
            data = read(most) or b""
        # Only time spent waiting counts, so that a slow local disk does not count as a stall.
        waited = time.monotonic() - began
        self.idle += max(waited - (time.thread_time() - worked), 0.0)
        self._check_stall(waited, len(data), ended=not data)
        return data

    def append_to(self, writer: ByteWriter, most: int) -> int:
        """Append up to `most` bytes of the body to a writer.

        If the socket has the plain bytes of the body, the core reads them from there in one call.

        Returns:
            How many bytes were appended; 0 only at the end of the body.

        Raises:
            RegistryError: as `read1`.
            PullCancelledError: the caller cancelled.
            CoreError: of the writer.
        """
        body = self._deadline.body
        if body is None or not body.direct or self._decoder is not None:
            data = self.read_batch(min(most, _READ_MAX))
            if data:
                writer.write(data)
            return len(data)
        left = self._timeouts.stall_window - self._waited
        count, waited = 0, 0.0
        # The core limits the waiting time itself; a call lasts as long as the server sends.
        try:
            with self._reading(_NEVER):
                count, waited = body.receive(writer, most, max(left, 0.0))
        except RegistryError:
            writer.write(b"")  # raises if not the registry failed, but the writer
            raise
        if count:
            self._http_response.length_remaining = body.length
        ended = count == 0 and waited < left
        if count == 0 and not ended:
            raise network_error(TimeoutError(), self.url, late=True, body=True)
        self.idle += waited
        self._check_stall(waited, count, ended=ended)
        if ended or not body.length:
            self.read1(1)  # urllib3 finds that the body is over
        return count

    @contextmanager
    def _reading(self, seconds: float) -> Iterator[None]:
        """Limit a read of the body, and convert its errors to `RegistryError`."""
        problem: RegistryError | None = None
        try:
            with self._deadline.within(seconds):
                yield
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            late = self._deadline.late or isinstance(error, TimeoutError)
            problem = network_error(error, self.url, late=late, body=True)
        if self._deadline.late and problem is None:
            # A socket that was shut down reads as the end of the body or of the headers.
            problem = network_error(TimeoutError(), self.url, late=True, body=True)
        self._cancel.raise_if_cancelled()
        if problem is not None:
            raise problem

    def _check_stall(self, waited: float, arrived: int, *, ended: bool) -> None:
        """Raise ``registry.stalled`` if too few bytes arrived in a window of waiting time."""
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
        """Read the whole body, decoded if it is encoded, and close the response.

        Args:
            limit: the most bytes.
            what: the kind of document, for messages.

        Raises:
            LimitExceededError: ``limit.document`` if it is longer than `limit`.
            RegistryError: as `read1`.
        """
        self.decode(limit)
        parts: list[bytes] = []
        size = 0
        while data := self.read1(min(_READ_MAX, limit + 1 - size)):
            parts.append(data)
            size += len(data)
            if size > limit:
                self.close()
                raise LimitExceededError(
                    "limit.document", what=what, limit=limit, origin=redact_url(self.url)
                )
        self.close()
        return b"".join(parts)

    def read_some(self, most: int) -> bytes:
        """Read the beginning of the body for a message, and close; errors end it early."""
        try:
            self.decode(most)
            return self._read_up_to(most)
        except RegistryError:
            return b""
        finally:
            self.close()

    def finish(self) -> None:
        """Close the response, after reading a short rest so that the connection can be reused."""
        if (self.length or 0) <= _DRAIN_MAX:
            with suppress(RegistryError):
                self._read_up_to(_DRAIN_MAX)
        self.close()

    def close(self) -> None:
        """Return the connection to the pool if the body was read, else close it; idempotent."""
        self._watchdog.end(self._deadline)
        self._http_response.close()
        self._http_response.release_conn()

    def _read_up_to(self, most: int) -> bytes:
        parts: list[bytes] = []
        left = most
        while left and (data := self.read1(left)):
            parts.append(data)
            left -= len(data)
        return b"".join(parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
