"""The body of an answer, taken from its socket past the buffers of `http.client`."""

from __future__ import annotations

import socket
import ssl
import time
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from towline.core import BlobWriter

__all__ = ["SocketBody"]

_HANDFUL = 256 << 10  # bytes that are handed on together
_SOON = 0.1  # seconds after which those are handed on that are here


class SocketBody(HTTPResponse):
    """An answer whose body can be taken from the socket itself, past all buffers."""

    def __init__(self, line: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(line, *args, **kwargs)
        # Inside TLS the socket holds other bytes than the body's; TLS inside TLS is no socket.
        self._plain = line if type(line) is socket.socket else None
        self._line = line if isinstance(line, ssl.SSLSocket) else self._plain
        self._buffered = True  # bytes of the body may lie in the buffer of the head

    @property
    def direct(self) -> bool:
        """Whether `receive` can be used: plain HTTP, and a body of a length that is known."""
        return self._plain is not None and self.sized

    @property
    def sized(self) -> bool:
        """Whether `take` can be used: a body of a length that is known."""
        return self._line is not None and self.length is not None and self.fp is not None

    def take(self, most: int) -> bytes:
        """Up to `most` bytes of the body, as many as come soon; none at its end.

        A network brings little at a time, and OpenSSL one record of 16 KiB; to carry each through
        all buffers costs more than to decrypt it.

        Raises:
            OSError: of the socket.
        """
        assert self._line is not None
        assert self.length is not None
        most = min(most, self.length, _HANDFUL)
        if held := self._held(most):
            return held
        view = memoryview(bytearray(most))
        count, until = 0, time.monotonic() + _SOON
        while count < most:
            try:
                came = self._line.recv_into(view[count:])
            except OSError:
                if count:
                    break  # what came is handed on; the next call meets the error again
                raise
            count += came
            if not came or time.monotonic() > until:
                break
        self.length -= count
        return bytes(view[:count])

    def receive(self, writer: BlobWriter, most: int, patience: float) -> tuple[int, float]:
        """Append up to `most` bytes of the body to a writer.

        Args:
            writer: it takes them.
            most: the body's own length bounds it too.
            patience: seconds that may be spent waiting for the server, in all.

        Returns:
            How many bytes came, fewer where the server closed the connection or the patience was
            not enough, and how long it was waited.

        Raises:
            OSError: of the socket.
            CoreError: of the writer.
        """
        assert self._plain is not None
        assert self.length is not None
        assert self.fp is not None
        most = min(most, self.length)
        if held := self._held(most):
            writer.write(held)
            return len(held), 0.0
        count, waited = writer.receive(self._plain.fileno(), most, patience)
        self.length -= count
        return count, waited

    def _held(self, most: int) -> bytes:
        """What came with the head; with nothing in the buffer, nothing is ever read into it."""
        assert self.length is not None
        assert self.fp is not None
        held = self.fp.peek()[:most] if self._buffered else b""
        if held:
            self.fp.read(len(held))
            self.length -= len(held)
        self._buffered = bool(held) and len(held) == most
        return held
