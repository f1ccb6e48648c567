"""Progress on stderr: bars on a terminal, the edition's text elsewhere, JSON lines on request."""

from __future__ import annotations

import json
import os
import sys
import threading
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from towline.cli.show import print_note, print_warning, printed_log
from towline.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from rich.progress import Progress, TaskID

    from towline.progress import BlobProgress, TextWriter

__all__ = ["ProgressView", "progress_view"]

_DIGEST_SHOWN = 12  # hex digits of a digest next to its bar
_PLAIN_TERMINALS = ("", "dumb", "unknown")  # the values of TERM


class _Plain:
    """A writer of the wording's text that records whether the last line is complete."""

    def __init__(self) -> None:
        self.open_line = False

    def write(self, text: str, /) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
        self.open_line = not text.endswith("\n")


class _Bars:
    """One bar for each blob in transfer; the bars are removed after the pull."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._shown: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def report(self, blob: BlobProgress) -> None:
        with self.lock:
            if self._shown is None:
                self._shown = _new_bars()
                self._shown.start()
            if blob.digest not in self._tasks:
                shown = blob.digest.partition(":")[2][:_DIGEST_SHOWN]
                total = blob.total if blob.total >= 0 else None
                self._tasks[blob.digest] = self._shown.add_task(shown, total=total)
            self._shown.update(self._tasks[blob.digest], completed=blob.held)

    def end(self) -> None:
        with self.lock:
            # A stopped display is not started again: it would erase as many lines as it had.
            shown, self._shown = self._shown, None
            if shown is not None:
                # Removed before the stop, which shows all bars, also those below the last row.
                for task in self._tasks.values():
                    shown.remove_task(task)
                self._tasks.clear()
                shown.stop()


def _new_bars() -> Progress:
    from rich.console import Console  # a slow import, needed for a terminal only
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
    from rich.progress import TransferSpeedColumn as Speed

    class ConsoleWithCursor(Console):
        """A console that never hides the cursor, which a killed process could not show again."""

        def show_cursor(self, show: bool = True) -> bool:
            return False

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), Speed())
    # Without redirection, other output is written unchanged to its own stream.
    return Progress(
        *columns,
        console=ConsoleWithCursor(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )


@frozen
class ProgressView:
    """The progress outputs of a pull: a writer for text, a function for typed reports."""

    writer: TextWriter | None = None
    report: Callable[[BlobProgress], None] | None = None
    clear: Callable[[], None] | None = None
    lock: AbstractContextManager[object] = nullcontext()

    def prepare_output(self) -> None:
        """Remove the bars and end an incomplete line before other output is printed."""
        if self.clear is not None:
            self.clear()
        if isinstance(self.writer, _Plain) and self.writer.open_line:
            self.writer.write("\n")

    def print_above(self, show: Callable[[str], None], sentence: str) -> None:
        """Print a message during a pull, from any thread."""
        with self.lock:
            self.prepare_output()
            show(sentence)


@contextmanager
def progress_view(kind: str) -> Iterator[ProgressView]:
    """A view of the kind ``auto``, ``bar``, ``plain``, ``json`` or ``none``.

    It also prints the log while it is open; the view ``none`` prints only its warnings.
    """
    with _view(kind) as view:

        def warn(sentence: str) -> None:
            view.print_above(print_warning, sentence)

        def note(sentence: str) -> None:
            if kind != "none":
                view.print_above(print_note, sentence)

        with printed_log(warn, note):
            yield view


@contextmanager
def _view(kind: str) -> Iterator[ProgressView]:
    if kind in ("auto", "bar"):
        kind = "bar" if _can_move_cursor() else "plain"
    if kind == "bar":
        bars = _Bars()
        try:
            yield ProgressView(report=bars.report, clear=bars.end, lock=bars.lock)
        finally:
            bars.end()
    elif kind == "json":
        yield ProgressView(report=_report_json)
    elif kind == "plain":
        yield ProgressView(writer=_Plain())
    else:
        yield ProgressView()


def _can_move_cursor() -> bool:
    """Whether stderr is a terminal that has more than plain lines."""
    return sys.stderr.isatty() and os.environ.get("TERM", "").lower() not in _PLAIN_TERMINALS


def _report_json(blob: BlobProgress) -> None:
    sys.stderr.write(json.dumps(blob.to_json()) + "\n")
    sys.stderr.flush()
