"""A blob that comes from a registry: taken up where it breaks off, divided where that pays.

It begins over one connection.  Where that turns out to wait for the network most of the time, and
slots are free, the rest comes over several (REG-029, `docker_ranges`); a connection that is as fast
as we are stays alone.
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from towline.errors import RegistryError
from towline.image.descriptor import Descriptor
from towline.registry.connection_slots import Division
from towline.registry.error_body import redact_url
from towline.registry.response import Response
from towline.registry.retry import delay, is_transient
from towline.source.blob_requests import BlobRequests
from towline.source.docker_ranges import Pieces

if TYPE_CHECKING:
    from towline.core import BlobWriter

__all__ = ["DockerBlob", "open_blob"]

_PIECE = 1 << 20
_PROGRESS = 1 << 20  # bytes after which a repetition counts as the first one again
_STEP = 256 << 10  # bytes after which a connection is looked at for the first time
_STEP_SECONDS = 0.1  # a step that took less is followed by one twice as long


def open_blob(requests: BlobRequests, descriptor: Descriptor, offset: int) -> DockerBlob:
    """Request a blob, from `offset` on if the server can do that.

    Raises:
        RegistryError: the registry cannot be reached, does not have the blob, or has one of
            another size (``registry.wrong_size``).
    """
    requests.slots.begin()
    try:
        return DockerBlob(requests, descriptor, *requests.find(descriptor, offset))
    except BaseException:
        requests.slots.end()
        raise


class DockerBlob:
    """A blob that a registry began to send.  Where the sending breaks off, it is taken up again."""

    def __init__(
        self, requests: BlobRequests, descriptor: Descriptor, answer: Response, offset: int
    ) -> None:
        self._requests = requests
        self._descriptor = descriptor
        self._answer = answer
        self._alone = bool(descriptor.urls)  # whatever the registry says, it may lie elsewhere
        self._closed = False
        self.offset = offset
        length = answer.length
        self.size: int | None = None if length is None else length + offset
        by_manifest = descriptor.size if descriptor.size >= 0 else None
        if requests.rules.blob_size == "answer":  # REG-027
            self._end = self.size
            return
        self._end = by_manifest if by_manifest is not None else self.size
        if self.size is not None and by_manifest is not None and self.size != by_manifest:
            answer.close()
            raise self._wrong_size(self.size)

    def deliver(self, writer: BlobWriter) -> None:
        """Write the blob's bytes from `offset` on; the caller checks the digest.

        Raises:
            RegistryError: ``registry.broken``, ``registry.stalled``, ``registry.wrong_size``, or
                what asking again brought; what was written is a prefix.
            PullCancelledError: the caller cancelled.
        """
        requests = self._requests
        position = since = self.offset
        start = writer.offset - position
        failures = 0
        while True:
            try:
                if failures:
                    self._resume(position)
                self._pour(writer, start)
            except RegistryError as error:
                position = writer.offset - start
                if position - since >= _PROGRESS:
                    failures = 0
                if failures >= requests.rules.retries or not is_transient(error):
                    raise
            else:
                return
            requests.cancel.wait(delay(failures, None, requests.timeouts))
            since = position
            failures += 1

    def close(self) -> None:
        """Let go of the connection; idempotent."""
        self._answer.close()
        if not self._closed:
            self._closed = True
            self._requests.slots.end()

    def _pour(self, writer: BlobWriter, start: int) -> None:
        """Write what comes of the body, up to the end of the blob, which begins at `start`."""
        end = self._end
        pace = _Pace(self._answer)
        while end is None or writer.offset - start < end:
            left = _PIECE if end is None else end - (writer.offset - start)
            if not self._may_divide(left):
                pace.step = left
            elif pace.waits(self._requests.slots.division) and self._divide(writer, start):
                pace = _Pace(self._answer)
                continue
            if not self._answer.pour(writer, min(left, pace.step)):
                if end is None:
                    break
                raise self._short()
            pace.stepped()
        # One read more: it takes the end of a chunked body, so that the connection can be kept.
        if self._answer.length is None and end is not None and self._answer.read1(1):
            raise self._wrong_size(end + 1)
        self._answer.close()

    def _may_divide(self, left: int) -> bool:
        """Whether the server gives ranges of this blob, and enough of it is left."""
        answer, requests = self._answer, self._requests
        return (
            requests.may_divide
            and not self._alone
            and self._end is not None
            and left >= requests.slots.division.worth
            and answer.length is not None
            and (answer.status == 206 or "bytes" in (answer.header("Accept-Ranges") or "").lower())
        )

    def _divide(self, writer: BlobWriter, start: int) -> bool:
        """Fetch the rest over several connections, as far as they bring it; False without any.

        Where they all give up before the first piece is here, nothing else is lost: the first
        connection goes on.
        """
        assert self._end is not None
        requests, division = self._requests, self._requests.slots.division
        digest, end = self._descriptor.digest, self._end
        position = writer.offset - start
        first = position + division.piece
        pieces = Pieces(
            lambda first, last: requests.find_range(digest, first, last, end),
            first,
            end,
            requests.slots,
            requests.rules.retries,
            requests.timeouts,
            requests.cancel,
        )
        with closing(pieces):
            try:
                if not pieces.help():
                    self._alone = pieces.failed
                    return False
                # What the first connection has under way is the first piece.
                while writer.offset - start < first:
                    if not self._answer.pour(writer, first - (writer.offset - start)):
                        raise self._short()
                if not pieces.help():
                    self._alone = pieces.failed
                    return True
                self._answer.close()
                requests.record_division(self._descriptor.digest_text)
                pieces.join()
                pieces.deliver(writer)
            finally:
                if pieces.refused:
                    requests.stop_dividing()
        reached = writer.offset - start
        # A server that breaks off again and again is not asked like this for ever.
        self._alone = pieces.failed and reached - first < division.worth
        if reached < end:
            self._resume(reached)
        return True

    def _resume(self, position: int) -> None:
        """Ask for the rest of the blob, and pass over what of it is here already (REG-024)."""
        self._answer.close()
        self._answer, at = self._requests.find(self._descriptor, position, retries=0)
        length = self._answer.length
        if length is not None and self._end is not None and length + at != self._end:
            self._answer.close()
            raise self._wrong_size(length + at)
        while at < position:
            data = self._answer.read1(min(_PIECE, position - at))
            if not data:
                raise self._short()
            at += len(data)

    def _short(self) -> RegistryError:
        return RegistryError(
            "registry.broken",
            cause="short",
            reason="unexpected EOF",
            url=redact_url(self._answer.url),
            host=urlsplit(self._answer.url).netloc,
        )

    def _wrong_size(self, got: int) -> RegistryError:
        return RegistryError(
            "registry.wrong_size",
            digest=self._descriptor.digest_text,
            want=self._descriptor.size,
            got=got,
            url=redact_url(self._answer.url),
            host=urlsplit(self._answer.url).netloc,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Pace:
    """How a connection goes: in steps, that tell whether it waits for the network.

    Attributes:
        step: how many bytes to take before looking again.
    """

    def __init__(self, answer: Response) -> None:
        self._answer = answer
        self.step = _STEP
        self._stepped = self._began = time.monotonic()
        self._idle = answer.idle

    def stepped(self) -> None:
        """A step is done: the next one is longer where this one took no time."""
        now = time.monotonic()
        if now - self._stepped < _STEP_SECONDS:
            self.step *= 2
        self._stepped = now

    def waits(self, division: Division) -> bool:
        """Whether most of the time since the last look was waiting; looks again after a while."""
        now = time.monotonic()
        passed, waited = now - self._began, self._answer.idle - self._idle
        if passed < division.after:
            return False
        self._began, self._idle = now, self._answer.idle
        return waited >= passed * division.share
