"""Progress on stderr: bars on a terminal, the recorded text elsewhere, JSON lines for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from towline.progress import BlobProgress, TextWriter

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["ProgressView", "progress_view"]

_DIGEST_SHOWN = 12  # hex digits of a digest beside its bar


class _Plain:
    """Text as the wording has it; remembers whether the last line was ended."""

    def __init__(self) -> None:
        self.open_line = False

    def write(self, text: str, /) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
        self.open_line = not text.endswith("\n")


class _Bars:
    """One bar for each blob that moves, gone when the pull is over."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def report(self, blob: BlobProgress) -> None:
        self._bars.start()  # once more changes nothing
        if blob.digest not in self._tasks:
            shown = blob.digest.partition(":")[2][:_DIGEST_SHOWN]
            total = blob.total if blob.total >= 0 else None
            self._tasks[blob.digest] = self._bars.add_task(shown, total=total)
        self._bars.update(self._tasks[blob.digest], completed=blob.held)

    def end(self) -> None:
        self._bars.stop()
        for task in self._tasks.values():
            self._bars.remove_task(task)
        self._tasks.clear()


@dataclass(slots=True)
class ProgressView:
    """What a pull is given: a writer for text, a function for typed reports."""

    writer: TextWriter | None = None
    report: Callable[[BlobProgress], None] | None = None
    clear: Callable[[], None] | None = None

    def make_way(self) -> None:
        """End a line that the text left open, and take bars away, for what is to be printed."""
        if self.clear is not None:
            self.clear()
        if isinstance(self.writer, _Plain) and self.writer.open_line:
            self.writer.write("\n")


@contextmanager
def progress_view(kind: str) -> Iterator[ProgressView]:
    """The view of that kind: ``auto``, ``bar``, ``plain``, ``json`` or ``none``."""
    if kind == "auto":
        kind = "bar" if sys.stderr.isatty() else "plain"
    if kind == "bar":
        from rich.console import Console  # heavy, and only a terminal needs it
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
        from rich.progress import TransferSpeedColumn as Speed

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), Speed())
        # What is printed must reach its own stream, whole and as it is, and not that of the bars.
        bars = _Bars(
            Progress(
                *columns,
                console=Console(stderr=True),
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
        )
        try:
            yield ProgressView(report=bars.report, clear=bars.end)
        finally:
            bars.end()
    elif kind == "json":
        yield ProgressView(report=_report_json)
    elif kind == "plain":
        yield ProgressView(writer=_Plain())
    else:
        yield ProgressView()


def _report_json(blob: BlobProgress) -> None:
    sys.stderr.write(json.dumps(asdict(blob)) + "\n")
    sys.stderr.flush()
