"""Fetches the rest of a blob as ranges, over several connections at once (REG-029).

Only the thread that delivers the blob writes.  Fetchers, each a thread with one connection, read
ranges into memory, and the writer takes them in order.  So the file is a prefix of the blob at all
times, as resuming and following require.  One fetcher uses the slot of the layer; the others are
helpers in free slots, and each ends when no range is left.

A range that breaks off keeps its bytes, and the next free fetcher continues it.  If the server
sends anything but the requested range, no more ranges are requested, but the blob does not fail:
the bytes up to the first gap are written, and the rest is fetched over one connection, with its own
retries and errors.  So a server can do no more harm here than over one connection: the memory is
limited by `ConnectionSlots`, and wrong bytes are detected by the digest of the blob.

Locking: `ConnectionSlots.changed` guards all state and is never held during network or file I/O.
Cancelling shuts all sockets down and notifies the condition.  `close` shuts the sockets of the
fetchers down and does not join their threads: one may still be opening a connection.
"""

from __future__ import annotations

import threading
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from towline.errors import PullCancelledError, RegistryError, TowlineError
from towline.registry.deadline import Canceller
from towline.registry.retry import Retries

if TYPE_CHECKING:
    from collections.abc import Callable

    from towline.cancel import CancelToken
    from towline.core import ByteWriter
    from towline.registry.connection_slots import ConnectionSlots
    from towline.registry.response import Response
    from towline.timeouts import Timeouts

__all__ = ["ParallelRanges"]

_READ = 256 << 10
_PROGRESS = 1 << 20  # bytes after which the retries are counted from zero again


class _Range:
    """A range of the blob.

    Attributes:
        first, end: its first byte, and the first byte after it.
        received: how many of its bytes were received.
        unwritten: the received bytes that are not written yet, not joined, to avoid copying.
        assigned: a fetcher is working on it.
    """

    __slots__ = ("assigned", "end", "first", "received", "unwritten")

    def __init__(self, first: int, end: int, *, assigned: bool) -> None:
        self.first = first
        self.end = end
        self.received = 0
        self.unwritten: deque[bytes] = deque()
        self.assigned = assigned

    @property
    def missing(self) -> int:
        return self.end - self.first - self.received


