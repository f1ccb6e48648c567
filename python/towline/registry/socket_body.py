"""Response bodies that are read from the socket without the buffers of `http.client`."""

from __future__ import annotations

import socket
import ssl
import time
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from towline.core import ByteWriter

__all__ = ["SocketBody"]

_BATCH_MAX = 256 << 10  # bytes that are returned at once
_BATCH_SECONDS = 0.1  # after which an incomplete batch is returned


class SocketBody(HTTPResponse):
    """An HTTP response whose body can be read from the socket directly."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        # With TLS the socket has encrypted bytes; TLS inside TLS is not a socket object.
        self._plain_socket = sock if type(sock) is socket.socket else None
        self._socket = sock if isinstance(sock, ssl.SSLSocket) else self._plain_socket
        self._may_be_buffered = True  # the headers may be read with first bytes of the body

    @property
    def direct(self) -> bool:
        """Whether `receive` can be used: plain HTTP and a body of known length."""
        return self._plain_socket is not None and self.sized

    @property
    def sized(self) -> bool:
        """Whether `read_batch` can be used: a body of known length."""
        return self._socket is not None and self.length is not None and self.fp is not None

    def read_batch(self, most: int) -> bytes:
        """Read up to `most` bytes, those that arrive within 0.1 s; none at the end of the body.

        A read of the socket returns few bytes, and one of OpenSSL a record of 16 KiB.  Copying each
        through all buffers costs more than decrypting it.

        Raises:
            OSError: of the socket.
        """
        assert self._socket is not None
        assert self.length is not None
        most = min(most, self.length, _BATCH_MAX)
        if data := self._buffered_bytes(most):
            return data
        view = memoryview(bytearray(most))
        count, until = 0, time.monotonic() + _BATCH_SECONDS
        while count < most:
            try:
                received = self._socket.recv_into(view[count:])
            except OSError:
                if count:
                    break  # return the received bytes; the next call raises the error again
                raise
            count += received
            if not received or time.monotonic() > until:
                break
        self.length -= count
        return bytes(view[:count])

    def receive(self, writer: ByteWriter, most: int, max_wait: float) -> tuple[int, float]:
        """Append up to `most` bytes of the body to a writer.

        Args:
            writer: receives the bytes.
            most: also limited by the rest of the body.
            max_wait: the most seconds to wait for the server, in total.

        Returns:
            How many bytes were received, fewer if the server closed the connection or `max_wait`
            passed; and the seconds that were spent waiting.

        Raises:
            OSError: of the socket.
            CoreError: of the writer.
        """
        assert self._plain_socket is not None
        assert self.length is not None
        assert self.fp is not None
        most = min(most, self.length)
        if data := self._buffered_bytes(most):
            writer.write(data)
            return len(data), 0.0
        count, waited = writer.receive(self._plain_socket.fileno(), most, max_wait)
        self.length -= count
        return count, waited

    def _buffered_bytes(self, most: int) -> bytes:
        """Bytes of the body that were read with the headers.

        Once the buffer is empty, nothing is read into it again.
        """
        assert self.length is not None
        assert self.fp is not None
        data = self.fp.peek()[:most] if self._may_be_buffered else b""
        if data:
            self.fp.read(len(data))
            self.length -= len(data)
        self._may_be_buffered = bool(data) and len(data) == most
        return data
