"""Progress: the text that a writer gets, and typed reports for those who draw their own.

The text follows the recordings: each line is whole, lines of layers come in any order, and nothing
is written that is not in `towline.wording`.  (TEXT-001 to TEXT-009)
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

from towline.wording import Wording

__all__ = ["BlobProgress", "BlobState", "Progress", "TextWriter"]

BlobState = Literal["begun", "moving", "done", "present"]
_TICK = 0.1  # seconds between two reports of a moving blob


class TextWriter(Protocol):
    """Anything with ``write(str)``."""

    def write(self, text: str, /) -> object:
        """Take a piece of text."""


@dataclass(frozen=True, slots=True)
class BlobProgress:
    """Where one blob stands.

    Attributes:
        image: the pair's image name.
        digest: of the blob.
        state: ``"begun"``, ``"moving"``, ``"done"``, or ``"present"`` for one that was here.
        held: bytes that are here.
        total: bytes in all; -1 where unknown.
    """

    image: str
    digest: str
    state: BlobState
    held: int
    total: int


class Progress:
    """Where the copying of images tells what it does.  Safe to call from many threads."""

    def __init__(
        self,
        wording: Wording,
        writer: TextWriter | None = None,
        report: Callable[[BlobProgress], None] | None = None,
    ) -> None:
        self._wording = wording
        self._writer = writer
        self._report = report
        self._lock = threading.Lock()
        self._moving: dict[str, Callable[[], BlobProgress]] = {}

    def say(self, key: str, /, **facts: object) -> None:
        """Write one of the wording's texts."""
        if self._writer is not None:
            text = self._wording.text(key, **facts)
            with self._lock:
                self._writer.write(text)

    def blob(self, progress: BlobProgress) -> None:
        """Report where a blob stands."""
        if self._report is not None:
            with self._lock:
                self._report(progress)

    @contextmanager
    def moving(self, digest: str, ask: Callable[[], BlobProgress]) -> Iterator[None]:
        """While this is open, `ask` is asked every tenth of a second where the blob stands."""
        with self._lock:
            self._moving[digest] = ask
        try:
            yield
        finally:
            with self._lock:
                self._moving.pop(digest, None)

    @contextmanager
    def ticking(self) -> Iterator[None]:
        """Report moving blobs while this is open; without anyone to report to it does nothing."""
        if self._report is None:
            yield
            return
        stop = threading.Event()
        ticker = threading.Thread(target=self._tick, args=(stop,), name="towline-progress")
        ticker.start()
        try:
            yield
        finally:
            stop.set()
            ticker.join()

    def _tick(self, stop: threading.Event) -> None:
        while not stop.wait(_TICK):
            with self._lock:
                asks = list(self._moving.values())
            for ask in asks:
                self.blob(ask())
