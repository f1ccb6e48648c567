"""A blob of a registry: resumed where it breaks off, and divided into ranges if that is faster.

It begins over one connection.  If this waits for the network most of the time, and slots are free,
the rest is fetched over several connections (REG-029, `docker_ranges`).
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from towline.errors import RegistryError, TowlineError
from towline.registry.error_body import redact_url
from towline.registry.retry import Retries
from towline.source.checks import size_limit
from towline.source.docker_ranges import ParallelRanges

if TYPE_CHECKING:
    from towline.core import ByteWriter
    from towline.image.descriptor import Descriptor
    from towline.registry.connection_slots import Division
    from towline.registry.response import Response
    from towline.source.blob_requests import BlobRequests

__all__ = ["DockerBlob", "open_blob"]

_READ_MAX = 1 << 20
_PROGRESS = 1 << 20  # bytes after which the retries are counted from zero again
_STEP = 256 << 10  # bytes of the first step
_STEP_SECONDS = 0.1  # the step after one that took less time is twice as long


def open_blob(requests: BlobRequests, descriptor: Descriptor, offset: int) -> DockerBlob:
    """Request a blob, from `offset` on if the server can do that.

    Raises:
        RegistryError: the registry cannot be reached, does not have the blob, or has one that is
            much too large (``registry.wrong_size``).
    """
    requests.slots.begin_layer()
    try:
        return DockerBlob(requests, descriptor, *requests.request(descriptor, offset))
    except BaseException:
        requests.slots.end_layer()
        raise


class DockerBlob:
    """A blob that a registry has begun to send; it is resumed if it breaks off."""

    def __init__(
        self, requests: BlobRequests, descriptor: Descriptor, response: Response, offset: int
    ) -> None:
        self._requests = requests
        self._descriptor = descriptor
        self._response = response
        self._undivided = bool(descriptor.urls)  # ranges are requested only from the registry
        self._closed = False
        self.offset = offset
        self._ended_at = -1  # where a body ended that did not state its length
        self._most = size_limit(descriptor)
        try:
            self._decode()
            length = response.length
            self.size: int | None = None if length is None else length + offset
            self._check_size(self.size or 0)
        except TowlineError:
            response.close()
            raise
        self._end = self.size  # REG-027: the size in the descriptor is no more than advice

    def deliver(self, writer: ByteWriter) -> None:
        """Write the blob's bytes from `offset` on; the caller checks the digest.

        Raises:
            RegistryError: ``registry.broken``, ``registry.stalled``, ``registry.wrong_size``, or
                the error of a retry; the bytes that were written are a prefix.
            PullCancelledError: the caller cancelled.
        """
        requests = self._requests
        start = writer.offset - self.offset
        retries = Retries(requests.limits.retries, requests.timeouts, requests.cancel.wait)
        broken = False
        while True:
            retries.pause()
            since = writer.offset
            with retries.attempt():
                try:
                    if broken:
                        self._resume(since - start)
                    return self._write_body(writer, start)
                except RegistryError:
                    broken = True
                    if writer.offset - since >= _PROGRESS:
                        retries.reset()
                    raise

    def close(self) -> None:
        """Release the connection and its slot; idempotent."""
        self._response.close()
        if not self._closed:
            self._closed = True
            self._requests.slots.end_layer()

    def _decode(self) -> None:
        """Decode the response if it is encoded, and not of the size of the blob (REG-053)."""
        stated, most = self._response.length, self._most
        if stated is None or self._descriptor.size not in (-1, stated):
            self._response.decode(self._requests.unsized_max if most is None else most)

    def _check_size(self, received: int) -> None:
        """Check the size of the blob, or the number of bytes that were received (REG-054)."""
        if self._most is None:
            self._requests.count_unsized(self._descriptor.digest_text, received)
        elif received > self._most:
            raise self._wrong_size(received)

    def _write_body(self, writer: ByteWriter, start: int) -> None:
        """Write the body to the end of the blob, which begins at offset `start` of the writer."""
        end = self._end
        steps = _Steps(self._response)
        while end is None or writer.offset - start < end:
            left = _READ_MAX if end is None else end - (writer.offset - start)
            if not self._may_divide(left):
                steps.size = left
            elif steps.mostly_wait(self._requests.slots.division) and self._divide(writer, start):
                steps = _Steps(self._response)
                continue
            if not self._response.append_to(writer, min(left, steps.size)):
                if end is None and self._is_end(writer.offset - start):
                    break
                raise self._short()
            self._check_size(writer.offset - start)
            steps.count()
        # One more read receives the end of a chunked body, so that the connection can be reused.
        if self._response.length is None and end is not None and self._response.read1(1):
            raise self._wrong_size(end + 1)
        self._response.close()

    def _is_end(self, position: int) -> bool:
        """Whether the blob ends where a body without a length ended.

        Such a body may have broken off, so the rest of a blob that is shorter than listed is
        requested once; if nothing follows, that is the end, and the digest decides.
        """
        if position >= self._descriptor.size or position == self._ended_at:
            return True
        self._ended_at = position
        return not self._requests.limits.retries

    def _may_divide(self, left: int) -> bool:
        """Whether the server supports ranges of this blob, and enough of it is left."""
        response, requests = self._response, self._requests
        return (
            requests.may_divide
            and not self._undivided
            and self._end is not None
            and left >= requests.slots.division.min_remaining
            and response.length is not None
            and (
                response.status == 206
                or "bytes" in (response.header("Accept-Ranges") or "").lower()
            )
        )

    def _divide(self, writer: ByteWriter, start: int) -> bool:
        """Fetch the rest over several connections; returns False if no helper could be started.

        The first connection receives the first range meanwhile.  If all helpers have failed by
        then, it continues.  If they fail later, the rest is requested over one connection.
        """
        assert self._end is not None
        requests, division = self._requests, self._requests.slots.division
        digest, end = self._descriptor.digest, self._end
        position = writer.offset - start
        first = position + division.range_size
        parallel = ParallelRanges(
            lambda first, last: requests.request_range(digest, first, last, end),
            first,
            end,
            requests.slots,
            requests.limits.retries,
            requests.timeouts,
            requests.cancel,
        )
        with closing(parallel):
            try:
                if not parallel.start_helpers():
                    self._undivided = parallel.failed
                    return False
                # The first connection receives the first range.
                while writer.offset - start < first:
                    if not self._response.append_to(writer, first - (writer.offset - start)):
                        raise self._short()
                if not parallel.start_helpers():
                    self._undivided = parallel.failed
                    return True
                self._response.close()
                requests.record_division(self._descriptor.digest_text)
                parallel.start_in_layer_slot()
                parallel.deliver(writer)
            finally:
                if parallel.refused:
                    requests.stop_dividing()
        reached = writer.offset - start
        # Do not divide again if the ranges broke off early.
        self._undivided = parallel.failed and reached - first < division.min_remaining
        if reached < end:
            self._resume(reached)
        return True

    def _resume(self, position: int) -> None:
        """Request the rest of the blob, and skip the bytes that were received before (REG-024)."""
        self._response.close()
        self._response, at = self._requests.request(self._descriptor, position, retries=0)
        if not at:  # a range is never encoded
            self._decode()
        length = self._response.length
        if length is not None and self._end is not None and length + at != self._end:
            self._response.close()
            raise self._wrong_size(length + at)
        while at < position:
            data = self._response.read1(min(_READ_MAX, position - at))
            if not data:
                raise self._short()
            at += len(data)

    def _short(self) -> RegistryError:
        return RegistryError(
            "registry.broken",
            cause="short",
            reason="unexpected EOF",
            url=redact_url(self._response.url),
            host=urlsplit(self._response.url).netloc,
        )

    def _wrong_size(self, got: int) -> RegistryError:
        return RegistryError(
            "registry.wrong_size",
            digest=self._descriptor.digest_text,
            want=self._descriptor.size,
            got=got,
            url=redact_url(self._response.url),
            host=urlsplit(self._response.url).netloc,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Steps:
    """Measures, in steps, how much of its time a connection waits for the network.

    Attributes:
        size: bytes of the current step.
    """

    def __init__(self, response: Response) -> None:
        self._response = response
        self.size = _STEP
        self._last = self._began = time.monotonic()
        self._idle = response.idle

    def count(self) -> None:
        """Count a finished step; the next one is longer if this one was short."""
        now = time.monotonic()
        if now - self._last < _STEP_SECONDS:
            self.size *= 2
        self._last = now

    def mostly_wait(self, division: Division) -> bool:
        """Whether most of a period was spent waiting; False before `Division.after` seconds."""
        now = time.monotonic()
        passed, waited = now - self._began, self._response.idle - self._idle
        if passed < division.after:
            return False
        self._began, self._idle = now, self._response.idle
        return waited >= passed * division.share
