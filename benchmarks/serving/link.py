"""A link with latency and limited bandwidth: a TCP proxy in front of the registry.

The kernel's `tc` would need root, and not every kernel has it.  The proxy does not model slow start
and loss.  Each connection waits one round trip before it transfers data, as for a handshake.  Both
directions are delayed, and the bandwidth to the client is limited.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Link", "shaped"]

_PIECE = 32 << 10
_SLACK = 0.001  # seconds; the event loop cannot wait for less
_AHEAD = 0.020  # seconds


@dataclass(frozen=True, slots=True)
class Link:
    """The latency and bandwidth of a link.

    Attributes:
        name: its name on the page.
        rtt: round-trip time, in seconds.
        connection_rate: bytes per second of one connection.
        total_rate: bytes per second of all connections.
    """

    name: str
    rtt: float
    connection_rate: float
    total_rate: float


class _RateLimit:
    """A limit on the bytes per second, which are transferred one after another."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._free = 0.0

    def reserve(self, size: int, now: float) -> float:
        """Reserve the transfer of bytes that arrive now, and return the time at which it ends."""
        self._free = max(self._free, now) + size / self._rate
        return self._free


@contextlib.contextmanager
def shaped(link: Link, upstream: str) -> Iterator[str]:
    """Run the proxy in a thread until the context ends, and yield its `host:port`."""
    loop = asyncio.new_event_loop()
    ready: list[str] = []
    started = threading.Event()
    ended = asyncio.Event()

    async def main() -> None:
        total = _RateLimit(link.total_rate)
        tasks: set[asyncio.Task[None]] = set()

        async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is not None:
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            with contextlib.suppress(asyncio.CancelledError):  # when the proxy stops
                await _connection(link, total, upstream, reader, writer)

        server = await asyncio.start_server(client, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        ready.append(f"{host}:{port}")
        started.set()
        await ended.wait()
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),), daemon=True)
    thread.start()
    started.wait()
    try:
        yield ready[0]
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


async def _connection(
    link: Link,
    total: _RateLimit,
    upstream: str,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    host, _, port = upstream.rpartition(":")
    await asyncio.sleep(link.rtt)  # the handshake
    upstream_reader, upstream_writer = await asyncio.open_connection(host, int(port))
    own = _RateLimit(link.connection_rate)
    delay = link.rtt / 2
    tasks = [
        asyncio.create_task(_forward(reader, upstream_writer, delay, ())),
        asyncio.create_task(_forward(upstream_reader, writer, delay, (own, total))),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        writer.close()
        upstream_writer.close()


async def _forward(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    delay: float,
    limits: tuple[_RateLimit, ...],
) -> None:
    """Forward one direction until either side closes."""
    now = asyncio.get_running_loop().time
    queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    sender = asyncio.create_task(_send_when_due(queue, writer))
    try:
        while True:
            data = await reader.read(_PIECE)
            sent = now()
            for limit in limits:
                sent = max(sent, limit.reserve(len(data), now()))
            queue.put_nowait((sent + delay, data))
            if not data:
                await sender
                return
            # Reading is slightly ahead, so that a sleep that takes too long causes no gap.
            if (wait := sent - now()) > _AHEAD:
                await asyncio.sleep(wait - _AHEAD / 2)
    finally:
        sender.cancel()


async def _send_when_due(
    queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
) -> None:
    now = asyncio.get_running_loop().time
    while True:
        due, data = await queue.get()
        if (wait := due - now()) > _SLACK:
            await asyncio.sleep(wait)
        if not data:
            return
        writer.write(data)
        await writer.drain()
