"""A large blob over several connections: asked for once, and in order on the disk."""

from __future__ import annotations

import ssl
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from queue import Queue
from types import SimpleNamespace

import pytest

from tests.support import certificates
from tests.support.docker_images import IMPATIENT, Registry, descriptor, source
from tests.support.ranged_blobs import (
    EAGER,
    LARGE,
    PATH,
    PIECE,
    asked,
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
from towline.cancel import CancelToken
from towline.config.certs_d import HostCertificates
from towline.core import BlobWriter
from towline.errors import PullCancelledError, RegistryError
from towline.registry.connection_slots import ConnectionSlots, Division
from towline.rules import Rules
from towline.source import docker_ranges
from towline.source.docker_ranges import Pieces

pytestmark = pytest.mark.clause("REG-029")

#: No wait ends by itself.
PATIENT = replace(IMPATIENT, response=1000.0, stall_window=1000.0)


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, HostCertificates]:
    """What a server shows, and what a client trusts."""
    context, authority = certificates.server_context(tmp_path)
    return context, HostCertificates(authorities=(str(authority),))


@pytest.mark.parametrize("offset", [0, 100_001])
def test_each_piece_is_asked_for_once(tmp_path: Path, offset: int) -> None:
    """Pieces cover what the first connection leaves, without a gap, and no byte comes twice."""
    shared = slots()
    with scripted(pieces_by(send)) as server, source(server.host, slots=shared) as image:
        assert deliver(image, tmp_path / "blob", offset) == LARGE
    first, *others = asked(server)
    assert first.headers.get("range") == (f"bytes={offset}-" if offset else None)
    assert all(is_piece(request) for request in others)
    ends = [offset + PIECE, *(end for _, end in ranges(server))]
    assert [begin for begin, _ in ranges(server)] == ends[:-1]
    assert ends[-1] == len(LARGE)
    assert 2 <= shared.peak <= 6
    assert server.connections <= 2 + 6 + 1  # TLS tried, the first one, and what fetches


def test_pieces_over_tls(tmp_path: Path, tls: tuple[ssl.SSLContext, HostCertificates]) -> None:
    """The same where bytes come through TLS."""
    context, known = tls
    with (
        scripted(pieces_by(send), context) as server,
        source(server.host, insecure=False, certificates=known, slots=slots()) as image,
    ):
        assert deliver(image, tmp_path / "blob") == LARGE
    assert sum(end - begin for begin, end in ranges(server)) == len(LARGE) - PIECE


def test_connections_are_used_again(tmp_path: Path) -> None:
    """A fetcher stays on its connection; the first one is closed, for nothing else ends it."""
    with scripted(pieces_by(send)) as server, source(server.host, slots=slots(2)) as image:
        assert deliver(image, tmp_path / "blob") == LARGE
    assert len(asked(server)) == 1 + -(-(len(LARGE) - PIECE) // PIECE)
    assert server.connections <= 4


def chunked(request: Request, line: Line) -> None:
    line.head(200, Transfer_Encoding="chunked", Accept_Ranges="bytes")
    line.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(LARGE), LARGE))


def without_ranges(request: Request, line: Line) -> None:
    line.reply(200, LARGE)


def range_of_nothing(request: Request, line: Line) -> None:
    line.reply(200, LARGE, Accept_Ranges="none")


@pytest.mark.parametrize("odd", [chunked, without_ranges, range_of_nothing])
def test_a_server_that_does_not_say_that_it_gives_ranges(odd: Handler, tmp_path: Path) -> None:
    """It is asked once."""
    with scripted(Registry({PATH: odd})) as server, source(server.host, slots=slots()) as image:
        assert deliver(image, tmp_path / "blob") == LARGE
    assert len(asked(server)) == 1


@pytest.mark.parametrize(
    ("rules", "division", "layers"),
    [
        (Rules.LIBPOD_1_3, EAGER, 0),
        (Rules.CURRENT, replace(EAGER, share=1.1), 0),
        (Rules.CURRENT, replace(EAGER, worth=len(LARGE) + 1), 0),
        (Rules.CURRENT, replace(EAGER, after=1000.0), 0),
        (Rules.CURRENT, EAGER, 5),
        (Rules.CURRENT, Division(), 0),
    ],
    ids=["libpod-1.3", "fast", "small", "early", "no-slot", "as-usual"],
)
def test_where_one_connection_is_enough(
    rules: Rules, division: Division, layers: int, tmp_path: Path
) -> None:
    """One request brings the blob: of 2019, from a fast line, of a small blob, without a slot."""
    shared = ConnectionSlots(6, division)
    for _ in range(layers):
        shared.begin()
    with (
        scripted(pieces_by(send)) as server,
        source(server.host, rules=rules, slots=shared) as image,
    ):
        assert deliver(image, tmp_path / "blob") == LARGE
    assert len(asked(server)) == 1


