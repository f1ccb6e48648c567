"""A registry that breaks off, stalls, lies or floods costs repetitions, and then a clear error."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.docker_images import (
    BLOB,
    CONFIG,
    IMPATIENT,
    LAYER,
    MANIFEST,
    Registry,
    descriptor,
    source,
)
from tests.support.scripted_server import Handler, Line, Request, scripted
from towline.cancel import CancelToken
from towline.core import BlobWriter
from towline.errors import PullCancelledError, RegistryError, TowlineError
from towline.rules import Rules
from towline.source.docker import DockerSource

HALF = len(LAYER) // 2


def deliver(image: DockerSource, path: Path, offset: int = 0) -> bytes:
    """The layer, as a writer has it in the end; bytes before `offset` are there already."""
    path.write_bytes(LAYER[:offset])
    writer = BlobWriter(str(path), resume=offset > 0)
    try:
        with image.open_blob(descriptor(), offset) as blob:
            assert blob.offset == offset
            blob.deliver(writer)
        writer.finish()
    except TowlineError:
        writer.abort()
        raise
    return path.read_bytes()


def first_then(odd: Handler, good: Handler) -> Handler:
    """The odd answer once, and then good ones."""
    return lambda request, line: (odd if request.number == 0 else good)(request, line)


def cut_short(request: Request, line: Line) -> None:
    line.head(200, Content_Length=str(len(LAYER)))
    line.send(LAYER[:HALF])
    line.hang_up()


def cut_off(request: Request, line: Line) -> None:
    line.head(200, Content_Length=str(len(LAYER)))
    line.send(LAYER[:HALF])
    line.reset()


def stall(request: Request, line: Line) -> None:
    line.head(200, Content_Length=str(len(LAYER)))
    line.send(LAYER[:HALF])
    line.wait_for_the_end()


def whole(request: Request, line: Line) -> None:
    line.reply(200, LAYER)


def wrong_range(request: Request, line: Line) -> None:
    if "range" in request.headers:
        line.reply(206, LAYER, Content_Range=f"bytes 0-{len(LAYER) - 1}/{len(LAYER)}")
    else:
        line.reply(200, LAYER)


def no_range(request: Request, line: Line) -> None:
    if "range" in request.headers:
        line.reply(416)
    else:
        line.reply(200, LAYER)


@pytest.mark.parametrize("odd", [cut_short, cut_off, stall])
@pytest.mark.parametrize("good", [Registry().blob, whole, wrong_range, no_range])
def test_a_broken_blob_is_taken_up_again(odd: Handler, good: Handler, tmp_path: Path) -> None:
    """What is missing is asked for as a range, and passed over where the server sends all."""
    registry = Registry({BLOB: first_then(odd, good)})
    with scripted(registry) as server, source(server.host) as image:
        assert deliver(image, tmp_path / "blob") == LAYER
    assert "range" in [request for request in server.requests if request.path == BLOB][1].headers


@pytest.mark.parametrize("odd", [cut_short, cut_off, stall])
def test_the_original_does_not_take_up_blobs(odd: Handler, tmp_path: Path) -> None:
    """Under libpod-1.3 a broken blob is an error at once."""
    registry = Registry({BLOB: first_then(odd, whole)})
    with scripted(registry) as server, source(server.host, rules=Rules.LIBPOD_1_3) as image:
        with pytest.raises(RegistryError) as caught:
            deliver(image, tmp_path / "blob")
        assert caught.value.code == "registry.broken"
    assert server.targets().count(BLOB) == 1


def test_a_broken_manifest_is_asked_for_again() -> None:
    """A manifest that breaks off is read anew, and under libpod-1.3 an error at once."""

    def odd(request: Request, line: Line) -> None:
        line.head(200, Content_Length=str(len(MANIFEST)))
        line.send(MANIFEST[:20])
        line.hang_up()

    path = "/v2/r/manifests/latest"
    good = Registry()
    mended = Registry({path: first_then(odd, good)})
    with scripted(mended) as server, source(server.host) as image:
        assert image.manifest().data == MANIFEST
    with scripted(Registry({path: odd})) as server:
        for rules in (Rules.CURRENT, Rules.LIBPOD_1_3):
            with (
                source(server.host, rules=rules) as image,
                pytest.raises(RegistryError) as caught,
            ):
                image.manifest()
            assert caught.value.code == "registry.broken"
    assert server.targets().count(path) == 5


def test_repetitions_without_progress_end(tmp_path: Path) -> None:
    """A server that never gets further is left after three repetitions."""

    def nothing(request: Request, line: Line) -> None:
        line.head(200, Content_Length=str(len(LAYER)))
        line.hang_up()

    with scripted(Registry({BLOB: nothing})) as server, source(server.host) as image:
        with pytest.raises(RegistryError) as caught:
            deliver(image, tmp_path / "blob")
        assert caught.value.code == "registry.broken"
    assert server.targets().count(BLOB) == 4


def test_an_earlier_attempt_is_continued(tmp_path: Path) -> None:
    """A blob may begin at an offset, and only the rest is sent."""
    with scripted(Registry()) as server, source(server.host) as image:
        assert deliver(image, tmp_path / "blob", HALF) == LAYER
    assert server.requests[-1].headers["range"] == f"bytes={HALF}-"


@pytest.mark.parametrize("odd", [whole, wrong_range, no_range])
def test_a_server_without_ranges_sends_all(odd: Handler) -> None:
    """Where no proper range comes, the blob begins at 0 and says so."""
    with (
        scripted(Registry({BLOB: odd})) as server,
        source(server.host) as image,
        image.open_blob(descriptor(), HALF) as blob,
    ):
        assert blob.offset == 0
        assert blob.size == len(LAYER)


def drip(line: Line, data: bytes, over: threading.Event) -> None:
    """Sends a byte now and then, so that no single read ever times out."""
    for index in range(len(data)):
        line.send(data[index : index + 1])
        if over.wait(0.05):
            return


@pytest.mark.parametrize("chunked", [False, True])
def test_a_dripping_body_ends(chunked: bool, tmp_path: Path) -> None:
    """A body that brings a byte now and then is a stalled one."""
    over = threading.Event()

    def odd(request: Request, line: Line) -> None:
        if chunked:
            line.head(200, Transfer_Encoding="chunked")
            drip(line, b"1;" + b"x" * 1000, over)  # the head of a chunk that never ends
        else:
            line.head(200, Content_Length=str(len(LAYER)))
            drip(line, LAYER, over)

    with scripted(Registry({BLOB: odd})) as server:
        with source(server.host, rules=replace(Rules.CURRENT, retries=0)) as image:
            with pytest.raises(RegistryError) as caught:
                deliver(image, tmp_path / "blob")
            assert caught.value.facts["cause"] == "stalled"
        over.set()


@pytest.mark.parametrize("path", ["/v2/", "/v2/r/manifests/latest"])
@pytest.mark.parametrize("dripping", [False, True])
def test_a_silent_server_ends(path: str, dripping: bool) -> None:
    """No answer, or one whose head never ends, is an error after a while."""
    over = threading.Event()

    def odd(request: Request, line: Line) -> None:
        if dripping:
            drip(line, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000, over)
        else:
            line.wait_for_the_end()

    timeouts = replace(IMPATIENT, connect=0.3)
    with scripted(Registry({path: odd})) as server:
        with source(server.host, rules=Rules.LIBPOD_1_3, timeouts=timeouts) as image:
            with pytest.raises(RegistryError) as caught:
                image.manifest()
            assert caught.value.code == "registry.unreachable"
            assert caught.value.facts["cause"] == "silent"
        over.set()


def reply_with(data: bytes) -> Handler:
    return lambda request, line: line.reply(200, data)


def chunks(*data: bytes) -> Handler:
    def odd(request: Request, line: Line) -> None:
        line.head(200, Transfer_Encoding="chunked")
        for piece in (*data, b""):
            line.send(b"%x\r\n%s\r\n" % (len(piece), piece))

    return odd


@pytest.mark.parametrize(
    "odd", [reply_with(LAYER + b"x"), reply_with(LAYER[:-1]), reply_with(b""), chunks(LAYER, b"x")]
)
def test_a_blob_of_another_size_is_refused(odd: Handler, tmp_path: Path) -> None:
    """What is longer or shorter than the manifest says is not the blob, and is not asked again."""
    with scripted(Registry({BLOB: odd})) as server, source(server.host) as image:
        with pytest.raises(RegistryError) as caught:
            deliver(image, tmp_path / "blob")
        assert caught.value.code == "registry.wrong_size"
    assert server.targets().count(BLOB) == 1


def test_the_original_takes_the_size_of_the_answer(tmp_path: Path) -> None:
    """Under libpod-1.3 the bytes come as they are sent; their digest is judged later."""
    registry = Registry({BLOB: reply_with(LAYER + b"more")})
    with scripted(registry) as server, source(server.host, rules=Rules.LIBPOD_1_3) as image:
        assert deliver(image, tmp_path / "blob") == LAYER + b"more"


def test_a_chunked_blob_keeps_its_connection(tmp_path: Path) -> None:
    """A body in chunks is read to its end, so that the next request needs no new connection."""
    registry = Registry({BLOB: chunks(LAYER[:HALF], LAYER[HALF:])})
    with scripted(registry) as server, source(server.host) as image:
        assert deliver(image, tmp_path / "blob") == LAYER
        assert deliver(image, tmp_path / "again") == LAYER
    assert server.connections == 2  # one that tried TLS, and one for everything


@pytest.mark.parametrize("what", ["manifest", "config"])
def test_endless_documents_end(what: str) -> None:
    """A manifest or config is read up to its limit and no further."""

    def endless(request: Request, line: Line) -> None:
        line.head(200, Transfer_Encoding="chunked")
        while True:
            line.send(b"10000\r\n" + b" " * 65536 + b"\r\n")

    config = descriptor(CONFIG)
    paths = {"manifest": "/v2/r/manifests/latest", "config": f"/v2/r/blobs/{config.digest}"}
    with scripted(Registry({paths[what]: endless})) as server, source(server.host) as image:
        read: dict[str, Callable[[], object]] = {
            "manifest": image.manifest,
            "config": lambda: image.config(config),
        }
        with pytest.raises(TowlineError) as caught:
            read[what]()
        assert caught.value.code == "limit.document"


@pytest.mark.parametrize("where", ["head", "body"])
def test_cancelling_wakes_whoever_waits(where: str, tmp_path: Path) -> None:
    """Cancelling closes the sockets: a read that would last for ever ends at once."""
    cancel = CancelToken()

    def odd(request: Request, line: Line) -> None:
        if where == "body":
            line.head(200, Content_Length=str(len(LAYER)))
            line.send(LAYER[:10])
        cancel.cancel()
        line.wait_for_the_end()

    timeouts = replace(IMPATIENT, response=1000.0, stall_window=1000.0)
    with (
        scripted(Registry({BLOB: odd})) as server,
        source(server.host, cancel=cancel, timeouts=timeouts) as image,
        pytest.raises(PullCancelledError),
    ):
        deliver(image, tmp_path / "blob")


def test_a_connection_that_died_in_the_pool_costs_nothing() -> None:
    """A kept connection that the server closes on the next request is no failed attempt."""

    def odd(request: Request, line: Line) -> None:
        if len(server.requests) % 3 == 0:
            line.hang_up()  # the third request on every connection is not answered
        else:
            line.reply(200, MANIFEST)

    registry = Registry({"/v2/r/manifests/latest": odd})
    with scripted(registry) as server, source(server.host, rules=Rules.LIBPOD_1_3) as image:
        for _ in range(4):
            assert image.manifest().data == MANIFEST


def test_malformed_answers() -> None:
    """What is no HTTP is told as such."""
    registry = Registry(
        {"/v2/r/manifests/latest": lambda request, line: line.send(b"SSH-2.0\r\n\r\n")}
    )
    with scripted(registry) as server, source(server.host, rules=Rules.LIBPOD_1_3) as image:
        with pytest.raises(RegistryError) as caught:
            image.manifest()
        assert caught.value.code == "registry.bad_answer"


def test_foreign_layers(tmp_path: Path) -> None:
    """A layer that the registry lacks comes from its addresses, which learn nothing of us.

    The original goes there first.
    """
    elsewhere = Registry()
    elsewhere.odd["/layer"] = whole
    for rules, asked in ((Rules.CURRENT, 1), (Rules.LIBPOD_1_3, 0)):
        registry = Registry({BLOB: lambda request, line: line.reply(404)})
        with scripted(registry) as server, scripted(elsewhere) as other:
            urls = ("ipfs://x", f"http://{other.host}/gone", f"http://{other.host}/layer")
            with source(server.host, rules=rules) as image:
                writer = BlobWriter(str(tmp_path / rules.edition))
                with image.open_blob(descriptor(urls=urls)) as blob:
                    blob.deliver(writer)
                writer.finish()
        assert (tmp_path / rules.edition).read_bytes() == LAYER
        assert server.targets().count(BLOB) == asked
        assert all("authorization" not in request.headers for request in other.requests)


def test_six_at_once(tmp_path: Path) -> None:
    """Six blobs at once go over six connections, with one ping."""
    together = threading.Barrier(6)

    def odd(request: Request, line: Line) -> None:
        together.wait(30)
        whole(request, line)

    with scripted(Registry({BLOB: odd})) as server, source(server.host) as image:
        results: list[bytes] = []
        threads = [
            threading.Thread(
                target=lambda at=at: results.append(deliver(image, tmp_path / str(at)))
            )
            for at in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == [LAYER] * 6
    assert server.targets().count("/v2/") == 1
