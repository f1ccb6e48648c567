"""The bars of a terminal never erase what was printed before them."""

from __future__ import annotations

import io
import sys
from contextlib import ExitStack
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from tests.support.terminal import Screen
from towline.cli.progress_view import progress_view
from towline.progress import BlobProgress

SHOWN = {"TERM": "xterm", "NO_COLOR": "1"}


class TerminalFile(io.StringIO):
    """A text file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def blob(number: int, held: int) -> BlobProgress:
    """A report about one of several blobs."""
    return BlobProgress("x", f"sha256:{number:064x}", "moving", held, 9_000_000)


LINES = st.text("ab .:", min_size=1, max_size=150).map(str.strip).filter(bool)
#: A pull: the blobs that it reports, and the lines that are printed after it.
PULLS = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9_000_000)), max_size=40),
        st.lists(
            st.text("ab .:", min_size=1, max_size=150).map(str.strip).filter(bool), max_size=3
        ),
    ),
    max_size=5,
)


@given(pulls=PULLS, width=st.integers(15, 120), height=st.integers(2, 30))
def test_everything_printed_stays(
    pulls: list[tuple[list[tuple[int, int]], list[str]]], width: int, height: int
) -> None:
    """After any sequence of pulls the terminal has all lines, and nothing else."""
    written = TerminalFile()
    above = [f"line {number} of the shell" for number in range(height + 2)]
    expected = Screen(width, height)
    with ExitStack() as stack:
        size = {"COLUMNS": str(width), "LINES": str(height)}
        stack.enter_context(mock.patch.dict("os.environ", SHOWN | size))
        stack.enter_context(mock.patch.object(sys, "stderr", written))
        view = stack.enter_context(progress_view("auto"))
        assert view.report is not None
        for line in above:
            written.write(f"{line}\r\n")
            expected.feed(f"{line}\r\n")
        for reports, lines in pulls:
            for number, held in reports:
                view.report(blob(number, held))
            view.prepare_output()
            for line in lines:
                written.write(f"{line}\r\n")
                expected.feed(f"{line}\r\n")
    shown = Screen(width, height).feed(written.getvalue().replace("\n", "\r\n"))
    assert shown.cursor_visible
    assert shown.lines == expected.lines
