"""Servers that break, refuse or falsify the pieces of a large blob: it is never worse off."""

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
    PIECE,
    begin,
    deliver,
    is_piece,
    pieces_by,
    ranges,
    send,
    slots,
    span,
)
from tests.support.scripted_server import Handler, Line, Request, scripted
from towline.core import BlobWriter
from towline.errors import RegistryError
from towline.registry.host_backoff import HOST_BACKOFF
from towline.rules import Rules

pytestmark = pytest.mark.clause("REG-029")


def reply_whole(request: Request, line: Line) -> None:
    line.reply(200, LARGE)


def reply_other_range(request: Request, line: Line) -> None:
    begin, end = span(request)
    data = LARGE[begin + 1 : end + 1]
    line.reply(206, data, Content_Range=f"bytes {begin + 1}-{end}/{len(LARGE)}")


def reply_longer_range(request: Request, line: Line) -> None:
    begin, _ = span(request)
    end = len(LARGE)
    line.reply(206, LARGE[begin:], Content_Range=f"bytes {begin}-{end - 1}/{end}")


def reply_shorter_range(request: Request, line: Line) -> None:
    begin, end = span(request)
    data = LARGE[begin : end - 1]
    line.reply(206, data, Content_Range=f"bytes {begin}-{end - 2}/{len(LARGE)}")


def reply_other_size(request: Request, line: Line) -> None:
    begin, end = span(request)
    data = LARGE[begin:end]
    line.reply(206, data, Content_Range=f"bytes {begin}-{end - 1}/{len(LARGE) + 1}")


def reply_many_parts(request: Request, line: Line) -> None:
    line.reply(206, b"--x\r\n\r\n--x--", Content_Type="multipart/byteranges; boundary=x")


def reply_416(request: Request, line: Line) -> None:
    line.reply(416, Content_Range=f"bytes */{len(LARGE)}")


def reply_429(request: Request, line: Line) -> None:
    line.reply(429, Retry_After="0")


def cut_short(request: Request, line: Line) -> None:
    begin(request, line, 100)
    line.hang_up()


def cut_off(request: Request, line: Line) -> None:
    begin(request, line, 100)
    line.reset()


def stall(request: Request, line: Line) -> None:
    begin(request, line, 10)
    line.wait_for_the_end()


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
def test_a_server_that_gives_something_else(odd: Handler, tmp_path: Path) -> None:
    """The blob goes on over one connection, and the next blob does not try."""
    with scripted(pieces_by(odd)) as server, source(server.host, slots=slots()) as image:
        assert deliver(image, tmp_path / "blob") == LARGE
        assert not image.blobs.may_divide
        assert deliver(image, tmp_path / "again") == LARGE
    assert 1 <= len(ranges(server)) <= 6  # each fetcher once, and none for the second blob


@dataclass(slots=True)
class OncePerPiece:
    """Handles the first request for each piece in an odd way."""

    odd: Handler
    met: set[int] = field(default_factory=set)

    def __call__(self, request: Request, line: Line) -> None:
        begin, _ = span(request)
        if begin % PIECE == 0 and begin not in self.met:
            self.met.add(begin)
            self.odd(request, line)
        else:
            send(request, line)


@pytest.mark.parametrize(("odd", "most"), [(cut_short, 1), (cut_off, 2)])
def test_pieces_that_break_off(odd: Handler, most: int, tmp_path: Path) -> None:
    """Each goes on where it broke off, also when every piece does so once.

    A reset may take bytes with it that were sent before.
    """
    with (
        scripted(pieces_by(OncePerPiece(odd))) as server,
        source(server.host, slots=slots()) as image,
    ):
        assert deliver(image, tmp_path / "blob") == LARGE
    begins = [begin for begin, _ in ranges(server)]
    assert max(map(begins.count, begins)) <= most


def test_a_piece_that_stalls(tmp_path: Path) -> None:
    """The rule of the window holds for each piece; another fetcher takes it over."""

    def odd(request: Request, line: Line) -> None:
        (stall if span(request)[0] == 3 * PIECE else send)(request, line)

    with scripted(pieces_by(odd)) as server, source(server.host, slots=slots()) as image:
        assert deliver(image, tmp_path / "blob") == LARGE
    assert 3 * PIECE + 10 in [begin for begin, _ in ranges(server)]