def test_a_layer_that_begins_has_precedence(tmp_path: Path) -> None:
    """It takes the helper's connection, and another one goes on with the helper's piece."""
    shared = slots(2)
    joined, gone = threading.Event(), threading.Event()

    def odd(request: Request, line: Line) -> None:
        if span(request)[0] != PIECE:
            joined.set()
            send(request, line)
            return
        begin(request, line, 1000)
        assert joined.wait(60)
        shared.begin()
        line.wait_for_the_end()
        gone.set()

    with (
        scripted(pieces_by(odd)) as server,
        source(server.host, slots=shared, timeouts=PATIENT) as image,
    ):
        assert deliver(image, tmp_path / "blob") == LARGE
        assert gone.wait(60)
    assert shared.peak == 2
    begins = [begin for begin, _ in ranges(server)]
    assert begins[0] == PIECE
    assert PIECE <= begins[1] <= PIECE + 1000  # what came before the cut is kept


def test_a_helper_that_is_sent_away_has_not_failed() -> None:
    """Not even one that was still opening its connection: it gets a successor later."""
    shared = slots(1)
    helpers: Queue[threading.Thread] = Queue()
    gone = threading.Event()

    def ask(first: int, last: int) -> None:
        helpers.put(threading.current_thread())
        assert gone.wait(60)
        raise RegistryError("registry.unreachable", host="localhost", reason="cut")

    with closing(Pieces(ask, 0, 2 * PIECE, shared, 0, PATIENT, CancelToken())) as pieces:
        assert pieces.help()
        shared.begin()
        gone.set()
        helpers.get(timeout=60).join(60)
        shared.end()
        pieces.help()
        helpers.get(timeout=60).join(60)


@pytest.mark.parametrize("where", ["first-piece", "later"])
def test_cancelling_cuts_every_connection(where: str, tmp_path: Path) -> None:
    """Readers that would wait for ever end at once: each of them, and who waits for them."""
    cancel = CancelToken()
    together = threading.Barrier(4, action=cancel.cancel)
    ended = threading.Semaphore(0)

    def odd(request: Request, line: Line) -> None:
        if not is_piece(request) and where == "later":
            send(request, line)
            return
        begin, end = span(request) if is_piece(request) else (0, len(LARGE))
        headers = {"Content_Range": f"bytes {begin}-{end - 1}/{len(LARGE)}"}
        status = 206 if is_piece(request) else 200
        line.head(status, Content_Length=str(end - begin), Accept_Ranges="bytes", **headers)
        line.send(LARGE[begin : begin + 10])
        together.wait(60)
        line.wait_for_the_end()
        ended.release()

    with scripted(Registry({PATH: odd})) as server:
        # Cancelling alone does it: the source is closed after the last of them has ended.
        image = source(server.host, slots=slots(4), cancel=cancel, timeouts=PATIENT)
        with pytest.raises(PullCancelledError):
            deliver(image, tmp_path / "blob")
        for _ in range(4):
            assert ended.acquire(timeout=60)
        image.close()
    assert len(asked(server)) == 4 + (where == "later")


@pytest.mark.parametrize("threads", [0, 1])
def test_a_machine_without_more_threads(
    threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who cannot be begun takes no slot, and the blob comes all the same."""

    class Few(threading.Thread):
        left = threads

        def start(self) -> None:
            if not Few.left:
                raise RuntimeError("can't start new thread")
            Few.left -= 1
            super().start()

    monkeypatch.setattr(docker_ranges, "threading", SimpleNamespace(Thread=Few))
    shared = slots()
    with scripted(pieces_by(send)) as server, source(server.host, slots=shared) as image:
        assert deliver(image, tmp_path / "blob") == LARGE
    assert len(ranges(server)) >= threads
    assert all(shared.help(lambda: None) for _ in range(6))


def test_a_writer_that_fails_ends_all_of_it(tmp_path: Path) -> None:
    """Who stops the writer stops the fetchers, which would wait for ever."""
    waiting, ended = threading.Event(), threading.Semaphore(0)
    writer = BlobWriter(str(tmp_path / "blob"))

    def odd(request: Request, line: Line) -> None:
        if span(request)[0] == PIECE:
            waiting.wait(60)
            writer.abort()
            send(request, line)
            return
        waiting.set()
        line.wait_for_the_end()
        ended.release()

    with (
        scripted(pieces_by(odd)) as server,
        source(server.host, slots=slots(3), timeouts=PATIENT) as image,
        image.open_blob(descriptor(LARGE)) as blob,
        pytest.raises(Exception, match="closed"),
    ):
        blob.deliver(writer)
    assert ended.acquire(timeout=60)


def test_memory_is_bounded(tmp_path: Path) -> None:
    """No piece is asked for that is further from what is written than memory allows."""
    path = tmp_path / "blob"
    ahead: list[int] = []

    def odd(request: Request, line: Line) -> None:
        # The file only grows: what it lacks now, it lacked when the piece was planned.
        ahead.append(span(request)[1] - path.stat().st_size)
        send(request, line)

    with scripted(pieces_by(odd)) as server, source(server.host, slots=slots()) as image:
        assert deliver(image, path) == LARGE
    # One piece beside them is being written.
    assert max(ahead) <= EAGER.memory + 2 * PIECE
