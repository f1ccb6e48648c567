"""A large blob over several connections: each byte is requested once and written in order."""

from __future__ import annotations

import ssl
import threading
from contextlib import closing
from pathlib import Path
from queue import Queue
from types import SimpleNamespace

import pytest

from tests.support import certificates
from tests.support.docker_images import SHORT_TIMEOUTS, Registry, descriptor, source
from tests.support.ranged_blobs import (
    EAGER,
    LARGE,
    PATH,
    RANGE_SIZE,
    begin,
    blob_requests,
    deliver,
    is_bounded_range,
    ranges,
    ranges_from,
    send,
    slots,
    span,
)
from tests.support.scripted_server import Connection, Handler, Request, scripted
from towline.cancel import CancelToken
from towline.core import BlobWriter
from towline.errors import PullCancelledError, RegistryError
from towline.frozen import replace
from towline.registry.certificates import Certificates
from towline.registry.connection_slots import ConnectionSlots, Division
from towline.rules import Rules
from towline.source import docker_ranges
from towline.source.docker_ranges import ParallelRanges

pytestmark = pytest.mark.clause("REG-029")

#: No read times out.
LONG_TIMEOUTS = replace(SHORT_TIMEOUTS, response=1000.0, stall_window=1000.0)


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, Certificates]:
    """The TLS context of a server, and the certificates that a client trusts."""
    context, authority = certificates.server_context(tmp_path)
    return context, Certificates(authorities=(str(authority),))


@pytest.mark.parametrize("offset", [0, 100_001])
def test_each_range_is_requested_once(tmp_path: Path, offset: int) -> None:
    """The ranges cover what the first connection leaves, without gaps or overlaps."""
    shared = slots()
    with scripted(ranges_from(send)) as server, source(server.host, slots=shared) as image:
        assert deliver(image, tmp_path / "blob", offset) == LARGE
    first, *others = blob_requests(server)
    assert first.headers.get("range") == (f"bytes={offset}-" if offset else None)
    assert all(is_bounded_range(request) for request in others)
    ends = [offset + RANGE_SIZE, *(end for _, end in ranges(server))]
    assert [begin for begin, _ in ranges(server)] == ends[:-1]
    assert ends[-1] == len(LARGE)
    assert 2 <= shared.peak <= 6
    assert server.connections <= 2 + 6 + 1  # the TLS ping, the first one, and the fetchers


def test_ranges_over_tls(tmp_path: Path, tls: tuple[ssl.SSLContext, Certificates]) -> None:
    """The same over TLS."""
    context, known = tls
    with (
        scripted(ranges_from(send), context) as server,
        source(server.host, insecure=False, certificates=known, slots=slots()) as image,
    ):
        assert deliver(image, tmp_path / "blob") == LARGE
    assert sum(end - begin for begin, end in ranges(server)) == len(LARGE) - RANGE_SIZE


def test_connections_are_reused(tmp_path: Path) -> None:
    """A fetcher reuses its connection; the first one, whose body is not read, is closed."""
    with scripted(ranges_from(send)) as server, source(server.host, slots=slots(2)) as image:
        assert deliver(image, tmp_path / "blob") == LARGE
    assert len(blob_requests(server)) == 1 + -(-(len(LARGE) - RANGE_SIZE) // RANGE_SIZE)
    assert server.connections <= 4


def chunked(request: Request, connection: Connection) -> None:
    connection.head(200, Transfer_Encoding="chunked", Accept_Ranges="bytes")
    connection.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(LARGE), LARGE))


def without_ranges(request: Request, connection: Connection) -> None:
    connection.reply(200, LARGE)


def accept_ranges_none(request: Request, connection: Connection) -> None:
    connection.reply(200, LARGE, Accept_Ranges="none")


@pytest.mark.parametrize("odd", [chunked, without_ranges, accept_ranges_none])
def test_a_server_without_ranges(odd: Handler, tmp_path: Path) -> None:
    """The blob is requested once."""
    with scripted(Registry({PATH: odd})) as server, source(server.host, slots=slots()) as image:
        assert deliver(image, tmp_path / "blob") == LARGE
    assert len(blob_requests(server)) == 1


@pytest.mark.parametrize(
    ("rules", "division", "layers"),
    [
        (Rules.LIBPOD_1_3, EAGER, 0),
        (Rules.CURRENT, replace(EAGER, share=1.1), 0),
        (Rules.CURRENT, replace(EAGER, min_remaining=len(LARGE) + 1), 0),
        (Rules.CURRENT, replace(EAGER, after=1000.0), 0),
        (Rules.CURRENT, EAGER, 5),
        (Rules.CURRENT, Division(), 0),
    ],
    ids=["libpod-1.3", "fast", "small", "early", "no-slot", "as-usual"],
)
def test_when_a_blob_is_not_divided(
    rules: Rules, division: Division, layers: int, tmp_path: Path
) -> None:
    """Under libpod-1.3, on a fast connection, for a small blob, without a free slot."""
    shared = ConnectionSlots(6, division)
    for _ in range(layers):
        shared.begin_layer()
    with (
        scripted(ranges_from(send)) as server,
        source(server.host, rules=rules, slots=shared) as image,
    ):
        assert deliver(image, tmp_path / "blob") == LARGE
    assert len(blob_requests(server)) == 1