def test_a_server_that_takes_two_connections(tmp_path: Path) -> None:
    """Whoever comes third is turned away; fewer slots are used from then on, and the blob comes."""
    shared = slots()
    lock = threading.Lock()
    turned_away = threading.Event()
    now: set[int] = set()

    def odd(request: Request, line: Line) -> None:
        mark = id(request)
        with lock:
            now.add(mark)
            many = len(now) > 2
        try:
            if many:
                turned_away.set()
                line.hang_up()
                return
            if is_piece(request):
                assert turned_away.wait(60)  # so that a third one comes
            send(request, line)
        finally:
            with lock:
                now.discard(mark)

    with scripted(Registry({PATH: odd})) as server, source(server.host, slots=shared) as image:
        assert deliver(image, tmp_path / "blob") == LARGE
    assert turned_away.is_set()
    assert 1 <= shared.most < 6


@pytest.mark.parametrize("odd", [cut_off, lambda request, line: line.reset()], ids=["late", "soon"])
def test_a_server_that_breaks_every_piece(odd: Handler, tmp_path: Path) -> None:
    """What pieces do not bring, one connection does; they are not tried for ever."""

    def hopeless(request: Request, line: Line) -> None:
        odd(request, line)

    with scripted(pieces_by(hopeless)) as server, source(server.host, slots=slots()) as image:
        assert deliver(image, tmp_path / "blob") == LARGE
    assert len(ranges(server)) <= 6 * (1 + Rules.CURRENT.retries)


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
def test_a_server_that_refuses_every_piece(status: int, tmp_path: Path) -> None:
    """Its refusal counts only where one connection meets it too: then it is the error."""

    def break_off(request: Request, line: Line) -> None:
        line.head(200, Content_Length=str(len(LARGE)), Accept_Ranges="bytes")
        line.send(LARGE[: 3 * PIECE])
        line.hang_up()

    def refuse(request: Request, line: Line) -> None:
        line.reply(status)

    with scripted(pieces_by(refuse)) as server, source(server.host, slots=slots()) as image:
        assert deliver(image, tmp_path / "blob") == LARGE
    with (
        scripted(Registry({PATH: once(break_off, refuse)})) as server,
        source(server.host, slots=slots()) as image,
    ):
        with pytest.raises(RegistryError) as caught:
            deliver(image, tmp_path / "blob")
        assert caught.value.facts["status"] == status


def once(first: Handler, later: Handler) -> Handler:
    """One answer to the first request, and another one to those after it."""
    return lambda request, line: (first if request.number == 0 else later)(request, line)


def test_wrong_bytes_are_found_by_the_digest(tmp_path: Path) -> None:
    """One piece with other bytes spoils the blob, which the writer's digest tells."""

    def odd(request: Request, line: Line) -> None:
        begin, end = span(request)
        if begin != 5 * PIECE:
            send(request, line)
            return
        data = bytes(end - begin)
        line.reply(206, data, Content_Range=f"bytes {begin}-{end - 1}/{len(LARGE)}")

    writer = BlobWriter(str(tmp_path / "blob"))
    with (
        scripted(pieces_by(odd)) as server,
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
    "503": lambda request, line: line.reply(503),
    "404": lambda request, line: line.reply(404),
    "short": cut_short,
    "reset": cut_off,
    "hang up": lambda request, line: line.hang_up(),
    "garbage": lambda request, line: line.send(b"SSH-2.0\r\n\r\n"),
}


@given(st.lists(st.sampled_from([*GOOD, *ODD]), max_size=24), st.integers(1, 6))
def test_whatever_pieces_do(
    tmp_path_factory: pytest.TempPathFactory, behaviours: list[str], most: int
) -> None:
    """The blob comes, whatever the server does with the requests for pieces."""
    lock = threading.Lock()

    def odd(request: Request, line: Line) -> None:
        with lock:
            name = behaviours.pop() if behaviours else "good"
        ODD[name](request, line)

    shared = slots(most)
    path = tmp_path_factory.mktemp("whatever") / "blob"
    with scripted(pieces_by(odd)) as server, source(server.host, slots=shared) as image:
        assert deliver(image, path) == LARGE
    assert shared.peak <= most
    assert HOST_BACKOFF.left(server.host) >= 0
