"""Progress of pulls: text for a writer, and typed reports for a callback.

The text follows the recordings: lines are written whole, lines of layers may be in any order, and
all texts are from `towline.wording`.  (TEXT-001 to TEXT-009)
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Protocol

from towline.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from towline.wording import Wording

__all__ = ["BlobProgress", "BlobState", "Progress", "TextWriter"]

BlobState = Literal["begun", "moving", "done", "present"]
_TICK = 0.1  # seconds between two reports of a moving blob


class TextWriter(Protocol):
    """An object with a method ``write(str)``."""

    def write(self, text: str, /) -> object:
        """Write a text."""


@frozen
class BlobProgress:
    """The progress of one blob.

    Attributes:
        image: the image name of the pair.
        digest: of the blob.
        state: ``"begun"``, ``"moving"``, ``"done"``, or ``"present"`` if the store had it before.
        held: bytes in the store.
        total: bytes of the whole blob; -1 if unknown.
    """

    image: str
    digest: str
    state: BlobState
    held: int
    total: int

    def to_json(self) -> dict[str, Any]:
        """The progress as a JSON document."""
        return {
            "image": self.image,
            "digest": self.digest,
            "state": self.state,
            "held": self.held,
            "total": self.total,
        }


class Progress:
    """Reports the progress of copying images.  Safe in any number of threads."""

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
        """Write a text of the wording."""
        if self._writer is not None:
            text = self._wording.text(key, **facts)
            with self._lock:
                self._writer.write(text)

    def blob(self, progress: BlobProgress) -> None:
        """Report the progress of a blob."""
        if self._report is not None:
            with self._lock:
                self._report(progress)

    @contextmanager
    def moving(self, digest: str, measure: Callable[[], BlobProgress]) -> Iterator[None]:
        """Report the result of `measure` every 0.1 s while the context is open."""
        with self._lock:
            self._moving[digest] = measure
        try:
            yield
        finally:
            with self._lock:
                self._moving.pop(digest, None)

    @contextmanager
    def ticking(self) -> Iterator[None]:
        """Report moving blobs while the context is open; do nothing without a callback."""
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
                callbacks = list(self._moving.values())
            for measure in callbacks:
                self.blob(measure())
