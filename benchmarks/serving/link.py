"""A link with latency and bandwidth: a proxy for TCP in front of the registry.

The kernel could do it (`tc`), but only for root, and not on every kernel.  What it leaves out: slow
start and loss.  Each connection waits one round trip before it carries anything, as a handshake
would; both directions are delayed, and the way to the client is as wide as the link says.
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
    """A way to the registry.

    Attributes:
        name: as the page calls it.
        rtt: round-trip time, in seconds.
        connection_rate: bytes a second of one connection.
        total_rate: bytes a second of all of them.
    """

    name: str
    rtt: float
    connection_rate: float
    total_rate: float


class _Width:
    """A stretch that lets so many bytes a second through, one after another."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._free = 0.0

    def through(self, size: int, since: float) -> float:
        """When so many bytes are through that arrive now."""
        self._free = max(self._free, since) + size / self._rate
        return self._free


@contextlib.contextmanager
def shaped(link: Link, upstream: str) -> Iterator[str]:
    """Run the proxy in a thread until the context ends; `host:port` of its own."""
    loop = asyncio.new_event_loop()
    ready: list[str] = []
    started = threading.Event()
    ended = asyncio.Event()

    async def main() -> None:
        whole = _Width(link.total_rate)
        tasks: set[asyncio.Task[None]] = set()

        async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is not None:
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            with contextlib.suppress(asyncio.CancelledError):  # at the end of all
                await _connection(link, whole, upstream, reader, writer)

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
    whole: _Width,
    upstream: str,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    host, _, port = upstream.rpartition(":")
    await asyncio.sleep(link.rtt)  # the handshake
    far_reader, far_writer = await asyncio.open_connection(host, int(port))
    own = _Width(link.connection_rate)
    half = link.rtt / 2
    ways = [
        asyncio.create_task(_way(reader, far_writer, half, ())),
        asyncio.create_task(_way(far_reader, writer, half, (own, whole))),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        writer.close()
        far_writer.close()


async def _way(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    delay: float,
    widths: tuple[_Width, ...],
) -> None:
    """One direction, until either side ends."""
    now = asyncio.get_running_loop().time
    flying: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    landing = asyncio.create_task(_land(flying, writer))
    try:
        while True:
            data = await reader.read(_PIECE)
            through = now()
            for width in widths:
                through = max(through, width.through(len(data), now()))
            flying.put_nowait((through + delay, data))
            if not data:
                await landing
                return
            # Reading runs ahead a little: a sleep that lasts too long must not leave the way empty.
            if (wait := through - now()) > _AHEAD:
                await asyncio.sleep(wait - _AHEAD / 2)
    finally:
        landing.cancel()


async def _land(flying: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
    now = asyncio.get_running_loop().time
    while True:
        due, data = await flying.get()
        if (wait := due - now()) > _SLACK:
            await asyncio.sleep(wait)
        if not data:
            return
        writer.write(data)
        await writer.drain()
