"""Hosts from which nothing can be pulled: a closed port, and a registry without images."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["empty_registry", "refusing_address"]


@contextmanager
def refusing_address() -> Iterator[str]:
    """An address at which connections are refused."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


class _NoImages(BaseHTTPRequestHandler):
    """A registry without images, with the error responses of docker-registry."""

    def do_GET(self) -> None:
        is_ping = self.path == "/v2/"
        error = {"code": "MANIFEST_UNKNOWN", "message": "manifest unknown", "detail": {"Tag": "x"}}
        body = b"{}" if is_ping else json.dumps({"errors": [error]}).encode()
        self.send_response(200 if is_ping else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Write no log."""


@contextmanager
def empty_registry() -> Iterator[str]:
    """Run a registry that has no image, and yield its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _NoImages)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
