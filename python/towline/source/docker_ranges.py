"""The rest of a blob in pieces, over several connections at once (REG-029).

The thread that delivers a blob stays the only one that writes.  Fetchers, a thread and a connection
each, bring pieces into memory; the writer takes them in order, so that the file is a prefix at all
times, as resuming and following want it.  One fetcher works in the layer's own slot, the others are
helpers in slots that nobody needs, and each goes when there is nothing left to begin.

A piece that broke off goes back, with what it has, to whoever is free first.  Whatever a server
does instead of sending the range that was asked for ends the dividing, and never the blob: what was
brought is written up to the first gap, and the blob goes on there over one connection, which has
its own repetitions and its own errors.  So a server gains nothing by misbehaving here that it could
not have with one connection; in memory it holds what `Slots` allows, whatever it sends; bytes that
are wrong are found by the digest of the whole.

Locks: `Slots.changed` guards everything here; it is never held while something is sent, received or
written.  Cancelling cuts all sockets and wakes who waits.  Who ends the dividing cuts the fetchers
on their leashes and does not wait for them: one may still be opening a connection.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from towline.cancel import CancelToken
from towline.errors import PullCancelledError, RegistryError, TowlineError
from towline.registry.connection_slots import ConnectionSlots
from towline.registry.deadline import Canceller
from towline.registry.response import Response
from towline.registry.retry import delay, is_transient
from towline.timeouts import Timeouts

if TYPE_CHECKING:
    from towline.core import BlobWriter

__all__ = ["Pieces"]

_READ = 256 << 10
_PROGRESS = 1 << 20  # bytes after which a repetition counts as the first one again


@dataclass(slots=True, eq=False)
class _Piece:
    """A range of the blob.

    Attributes:
        first, end: where it begins, and the first byte behind it.
        got: how many of its bytes came.
        waiting: those of them that are not written yet, as they came: each byte is moved once.
        taken: a fetcher is at it.
    """

    first: int
    end: int
    got: int = 0
    waiting: deque[bytes] = field(default_factory=deque)
    taken: bool = False

    @property
    def left(self) -> int:
        return self.end - self.first - self.got


class Pieces:
    """Brings the bytes of a blob from `first` to `end`.  Close it: that cuts what is under way.

    Args:
        ask: the answer that brings the range from its first to its last byte, None from a server
            that gives something else.
        retries: how often a fetcher tries again without progress.
    """

    def __init__(
        self,
        ask: Callable[[int, int], Response | None],
        first: int,
        end: int,
        slots: ConnectionSlots,
        retries: int,
        timeouts: Timeouts,
        cancel: CancelToken,
    ) -> None:
        self._ask = ask
        self._next = first
        self._end = end
        self._slots = slots
        self._changed = slots.changed
        self._retries = retries
        self._timeouts = timeouts
        self._cancel = cancel
        self._pieces: deque[_Piece] = deque()
        self._fetchers: set[Canceller] = set()
        self._stopped = False
        #: A fetcher gave up; it gets no successor.
        self.failed = False
        self._forget = cancel.on_cancel(self._wake)
        #: The server gave something else than what was asked for, or wants fewer requests.
        self.refused = False

    def help(self) -> bool:
        """Begin to fetch in every slot that is free, if there is work; whether anybody fetches."""
        size = self._slots.division.piece
        while True:
            with self._changed:
                work = self._end - self._next > len(self._fetchers) * size
                full = self.refused or self.failed
            canceller = Canceller()
            if full or not work or not self._slots.help(canceller.cut):
                return bool(self._fetchers)
            self._begin(canceller, helper=True)

    def join(self) -> None:
        """Fetch in the layer's own slot too, whose first connection is closed."""
        self._begin(Canceller(), helper=False)

    def deliver(self, writer: BlobWriter) -> None:
        """Write what comes, in order, to the end or for as long as anybody fetches.

        Raises:
            PullCancelledError: the caller cancelled.
            CoreError: of the writer.
        """
        while (data := self._ready()) is not None:
            writer.write(data)
            self.help()

    def close(self) -> None:
        """Cut what is under way; idempotent."""
        with self._changed:
            self._stopped = True
            for piece in self._pieces:
                self._slots.free(piece.end - piece.first)
            self._pieces.clear()
            fetchers = list(self._fetchers)
            self._changed.notify_all()
        for canceller in fetchers:
            canceller.cut()
        self._forget()

    def _ready(self) -> bytes | None:
        """The next bytes of the blob; None at its end, or before a gap that nobody fills."""
        with self._changed:
            while True:
                self._cancel.raise_if_cancelled()
                front = self._pieces[0] if self._pieces else None
                if front is None:
                    if self._next >= self._end or not self._fetchers:
                        return None
                elif front.waiting:
                    return self._handed(front)
                elif not self._fetchers:
                    return None
                self._changed.wait()

    def _handed(self, front: _Piece) -> bytes:
        data = front.waiting.popleft()
        if not front.left and not front.waiting:
            self._pieces.popleft()
            self._slots.free(front.end - front.first)
        return data

    def _begin(self, canceller: Canceller, *, helper: bool) -> None:
        with self._changed:
            self._fetchers.add(canceller)
        fetcher = threading.Thread(
            target=self._fetch, args=(canceller, helper), name="towline-range", daemon=True
        )
        try:
            fetcher.start()
        except RuntimeError:  # the machine gives no more threads
            self.failed = True
            self._gone(canceller)

    def _fetch(self, canceller: Canceller, helper: bool) -> None:
        """The life of a fetcher."""
        brought = failures = 0
        try:
            with canceller.held():
                while (piece := self._take(canceller, helper)) is not None:
                    before = piece.got
                    try:
                        error = self._bring(piece)
                    finally:
                        self._give_back(piece)
                    came = piece.got - before
                    brought += came
                    failures = 0 if came >= _PROGRESS or error is None else failures
                    if error is None or canceller.is_cut:
                        continue
                    if helper and not brought:
                        # Not one more than this server takes.
                        self._slots.refuse()
                        self.failed = True
                        break
                    passing = isinstance(error, RegistryError) and is_transient(error)
                    if failures >= self._retries or not passing:
                        self.failed = True
                        break
                    self._pause(canceller, delay(failures, None, self._timeouts))
                    failures += 1
        finally:
            self._gone(canceller)

    def _gone(self, canceller: Canceller) -> None:
        self._slots.leave(canceller.cut)
        with self._changed:
            self._fetchers.discard(canceller)
            self._changed.notify_all()

    def _take(self, canceller: Canceller, helper: bool) -> _Piece | None:
        """The next piece to bring; None where there is none left to begin."""
        size = self._slots.division.piece
        with self._changed:
            while not self._over(canceller):
                for piece in self._pieces:
                    if piece.left and not piece.taken:
                        piece.taken = True
                        return piece
                size = min(size, self._end - self._next)
                alone = not helper and len(self._fetchers) == 1
                if not size or alone:  # one connection does better with one request
                    return None
                # The first one gets memory in any case: the writer waits for nothing else.
                if self._slots.hold(size, must=not self._pieces):
                    piece = _Piece(self._next, self._next + size, taken=True)
                    self._next += size
                    self._pieces.append(piece)
                    return piece
                self._changed.wait()
        return None

    def _bring(self, piece: _Piece) -> TowlineError | None:
        """Fetch what is left of a piece; what kept it from coming, if anything did."""
        try:
            answer = self._ask(piece.first + piece.got, piece.end - 1)
            if answer is None:
                self._refuse()
                return None
            with answer:
                while piece.left:
                    data = answer.take(min(_READ, piece.left))
                    if not data:
                        return RegistryError("registry.broken", cause="short")
                    self._add(piece, data)
                if answer.length is None:
                    answer.read1(1)  # the end of a chunked body
        except PullCancelledError:
            return None
        except TowlineError as error:
            if error.facts.get("status") == 429:
                self._refuse()
            return error
        return None

    def _add(self, piece: _Piece, data: bytes) -> None:
        with self._changed:
            if self._stopped:
                return
            piece.waiting.append(data)
            piece.got += len(data)
            if self._pieces[0] is piece:
                self._changed.notify_all()

    def _give_back(self, piece: _Piece) -> None:
        with self._changed:
            piece.taken = False
            self._changed.notify_all()

    def _pause(self, canceller: Canceller, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._over(canceller), seconds)

    def _refuse(self) -> None:
        """No more requests; what is here is still written."""
        with self._changed:
            self.refused = True
            fetchers = list(self._fetchers)
            self._changed.notify_all()
        for canceller in fetchers:
            canceller.cut()

    def _over(self, canceller: Canceller) -> bool:
        return self._stopped or self.refused or canceller.is_cut or self._cancel.cancelled

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
