"""The error of the core, raised by both the Rust extension and its Python twin.

`CoreError` has the table of codes and offsets.

A compressed stream is a sequence of *frames*: gzip members, bzip2 or xz streams, zstd or skippable
frames. The position in a damaged frame at which a decoder fails depends on the decoder; the
beginning of the frame does not. Its offset is in the stream that contains the frame. For the
outermost compression that is the file (or the member of a tar).

The content of a frame is unverified until its end was read. So an error in compression has
precedence over an error in the tar inside, and an error in an outer compression over one in an
inner compression; to find them the rest of the stream is read. Limits and errors of the operating
system end the work at once.
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
    "limit_frames",
    "limit_index",
    "limit_path",
    "limit_ratio",
    "not_tar",
    "truncated",
    "unsupported",
)

#: Codes that are not a property of the bytes: another attempt may succeed.
TRANSIENT = ("cancelled", "io")


class CoreError(Exception):
    """Bytes could not be read, written or verified; own byte writers raise it too.

    It is no `TowlineError`: towline makes one of it.

    =================  =======================================  ==================================
    code               meaning                                  offset
    =================  =======================================  ==================================
    ``cancelled``      stopped                                  position at that moment
    ..                 the writer was aborted or finished       bytes passed to the writer so far
    ``changed``        a file being written does not have the   first different byte, or its length
                       bytes that were written to it
    ``corrupt``        damaged tar                              the damaged header block
    ..                 damaged compression                      first byte of the damaged frame
    ``io``             error of the operating system            position in it; 0 at its opening
    ``limit_bytes``    more tar bytes than the limit            the limit
    ``limit_entries``  more members than the limit              first header block of that member
    ``limit_frames``   more frames than the limit               first byte of that frame
    ``limit_index``    members that count more bytes in an      first header block of that member
                       index than the limit
    ``limit_path``     a path longer than the limit             first header block of that member
    ``limit_ratio``    more bytes than the compression ratio    the limit for this size of input
                       allows
    ``not_tar``        the first block is not a tar header      0
    ``truncated``      the bytes end too early                  end of the bytes
    ..                 incomplete compressed data               first byte of the unfinished frame
    ``unsupported``    valid data that is not supported         of the frame; 0 for an algorithm
    =================  =======================================  ==================================

    Attributes:
        code: as in the table.
        offset: a byte position; the table has its meaning.
        detail: a description for people.
    """

    def __init__(self, code: str, offset: int, detail: str) -> None:
        super().__init__(code, offset, detail)
        self.code = code
        self.offset = offset
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.detail} ({self.code} at byte {self.offset})"
