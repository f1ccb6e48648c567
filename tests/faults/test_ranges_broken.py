"""Servers that break, refuse or falsify ranges of a large blob; the blob is fetched anyway."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.docker_images import Registry, descriptor, digest_of, source
from tests.support.ranged_blobs import (
    LARGE,
    PATH,
    RANGE_SIZE,
    begin,
    deliver,
    is_bounded_range,
    ranges,
    ranges_from,
    send,
    slots,
    span,
)
from tests.support.scripted_server import Connection, Handler, Request, scripted
from towline.core import BlobWriter
from towline.errors import RegistryError
from towline.registry.host_backoff import HOST_BACKOFF
from towline.rules import Rules

pytestmark = pytest.mark.clause("REG-029")


def reply_whole(request: Request, connection: Connection) -> None:
    connection.reply(200, LARGE)


def reply_other_range(request: Request, connection: Connection) -> None:
    begin, end = span(request)
    data = LARGE[begin + 1 : end + 1]
    connection.reply(206, data, Content_Range=f"bytes {begin + 1}-{end}/{len(LARGE)}")


def reply_longer_range(request: Request, connection: Connection) -> None:
    begin, _ = span(request)
    end = len(LARGE)
    connection.reply(206, LARGE[begin:], Content_Range=f"bytes {begin}-{end - 1}/{end}")


def reply_shorter_range(request: Request, connection: Connection) -> None:
    begin, end = span(request)
    data = LARGE[begin : end - 1]
    connection.reply(206, data, Content_Range=f"bytes {begin}-{end - 2}/{len(LARGE)}")


def reply_other_size(request: Request, connection: Connection) -> None:
    begin, end = span(request)
    data = LARGE[begin:end]
    connection.reply(206, data, Content_Range=f"bytes {begin}-{end - 1}/{len(LARGE) + 1}")


def reply_many_parts(request: Request, connection: Connection) -> None:
    connection.reply(206, b"--x\r\n\r\n--x--", Content_Type="multipart/byteranges; boundary=x")


def reply_416(request: Request, connection: Connection) -> None:
    connection.reply(416, Content_Range=f"bytes */{len(LARGE)}")


def reply_429(request: Request, connection: Connection) -> None:
    connection.reply(429, Retry_After="0")


def cut_short(request: Request, connection: Connection) -> None:
    begin(request, connection, 100)
    connection.shutdown()


def cut_off(request: Request, connection: Connection) -> None:
    begin(request, connection, 100)
    connection.reset()


def stall(request: Request, connection: Connection) -> None:
    begin(request, connection, 10)
    connection.wait_until_closed()


@pytest.mark.parametrize(
    "odd",
    [
        reply_whole,
        reply_other_range,
        reply_longer_range,
        reply_shorter_range,
        reply_other_size,
        reply_many_parts,
        reply_416,
        reply_429,
    ],
)
def test_a_server_that_sends_something_else(odd: Handler, tmp_path: Path) -> None:
    """The blob is continued over one connection, and the next blob is not divided."""
    with scripted(ranges_from(odd)) as server, source(server.host, slots=slots()) as image:
        assert deliver(image, tmp_path / "blob") == LARGE
        assert not image.blobs.may_divide
        assert deliver(image, tmp_path / "again") == LARGE
    assert 1 <= len(ranges(server)) <= 6  # each fetcher once, and none for the second blob


@dataclass(slots=True)
class OncePerRange:
    """Handles the first request for each range with another handler."""

    odd: Handler
    seen: set[int] = field(default_factory=set)

    def __call__(self, request: Request, connection: Connection) -> None:
        begin, _ = span(request)
        if begin % RANGE_SIZE == 0 and begin not in self.seen:
            self.seen.add(begin)
            self.odd(request, connection)
        else:
            send(request, connection)


@pytest.mark.parametrize(("odd", "most"), [(cut_short, 1), (cut_off, 2)])
def test_ranges_that_break_off(odd: Handler, most: int, tmp_path: Path) -> None:
    """Each is continued where it broke off.

    A reset may discard bytes that were sent before.
    """
    with (
        scripted(ranges_from(OncePerRange(odd))) as server,
        source(server.host, slots=slots()) as image,
    ):
        assert deliver(image, tmp_path / "blob") == LARGE
    begins = [begin for begin, _ in ranges(server)]
    assert max(map(begins.count, begins)) <= most


def test_a_range_that_stalls(tmp_path: Path) -> None:
    """The stall limit applies to each range; another fetcher continues it."""

    def odd(request: Request, connection: Connection) -> None:
        (stall if span(request)[0] == 3 * RANGE_SIZE else send)(request, connection)

    with scripted(ranges_from(odd)) as server, source(server.host, slots=slots()) as image:
        assert deliver(image, tmp_path / "blob") == LARGE
    assert 3 * RANGE_SIZE + 10 in [begin for begin, _ in ranges(server)]


def test_a_server_that_allows_two_connections(tmp_path: Path) -> None:
    """The third connection is refused; fewer slots are used from then on."""
    shared = slots()
    lock = threading.Lock()
    turned_away = threading.Event()
    now: set[int] = set()

    def odd(request: Request, connection: Connection) -> None:
        mark = id(request)
        with lock:
            now.add(mark)
            many = len(now) > 2
        try:
            if many:
                turned_away.set()
                connection.shutdown()
                return
            if is_bounded_range(request):
                assert turned_away.wait(60)  # until there is a third connection
            send(request, connection)
        finally:
            with lock:
                now.discard(mark)

    with scripted(Registry({PATH: odd})) as server, source(server.host, slots=shared) as image:
        assert deliver(image, tmp_path / "blob") == LARGE
    assert turned_away.is_set()
    assert 1 <= shared.most < 6


@pytest.mark.parametrize(
    "odd", [cut_off, lambda request, connection: connection.reset()], ids=["late", "soon"]
)
def test_a_server_that_breaks_every_range(odd: Handler, tmp_path: Path) -> None:
    """The rest is fetched over one connection, and the number of requests is limited."""

    def hopeless(request: Request, connection: Connection) -> None:
        odd(request, connection)

    with scripted(ranges_from(hopeless)) as server, source(server.host, slots=slots()) as image:
        assert deliver(image, tmp_path / "blob") == LARGE
    assert len(ranges(server)) <= 6 * (1 + Rules.CURRENT.limits.retries)


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
def test_a_server_that_refuses_every_range(status: int, tmp_path: Path) -> None:
    """The error is raised only if the request over one connection fails too."""

    def break_off(request: Request, connection: Connection) -> None:
        connection.head(200, Content_Length=str(len(LARGE)), Accept_Ranges="bytes")
        connection.send(LARGE[: 3 * RANGE_SIZE])
        connection.shutdown()

    def refuse(request: Request, connection: Connection) -> None:
        connection.reply(status)

    with scripted(ranges_from(refuse)) as server, source(server.host, slots=slots()) as image:
        assert deliver(image, tmp_path / "blob") == LARGE
    with (
        scripted(Registry({PATH: once(break_off, refuse)})) as server,
        source(server.host, slots=slots()) as image,
    ):
        with pytest.raises(RegistryError) as caught:
            deliver(image, tmp_path / "blob")
        assert caught.value.facts["status"] == status


def once(first: Handler, later: Handler) -> Handler:
    """Use one handler for the first request, and another one for later requests."""
    return lambda request, connection: (first if request.number == 0 else later)(
        request, connection
    )


def test_wrong_bytes_are_detected_by_the_digest(tmp_path: Path) -> None:
    """One range with wrong bytes changes the digest of the blob."""

    def odd(request: Request, connection: Connection) -> None:
        begin, end = span(request)
        if begin != 5 * RANGE_SIZE:
            send(request, connection)
            return
        data = bytes(end - begin)
        connection.reply(206, data, Content_Range=f"bytes {begin}-{end - 1}/{len(LARGE)}")

    writer = BlobWriter(str(tmp_path / "blob"))
    with (
        scripted(ranges_from(odd)) as server,
        source(server.host, slots=slots()) as image,
        image.open_blob(descriptor(LARGE)) as blob,
    ):
        blob.deliver(writer)
    digest, size = writer.finish()
    assert (digest != digest_of(LARGE), size) == (True, len(LARGE))


GOOD = ("good",) * 4
ODD: dict[str, Handler] = {
    "good": send,
    "whole": reply_whole,
    "other": reply_other_range,
    "longer": reply_longer_range,
    "size": reply_other_size,
    "416": reply_416,
    "429": reply_429,
    "503": lambda request, connection: connection.reply(503),
    "404": lambda request, connection: connection.reply(404),
    "short": cut_short,
    "reset": cut_off,
    "hang up": lambda request, connection: connection.shutdown(),
    "garbage": lambda request, connection: connection.send(b"SSH-2.0\r\n\r\n"),
}


@given(st.lists(st.sampled_from([*GOOD, *ODD]), max_size=24), st.integers(1, 6))
def test_any_responses_to_ranges(
    tmp_path_factory: pytest.TempPathFactory, behaviours: list[str], most: int
) -> None:
    """The blob is complete, however the server responds to requests for ranges."""
    lock = threading.Lock()

    def odd(request: Request, connection: Connection) -> None:
        with lock:
            name = behaviours.pop() if behaviours else "good"
        ODD[name](request, connection)

    shared = slots(most)
    path = tmp_path_factory.mktemp("pull") / "blob"
    with scripted(ranges_from(odd)) as server, source(server.host, slots=shared) as image:
        assert deliver(image, path) == LARGE
    assert shared.peak <= most
    assert HOST_BACKOFF.left(server.host) >= 0