class ParallelRanges:
    """Fetches the bytes of a blob from `first` to `end`.  Close it: that cuts all requests.

    Args:
        request: requests the bytes from a first to a last one; None if the server sends others.
        retries: how often a fetcher retries without progress.

    Attributes:
        failed: a fetcher gave up; it is not replaced.
        refused: the server sent something else than was requested, or too many requests were made.
    """

    def __init__(
        self,
        request: Callable[[int, int], Response | None],
        first: int,
        end: int,
        slots: ConnectionSlots,
        retries: int,
        timeouts: Timeouts,
        cancel: CancelToken,
    ) -> None:
        self.failed = False
        self.refused = False
        self._request = request
        self._next = first
        self._end = end
        self._slots = slots
        self._changed = slots.changed
        self._retries = retries
        self._timeouts = timeouts
        self._cancel = cancel
        self._ranges: deque[_Range] = deque()
        self._fetchers: set[Canceller] = set()
        self._closed = False
        self._unregister = cancel.on_cancel(self._notify)

    def start_helpers(self) -> bool:
        """Start a fetcher in each free slot while ranges remain; returns whether any is running."""
        size = self._slots.division.range_size
        while True:
            with self._changed:
                work = self._end - self._next > len(self._fetchers) * size
                ending = self.refused or self.failed
            canceller = Canceller()
            if ending or not work or not self._slots.add_helper(canceller.cut):
                return bool(self._fetchers)
            self._start_fetcher(canceller, helper=True)

    def start_in_layer_slot(self) -> None:
        """Start a fetcher in the slot of the layer, whose first connection is closed."""
        self._start_fetcher(Canceller(), helper=False)

    def deliver(self, writer: ByteWriter) -> None:
        """Write the bytes in order, to the end or until no fetcher is running.

        Raises:
            PullCancelledError: the caller cancelled.
            CoreError: of the writer.
        """
        while (data := self._next_bytes()) is not None:
            writer.write(data)
            self.start_helpers()

    def close(self) -> None:
        """Cut all requests; idempotent."""
        with self._changed:
            self._closed = True
            for each in self._ranges:
                self._slots.release(each.end - each.first)
            self._ranges.clear()
            fetchers = list(self._fetchers)
            self._changed.notify_all()
        for canceller in fetchers:
            canceller.cut()
        self._unregister()

    def _next_bytes(self) -> bytes | None:
        """The next bytes of the blob; None at its end, or if no fetcher is left to receive them."""
        with self._changed:
            while True:
                self._cancel.raise_if_cancelled()
                front = self._ranges[0] if self._ranges else None
                if front is None:
                    if self._next >= self._end or not self._fetchers:
                        return None
                elif front.unwritten:
                    return self._pop_bytes(front)
                elif not self._fetchers:
                    return None
                self._changed.wait()

    def _pop_bytes(self, front: _Range) -> bytes:
        data = front.unwritten.popleft()
        if not front.missing and not front.unwritten:
            self._ranges.popleft()
            self._slots.release(front.end - front.first)
        return data

    def _start_fetcher(self, canceller: Canceller, *, helper: bool) -> None:
        with self._changed:
            self._fetchers.add(canceller)
        fetcher = threading.Thread(
            target=self._run_fetcher, args=(canceller, helper), name="towline-range", daemon=True
        )
        try:
            fetcher.start()
        except RuntimeError:  # the system allows no more threads
            self.failed = True
            self._end_fetcher(canceller)

    def _run_fetcher(self, canceller: Canceller, helper: bool) -> None:
        """Fetch ranges until none is left or the fetcher is stopped; runs in its own thread."""
        total = 0
        retries = Retries(self._retries, self._timeouts, partial(self._pause, canceller))
        try:
            with canceller.active():
                while (current := self._assign(canceller, helper)) is not None:
                    before = current.received
                    with retries.attempt():
                        try:
                            self._fetch(current)
                            retries.reset()
                        except TowlineError:
                            if canceller.is_cut:
                                continue
                            if helper and not total + current.received - before:
                                # The server seems to refuse this many connections.
                                self._slots.lower_limit()
                                self.failed = True
                                break
                            if current.received - before >= _PROGRESS:
                                retries.reset()
                            raise
                        finally:
                            self._unassign(current)
                            total += current.received - before
                    retries.pause()
        except TowlineError:
            self.failed = True
        finally:
            self._end_fetcher(canceller)

    def _end_fetcher(self, canceller: Canceller) -> None:
        self._slots.remove_helper(canceller.cut)
        with self._changed:
            self._fetchers.discard(canceller)
            self._changed.notify_all()

    def _assign(self, canceller: Canceller, helper: bool) -> _Range | None:
        """The next range to fetch; None if none is left or the fetcher must end."""
        size = self._slots.division.range_size
        with self._changed:
            while not self._must_end(canceller):
                for each in self._ranges:
                    if each.missing and not each.assigned:
                        each.assigned = True
                        return each
                size = min(size, self._end - self._next)
                alone = not helper and len(self._fetchers) == 1
                if not size or alone:  # a single connection is faster with a single request
                    return None
                # The first range gets memory in any case: the writer waits for nothing else.
                if self._slots.reserve(size, force=not self._ranges):
                    new = _Range(self._next, self._next + size, assigned=True)
                    self._next += size
                    self._ranges.append(new)
                    return new
                self._changed.wait()
        return None

    def _fetch(self, current: _Range) -> None:
        """Fetch the missing bytes of a range, unless the caller cancels.

        Raises:
            TowlineError: they were not all received.
        """
        try:
            response = self._request(current.first + current.received, current.end - 1)
            if response is None:
                self._refuse()
                return
            with response:
                while current.missing:
                    data = response.read_batch(min(_READ, current.missing))
                    if not data:
                        raise RegistryError("registry.broken", cause="short")
                    self._add(current, data)
                if response.length is None:
                    response.read1(1)  # the end of a chunked body
        except PullCancelledError:
            return
        except TowlineError as error:
            if error.facts.get("status") == 429:
                self._refuse()
            raise

    def _add(self, current: _Range, data: bytes) -> None:
        with self._changed:
            if self._closed:
                return
            current.unwritten.append(data)
            current.received += len(data)
            if self._ranges[0] is current:
                self._changed.notify_all()

    def _unassign(self, current: _Range) -> None:
        with self._changed:
            current.assigned = False
            self._changed.notify_all()

    def _pause(self, canceller: Canceller, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._must_end(canceller), seconds)

    def _refuse(self) -> None:
        """Make no more requests; the received bytes are still written."""
        with self._changed:
            self.refused = True
            fetchers = list(self._fetchers)
            self._changed.notify_all()
        for canceller in fetchers:
            canceller.cut()

    def _must_end(self, canceller: Canceller) -> bool:
        return self._closed or self.refused or canceller.is_cut or self._cancel.cancelled

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()
