"""The one error of the core, raised by the Rust extension and by its Python twin alike.

=================  =========================================  =====================================
code               what it means                              offset
=================  =========================================  =====================================
``cancelled``      stopped                                    where it was
..                 the writer was aborted or finished         bytes the writer had been given
``changed``        a file being written is not what was       first byte that differs, or its length
                   written to it
``corrupt``        damaged tar                                the header block that is wrong
..                 damaged compression                        first byte of the damaged frame
``io``             the operating system said no               where in the file, 0 at its opening
``limit_bytes``    more tar bytes than the budget             the budget
``limit_entries``  more members than the budget               first header block of that member
``limit_path``     a longer path than the budget              first header block of that member
``limit_ratio``    more bytes than the input may give         the budget that follows from the input
``not_tar``        the first block is not a tar header        0
``truncated``      the bytes end too early                    where they end
..                 compression cut short                      first byte of the unfinished frame
``unsupported``    a legal thing that is not read here        of the frame; 0 for an algorithm
=================  =========================================  =====================================

A *frame* is what a compressed stream is made of: a gzip member, a bzip2 or xz stream, a zstd or
skippable frame. How far into a damaged frame a decoder gets depends on the decoder; where the
frame begins does not, and it is counted in the stream that the frame stands in. For the
outermost compression that is the file (or the member of a tar).

Nothing in a frame is believed before its end was reached, so damage in compression has
precedence over what was found in the tar inside, and an outer compression over an inner one: the
rest of the stream is read to find out. Budgets, and errors of the operating system, end the work
at once.
"""

from __future__ import annotations

__all__ = ["CODES", "TRANSIENT", "CoreError"]

CODES = (
    "cancelled",
    "changed",
    "corrupt",
    "io",
    "limit_bytes",
    "limit_entries",
    "limit_path",
    "limit_ratio",
    "not_tar",
    "truncated",
    "unsupported",
)

#: These say nothing of the bytes: of the same ones something else may be said another time.
TRANSIENT = ("cancelled", "io")


class CoreError(Exception):
    """Bytes could not be read, written or believed.

    Attributes:
        code: one of `CODES`.
        offset: a byte position; the table above says of what.
        detail: plain words about it.
    """

    def __init__(self, code: str, offset: int, detail: str) -> None:
        super().__init__(code, offset, detail)
        self.code = code
        self.offset = offset
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.detail} ({self.code} at byte {self.offset})"