def test_a_new_layer_has_precedence_over_helpers(tmp_path: Path) -> None:
    """It takes the slot of the helper, and another fetcher continues the helper's range."""
    shared = slots(2)
    joined, gone = threading.Event(), threading.Event()

    def odd(request: Request, connection: Connection) -> None:
        if span(request)[0] != RANGE_SIZE:
            joined.set()
            send(request, connection)
            return
        begin(request, connection, 1000)
        assert joined.wait(60)
        shared.begin_layer()
        connection.wait_until_closed()
        gone.set()

    with (
        scripted(ranges_from(odd)) as server,
        source(server.host, slots=shared, timeouts=LONG_TIMEOUTS) as image,
    ):
        assert deliver(image, tmp_path / "blob") == LARGE
        assert gone.wait(60)
    assert shared.peak == 2
    begins = [begin for begin, _ in ranges(server)]
    assert begins[0] == RANGE_SIZE
    assert RANGE_SIZE <= begins[1] <= RANGE_SIZE + 1000  # the bytes received before are kept


def test_a_stopped_helper_has_not_failed() -> None:
    """A helper that was still opening its connection is replaced later."""
    shared = slots(1)
    helpers: Queue[threading.Thread] = Queue()
    gone = threading.Event()

    def request_range(first: int, last: int) -> None:
        helpers.put(threading.current_thread())
        assert gone.wait(60)
        raise RegistryError("registry.unreachable", host="localhost", reason="cut")

    with closing(
        ParallelRanges(request_range, 0, 2 * RANGE_SIZE, shared, 0, LONG_TIMEOUTS, CancelToken())
    ) as parallel:
        assert parallel.start_helpers()
        shared.begin_layer()
        gone.set()
        helpers.get(timeout=60).join(60)
        shared.end_layer()
        parallel.start_helpers()
        helpers.get(timeout=60).join(60)


@pytest.mark.parametrize("where", ["first-range", "later"])
def test_cancelling_cuts_every_connection(where: str, tmp_path: Path) -> None:
    """All reads that would never end are interrupted, and so is the thread that waits for them."""
    cancel = CancelToken()
    barrier = threading.Barrier(4, action=cancel.cancel)
    ended = threading.Semaphore(0)

    def odd(request: Request, connection: Connection) -> None:
        if not is_bounded_range(request) and where == "later":
            send(request, connection)
            return
        begin, end = span(request) if is_bounded_range(request) else (0, len(LARGE))
        headers = {"Content_Range": f"bytes {begin}-{end - 1}/{len(LARGE)}"}
        status = 206 if is_bounded_range(request) else 200
        connection.head(status, Content_Length=str(end - begin), Accept_Ranges="bytes", **headers)
        connection.send(LARGE[begin : begin + 10])
        barrier.wait(60)
        connection.wait_until_closed()
        ended.release()

    with scripted(Registry({PATH: odd})) as server:
        # The source is closed only after all connections have ended, so cancelling ended them.
        image = source(server.host, slots=slots(4), cancel=cancel, timeouts=LONG_TIMEOUTS)
        with pytest.raises(PullCancelledError):
            deliver(image, tmp_path / "blob")
        for _ in range(4):
            assert ended.acquire(timeout=60)
        image.close()
    assert len(blob_requests(server)) == 4 + (where == "later")


@pytest.mark.parametrize("threads", [0, 1])
def test_threads_cannot_be_started(
    threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that cannot be started takes no slot, and the blob is complete."""

    class Few(threading.Thread):
        left = threads

        def start(self) -> None:
            if not Few.left:
                raise RuntimeError("can't start new thread")
            Few.left -= 1
            super().start()

    monkeypatch.setattr(docker_ranges, "threading", SimpleNamespace(Thread=Few))
    shared = slots()
    with scripted(ranges_from(send)) as server, source(server.host, slots=shared) as image:
        assert deliver(image, tmp_path / "blob") == LARGE
    assert len(ranges(server)) >= threads
    assert all(shared.add_helper(lambda: None) for _ in range(6))


def test_a_failing_writer_stops_all_fetchers(tmp_path: Path) -> None:
    """Otherwise they would wait for ever."""
    waiting, ended = threading.Event(), threading.Semaphore(0)
    writer = BlobWriter(str(tmp_path / "blob"))

    def odd(request: Request, connection: Connection) -> None:
        if span(request)[0] == RANGE_SIZE:
            waiting.wait(60)
            writer.abort()
            send(request, connection)
            return
        waiting.set()
        connection.wait_until_closed()
        ended.release()

    with (
        scripted(ranges_from(odd)) as server,
        source(server.host, slots=slots(3), timeouts=LONG_TIMEOUTS) as image,
        image.open_blob(descriptor(LARGE)) as blob,
        pytest.raises(Exception, match="closed"),
    ):
        blob.deliver(writer)
    assert ended.acquire(timeout=60)


def test_memory_is_bounded(tmp_path: Path) -> None:
    """No range is requested that is further ahead of the written bytes than the limit allows."""
    path = tmp_path / "blob"
    ahead: list[int] = []

    def odd(request: Request, connection: Connection) -> None:
        # The file only grows, so the distance was at least as large when the range was chosen.
        ahead.append(span(request)[1] - path.stat().st_size)
        send(request, connection)

    with scripted(ranges_from(odd)) as server, source(server.host, slots=slots()) as image:
        assert deliver(image, path) == LARGE
    # One more range is being written.
    assert max(ahead) <= EAGER.memory + 2 * RANGE_SIZE
