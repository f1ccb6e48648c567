"""Copies a pipe or the standard input, which can be read only once, to a temporary file.

Archives are read in several places, and the digest of a layer is needed before its bytes.
(ARCH-024)
"""

from __future__ import annotations

import io
import logging
import os
import select
import sys
import tempfile
from typing import IO, TYPE_CHECKING

from towline.core import CoreError
from towline.errors import PathError, SourceError, path_errors
from towline.source.files import STDIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towline.core import Stop

__all__ = ["path_of", "spooled"]

_LOG = logging.getLogger("towline")
_PIECE = 1 << 20  # bytes
_POLL = 100  # milliseconds between two checks of the stop
_LARGE_FILES = "/var/tmp"  # as podman; /tmp is often in memory


def spooled(path: str, stop: Stop | None) -> IO[bytes]:
    """Read a stream to its end; return a file without a name that has its bytes.

    Raises:
        PathError: the stream cannot be read, or the file cannot be written.
        SourceError: ``archive.no_input``: the stream has no bytes.
        CoreError: ``cancelled``: `stop` was set.
    """
    folder = os.environ.get("TMPDIR") or _LARGE_FILES
    folder = folder if os.path.isdir(folder) else tempfile.gettempdir()
    shown = "the standard input" if path == STDIN else path
    text = "copying %s to a temporary file in %s, because it can be read only once"
    _LOG.info(text, shown, folder)
    with path_errors("write", folder):
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - the caller closes it
    try:
        for piece in _pieces(path, stop):
            with path_errors("write", folder):
                file.write(piece)
        with path_errors("write", folder):
            file.flush()
        if not file.tell():
            raise SourceError("archive.no_input", path=path)
    except BaseException:
        file.close()
        raise
    return file


def path_of(file: IO[bytes]) -> str:
    """Return a path at which an open file without a name can be opened again."""
    return f"/proc/self/fd/{file.fileno()}"


def _pieces(path: str, stop: Stop | None) -> Iterator[bytes]:
    if path != STDIN:
        with path_errors("open", path):
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            yield from _from_descriptor(fd, path, stop)
        finally:
            os.close(fd)
        return
    if sys.stdin is None:
        raise PathError.of("read", path, ValueError("there is no standard input"))
    try:
        fd = sys.stdin.fileno()
    except io.UnsupportedOperation:  # a program has replaced it with an object in memory
        yield sys.stdin.buffer.read()
        return
    yield from _from_descriptor(fd, path, stop)


def _from_descriptor(fd: int, path: str, stop: Stop | None) -> Iterator[bytes]:
    """The bytes of a descriptor; waiting for them ends with the stop."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    while True:
        if stop is not None and stop.is_set:
            raise CoreError("cancelled", 0, "stopped")
        with path_errors("read", path):
            if not poll.poll(_POLL):
                continue
            try:
                piece = os.read(fd, _PIECE)
            except BlockingIOError:
                continue
        if not piece:
            return
        yield piece
