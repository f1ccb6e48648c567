"""Hosts from which nothing can be pulled: nobody listens, or a registry that has no images."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["empty_registry", "nobody"]


@contextmanager
def nobody() -> Iterator[str]:
    """An address at which connections are refused."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


class _NoImages(BaseHTTPRequestHandler):
    """A registry that has nothing, in the words of docker-registry."""

    def do_GET(self) -> None:
        here = self.path == "/v2/"
        wrong = {"code": "MANIFEST_UNKNOWN", "message": "manifest unknown", "detail": {"Tag": "x"}}
        body = b"{}" if here else json.dumps({"errors": [wrong]}).encode()
        self.send_response(200 if here else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def empty_registry() -> Iterator[str]:
    """The address of a registry that has no image."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _NoImages)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
