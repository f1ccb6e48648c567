"""A proxy in front of a real registry that corrupts the responses a test selects."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from tests.support.scripted_server import Connection, Request, ScriptedServer, scripted

__all__ = ["Fault", "Real", "fault_proxy"]

_CONNECTION_HEADERS = ("connection", "content-length", "date", "transfer-encoding")


@dataclass(frozen=True, slots=True)
class Real:
    """The response of the real registry."""

    status: int
    headers: dict[str, str]
    body: bytes

    def send(
        self, connection: Connection, status: int | None = None, body: bytes | None = None
    ) -> None:
        """Send the response, unchanged or with another status or body."""
        headers = {name.replace("-", "_"): value for name, value in self.headers.items()}
        connection.reply(status or self.status, self.body if body is None else body, **headers)


class Fault(Protocol):
    """A function that sends a corrupted response; its name becomes part of the test's id."""

    __qualname__: str

    def __call__(self, request: Request, connection: Connection, real: Real, /) -> None: ...


@dataclass(slots=True)
class _Proxy:
    upstream: str
    fault: Fault
    where: str
    times: int
    done: list[str] = field(default_factory=list)

    def __call__(self, request: Request, connection: Connection) -> None:
        real = self._forward(request)
        if self.where in request.path and len(self.done) < self.times:
            self.done.append(request.target)
            self.fault(request, connection, real)
        else:
            real.send(connection)

    def _forward(self, request: Request) -> Real:
        kept = {
            name: value
            for name, value in request.headers.items()
            if name not in ("host", "connection")
        }
        with contextlib.closing(http.client.HTTPConnection(self.upstream, timeout=30)) as real:
            real.request(request.method, request.target, headers=kept)
            response = real.getresponse()
            headers = {
                name: value
                for name, value in response.getheaders()
                if name.lower() not in _CONNECTION_HEADERS
            }
            return Real(response.status, headers, response.read())


@contextlib.contextmanager
def fault_proxy(
    upstream: str, fault: Fault, where: str, times: int = 1_000_000
) -> Iterator[ScriptedServer]:
    """Run the proxy until the context ends.

    Args:
        upstream: `host:port` of the real registry.
        fault: sends the corrupted responses.
        where: a part of the paths whose responses are corrupted, such as `/blobs/`.
        times: how many responses are corrupted; later ones pass unchanged.
    """
    with scripted(_Proxy(upstream, fault, where, times)) as server:
        yield server
