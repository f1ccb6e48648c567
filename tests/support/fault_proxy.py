"""A proxy in front of a real registry that spoils the answers that a test wants spoilt."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from tests.support.scripted_server import Line, Request, ScriptedServer, scripted

__all__ = ["Fault", "Real", "fault_proxy"]

_OF_THE_CONNECTION = ("connection", "content-length", "date", "transfer-encoding")


@dataclass(frozen=True, slots=True)
class Real:
    """What the real registry answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    def send(self, line: Line, status: int | None = None, body: bytes | None = None) -> None:
        """Pass it on, as it is or changed."""
        headers = {name.replace("-", "_"): value for name, value in self.headers.items()}
        line.reply(status or self.status, self.body if body is None else body, **headers)


class Fault(Protocol):
    """What becomes of an answer; a function, whose name names the test."""

    __qualname__: str

    def __call__(self, request: Request, line: Line, real: Real, /) -> None: ...


@dataclass(slots=True)
class _Proxy:
    upstream: str
    fault: Fault
    where: str
    times: int
    done: list[str] = field(default_factory=list)

    def __call__(self, request: Request, line: Line) -> None:
        real = self._ask(request)
        if self.where in request.path and len(self.done) < self.times:
            self.done.append(request.target)
            self.fault(request, line, real)
        else:
            real.send(line)

    def _ask(self, request: Request) -> Real:
        kept = {
            name: value
            for name, value in request.headers.items()
            if name not in ("host", "connection")
        }
        with contextlib.closing(http.client.HTTPConnection(self.upstream, timeout=30)) as real:
            real.request(request.method, request.target, headers=kept)
            answer = real.getresponse()
            headers = {
                name: value
                for name, value in answer.getheaders()
                if name.lower() not in _OF_THE_CONNECTION
            }
            return Real(answer.status, headers, answer.read())


@contextlib.contextmanager
def fault_proxy(
    upstream: str, fault: Fault, where: str, times: int = 1_000_000
) -> Iterator[ScriptedServer]:
    """Runs the proxy until the context ends.

    Args:
        upstream: `host:port` of the real registry.
        fault: what becomes of an answer that is to be spoilt.
        where: a part of the paths that it is done to, such as `/blobs/`.
        times: how often it is done; later answers pass unchanged.
    """
    with scripted(_Proxy(upstream, fault, where, times)) as server:
        yield server
