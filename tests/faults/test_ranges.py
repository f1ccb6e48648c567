"""A large blob over several connections: asked for once, in order on the disk, and never worse off.

What decides is counted at the server.  Here every connection counts as slow, and pieces are small.
"""

from __future__ import annotations

import ssl
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import certificates
from tests.support.docker_images import IMPATIENT, Registry, descriptor, digest_of, source
from tests.support.scripted_server import Handler, Line, Request, ScriptedServer, scripted
from towline.cancel import CancelToken
from towline.config.certs_d import HostCertificates
from towline.core import BlobWriter
from towline.errors import Cancelled, RegistryError, TowlineError
from towline.registry.budget import BUDGET
from towline.registry.slots import Division, Slots
from towline.rules import Rules
from towline.source import docker_ranges
from towline.source.docker import DockerSource

pytestmark = pytest.mark.clause("REG-029")

PIECE = 64 << 10
LARGE = b"".join(b"%015d\n" % number for number in range(1 << 16)) + b"the end"
PATH = f"/v2/r/blobs/{digest_of(LARGE)}"
EAGER = Division(worth=2 * PIECE, piece=PIECE, memory=6 * PIECE, after=0.0, share=0.0)
#: No wait ends by itself.
PATIENT = replace(IMPATIENT, answer=1000.0, window=1000.0)


def slots(most: int = 6) -> Slots:
    return Slots(most, EAGER)


def span(request: Request) -> tuple[int, int]:
    """The range of a request for a piece, its end excluded."""
    first, last = request.headers["range"].removeprefix("bytes=").split("-")
    return int(first), int(last) + 1


def is_piece(request: Request) -> bool:
    return not request.headers.get("range", "-").endswith("-")


def send(request: Request, line: Line) -> None:
    """What a good server does."""
    wanted = request.headers.get("range")
    if wanted is None:
        line.reply(200, LARGE, Accept_Ranges="bytes")
        return
    first, last = wanted.removeprefix("bytes=").split("-")
    data = LARGE[int(first) : int(last or len(LARGE)) + bool(last)]
    end = int(first) + len(data) - 1
    line.reply(206, data, Content_Range=f"bytes {first}-{end}/{len(LARGE)}")


def pieces_by(odd: Handler) -> Registry:
    """A registry whose pieces are sent by a handler of the test."""
    return Registry(
        {PATH: lambda request, line: (odd if is_piece(request) else send)(request, line)}
    )


def asked(server: ScriptedServer) -> list[Request]:
    """The requests for the blob."""
    return [request for request in server.requests if request.path == PATH]


def ranges(server: ScriptedServer) -> list[tuple[int, int]]:
    """The pieces that were asked for, sorted."""
    return sorted(span(request) for request in asked(server) if is_piece(request))


def deliver(image: DockerSource, path: Path, offset: int = 0) -> bytes:
    """The blob, as a writer has it in the end; after an error the file is a prefix."""
    path.write_bytes(LARGE[:offset])
    writer = BlobWriter(str(path), resume=offset > 0)
    try:
        with image.open_blob(descriptor(LARGE), offset) as blob:
            blob.deliver(writer)
        assert writer.finish() == (digest_of(LARGE), len(LARGE))
    except TowlineError:
        writer.abort()
        assert LARGE.startswith(path.read_bytes())
        raise
    return path.read_bytes()


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, HostCertificates]:
    """What a server shows, and what a client trusts."""
    signer = certificates.authority(tmp_path / "ca")
    pair = certificates.issue(signer, tmp_path / "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context, HostCertificates(authorities=(str(signer.certificate),))


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
    shared = Slots(6, division)
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
        source(server.host, slots=shared, patience=PATIENT) as image,
    ):
        assert deliver(image, tmp_path / "blob") == LARGE
        assert gone.wait(60)
    assert shared.peak == 2
    begins = [begin for begin, _ in ranges(server)]
    assert begins[0] == PIECE
    assert PIECE <= begins[1] <= PIECE + 1000  # what came before the cut is kept


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
        assert not image.divides
        assert deliver(image, tmp_path / "again") == LARGE
    assert 1 <= len(ranges(server)) <= 6  # each fetcher once, and none for the second blob


def begin(request: Request, line: Line, count: int) -> None:
    """The head of a piece, and its first bytes."""
    first, end = span(request)
    headers = {"Content_Range": f"bytes {first}-{end - 1}/{len(LARGE)}"}
    line.head(206, Content_Length=str(end - first), **headers)
    line.send(LARGE[first : first + count])


def cut_short(request: Request, line: Line) -> None:
    begin(request, line, 100)
    line.hang_up()


def cut_off(request: Request, line: Line) -> None:
    begin(request, line, 100)
    line.reset()


def stall(request: Request, line: Line) -> None:
    begin(request, line, 10)
    line.wait_for_the_end()


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
    """It gets two, and the blob comes."""
    shared = slots()
    lock = threading.Lock()
    now: set[int] = set()

    def odd(request: Request, line: Line) -> None:
        mark = id(request)
        with lock:
            now.add(mark)
            many = len(now) > 2
        try:
            if many:
                line.hang_up()
            else:
                send(request, line)
        finally:
            with lock:
                now.discard(mark)

    with scripted(Registry({PATH: odd})) as server, source(server.host, slots=shared) as image:
        assert deliver(image, tmp_path / "blob") == LARGE


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
        image = source(server.host, slots=slots(4), cancel=cancel, patience=PATIENT)
        with pytest.raises(Cancelled):
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
        source(server.host, slots=slots(3), patience=PATIENT) as image,
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
    assert BUDGET.left(server.host) >= 0
