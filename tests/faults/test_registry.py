"""Faults of a registry: they are retried, and then are an error."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.archives import read_blob
from tests.support.docker_images import (
    BLOB,
    CONFIG,
    LAYER,
    MANIFEST,
    SHORT_TIMEOUTS,
    Registry,
    descriptor,
    source,
)
from tests.support.edition_settings import changed
from tests.support.scripted_server import Connection, Handler, Request, scripted
from towline.cancel import CancelToken
from towline.core import BlobWriter
from towline.errors import PullCancelledError, RegistryError, TowlineError
from towline.frozen import replace
from towline.rules import Rules
from towline.source.docker import DockerSource

HALF = len(LAYER) // 2


def deliver(image: DockerSource, path: Path, offset: int = 0) -> bytes:
    """Download the layer and return it; the bytes before `offset` are on the disk already."""
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
    """Use one handler for the first request, and another one for later requests."""
    return lambda request, connection: (odd if request.number == 0 else good)(request, connection)


def cut_short(request: Request, connection: Connection) -> None:
    connection.head(200, Content_Length=str(len(LAYER)))
    connection.send(LAYER[:HALF])
    connection.shutdown()


def cut_off(request: Request, connection: Connection) -> None:
    connection.head(200, Content_Length=str(len(LAYER)))
    connection.send(LAYER[:HALF])
    connection.reset()


def stall(request: Request, connection: Connection) -> None:
    connection.head(200, Content_Length=str(len(LAYER)))
    connection.send(LAYER[:HALF])
    connection.wait_until_closed()


def whole(request: Request, connection: Connection) -> None:
    connection.reply(200, LAYER)


def wrong_range(request: Request, connection: Connection) -> None:
    if "range" in request.headers:
        connection.reply(206, LAYER, Content_Range=f"bytes 0-{len(LAYER) - 1}/{len(LAYER)}")
    else:
        connection.reply(200, LAYER)


def no_range(request: Request, connection: Connection) -> None:
    if "range" in request.headers:
        connection.reply(416)
    else:
        connection.reply(200, LAYER)


@pytest.mark.parametrize("odd", [cut_short, cut_off, stall])
@pytest.mark.parametrize("good", [Registry().blob, whole, wrong_range, no_range])
def test_a_broken_blob_is_resumed(odd: Handler, good: Handler, tmp_path: Path) -> None:
    """The missing bytes are requested as a range, and skipped if the server sends all."""
    registry = Registry({BLOB: first_then(odd, good)})
    with scripted(registry) as server, source(server.host) as image:
        assert deliver(image, tmp_path / "blob") == LAYER
    assert "range" in [request for request in server.requests if request.path == BLOB][1].headers


@pytest.mark.parametrize("odd", [cut_short, cut_off, stall])
def test_libpod_does_not_resume_blobs(odd: Handler, tmp_path: Path) -> None:
    """Under libpod-1.3 a broken blob is an error at once."""
    registry = Registry({BLOB: first_then(odd, whole)})
    with scripted(registry) as server, source(server.host, rules=Rules.LIBPOD_1_3) as image:
        with pytest.raises(RegistryError) as caught:
            deliver(image, tmp_path / "blob")
        assert caught.value.code == "registry.broken"
    assert server.targets().count(BLOB) == 1


def test_a_broken_manifest_is_requested_again() -> None:
    """Under libpod-1.3 it is an error at once."""

    def odd(request: Request, connection: Connection) -> None:
        connection.head(200, Content_Length=str(len(MANIFEST)))
        connection.send(MANIFEST[:20])
        connection.shutdown()

    path = "/v2/r/manifests/latest"
    good = Registry()
    recovering = Registry({path: first_then(odd, good)})
    with scripted(recovering) as server, source(server.host) as image:
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


def test_retries_without_progress_are_limited(tmp_path: Path) -> None:
    """After three retries the pull fails."""

    def nothing(request: Request, connection: Connection) -> None:
        connection.head(200, Content_Length=str(len(LAYER)))
        connection.shutdown()

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
    """If the server does not send the range, the blob begins at offset 0."""
    with (
        scripted(Registry({BLOB: odd})) as server,
        source(server.host) as image,
        image.open_blob(descriptor(), HALF) as blob,
    ):
        assert blob.offset == 0
        assert blob.size == len(LAYER)


def drip(connection: Connection, data: bytes, finished: threading.Event) -> None:
    """Send a byte now and then, so that no single read times out."""
    for index in range(len(data)):
        connection.send(data[index : index + 1])
        if finished.wait(0.05):
            return


@pytest.mark.parametrize("chunked", [False, True])
def test_a_dripping_body_is_stalled(chunked: bool, tmp_path: Path) -> None:
    """A body that brings a byte now and then is stalled."""
    finished = threading.Event()

    def odd(request: Request, connection: Connection) -> None:
        if chunked:
            connection.head(200, Transfer_Encoding="chunked")
            drip(
                connection, b"1;" + b"x" * 1000, finished
            )  # the header of a chunk, which never ends
        else:
            connection.head(200, Content_Length=str(len(LAYER)))
            drip(connection, LAYER, finished)

    with scripted(Registry({BLOB: odd})) as server:
        with source(server.host, rules=changed(Rules.CURRENT, "retries", 0)) as image:
            with pytest.raises(RegistryError) as caught:
                deliver(image, tmp_path / "blob")
            assert caught.value.facts["cause"] == "stalled"
        finished.set()


@pytest.mark.parametrize("path", ["/v2/", "/v2/r/manifests/latest"])
@pytest.mark.parametrize("dripping", [False, True])
def test_a_silent_server_is_an_error(path: str, dripping: bool) -> None:
    """A response without headers, or whose headers never end, times out."""
    finished = threading.Event()

    def odd(request: Request, connection: Connection) -> None:
        if dripping:
            drip(connection, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000, finished)
        else:
            connection.wait_until_closed()

    timeouts = replace(SHORT_TIMEOUTS, connect=0.3)
    with scripted(Registry({path: odd})) as server:
        with source(server.host, rules=Rules.LIBPOD_1_3, timeouts=timeouts) as image:
            with pytest.raises(RegistryError) as caught:
                image.manifest()
            assert caught.value.code == "registry.unreachable"
            assert caught.value.facts["cause"] == "silent"
        finished.set()


def reply_with(data: bytes) -> Handler:
    return lambda request, connection: connection.reply(200, data)


def chunks(*data: bytes) -> Handler:
    def odd(request: Request, connection: Connection) -> None:
        connection.head(200, Transfer_Encoding="chunked")
        for piece in (*data, b""):
            connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))

    return odd


def until_close(*pieces: bytes) -> Handler:
    """Send bodies without a length, one for each request; the last one repeatedly."""

    def odd(request: Request, connection: Connection) -> None:
        connection.head(200, Connection="close")
        connection.send(pieces[min(request.number, len(pieces) - 1)])
        connection.shutdown()

    return odd


@pytest.mark.clause("REG-027")
@pytest.mark.parametrize("size", [0, len(LAYER) - 1, len(LAYER) + 1, 1 << 62, -5])
@pytest.mark.parametrize("odd", [whole, chunks(LAYER), until_close(LAYER)])
def test_a_blob_of_another_size_than_listed_is_read(
    odd: Handler, size: int, tmp_path: Path
) -> None:
    """The response states where the blob ends, and not the manifest."""
    with (
        scripted(Registry({BLOB: odd})) as server,
        source(server.host) as image,
        image.open_blob(replace(descriptor(), size=size)) as blob,
    ):
        assert read_blob(blob, tmp_path) == LAYER


@pytest.mark.clause("REG-027")
def test_a_body_without_a_length_that_is_too_short_is_continued(tmp_path: Path) -> None:
    """It may have broken off; it has ended if nothing follows."""
    odd = until_close(LAYER[:HALF], LAYER)
    with scripted(Registry({BLOB: odd})) as server, source(server.host) as image:
        assert deliver(image, tmp_path / "whole") == LAYER
    with scripted(Registry({BLOB: until_close(LAYER[:HALF])})) as server:
        with source(server.host) as image:
            assert deliver(image, tmp_path / "half") == LAYER[:HALF]
        assert server.targets().count(BLOB) == 2


@pytest.mark.clause("REG-027")
@pytest.mark.parametrize("stated", [True, False])
def test_a_blob_that_is_much_too_large_is_refused(
    stated: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first byte, or as soon as too many bytes were received."""
    monkeypatch.setattr("towline.source.checks._SURPLUS", 1 << 20)
    sent = 0

    def flood(request: Request, connection: Connection) -> None:
        nonlocal sent
        if stated:
            connection.head(200, Content_Length=str(1 << 40))
        else:
            connection.head(200, Transfer_Encoding="chunked")
        with contextlib.suppress(OSError):
            while sent < 1 << 28:
                piece = b"x" * (1 << 16)
                connection.send(piece if stated else b"10000\r\n%s\r\n" % piece)
                sent += len(piece)

    with scripted(Registry({BLOB: flood})) as server, source(server.host) as image:
        with pytest.raises(RegistryError) as caught:
            deliver(image, tmp_path / "blob")
        assert caught.value.code == "registry.wrong_size"
    assert sent < 1 << 28
    written = tmp_path / "blob"
    assert not written.exists() or written.stat().st_size < 4 << 20


def test_libpod_uses_the_size_of_the_response(tmp_path: Path) -> None:
    """Under libpod-1.3 all bytes are delivered; their digest is checked later."""
    registry = Registry({BLOB: reply_with(LAYER + b"more")})
    with scripted(registry) as server, source(server.host, rules=Rules.LIBPOD_1_3) as image:
        assert deliver(image, tmp_path / "blob") == LAYER + b"more"


def test_a_chunked_blob_keeps_its_connection(tmp_path: Path) -> None:
    """A chunked body is read to its end, so that the connection is reused."""
    registry = Registry({BLOB: chunks(LAYER[:HALF], LAYER[HALF:])})
    with scripted(registry) as server, source(server.host) as image:
        assert deliver(image, tmp_path / "blob") == LAYER
        assert deliver(image, tmp_path / "again") == LAYER
    assert server.connections == 2  # one for the TLS ping, and one for everything else


@pytest.mark.parametrize("what", ["manifest", "config"])
def test_the_size_of_documents_is_limited(what: str) -> None:
    """A manifest or config is read up to its limit."""

    def endless(request: Request, connection: Connection) -> None:
        connection.head(200, Transfer_Encoding="chunked")
        while True:
            connection.send(b"10000\r\n" + b" " * 65536 + b"\r\n")

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
def test_cancelling_interrupts_a_read(where: str, tmp_path: Path) -> None:
    """Cancelling shuts the sockets down: a read that would never end is interrupted."""
    cancel = CancelToken()

    def odd(request: Request, connection: Connection) -> None:
        if where == "body":
            connection.head(200, Content_Length=str(len(LAYER)))
            connection.send(LAYER[:10])
        cancel.cancel()
        connection.wait_until_closed()

    timeouts = replace(SHORT_TIMEOUTS, response=1000.0, stall_window=1000.0)
    with (
        scripted(Registry({BLOB: odd})) as server,
        source(server.host, cancel=cancel, timeouts=timeouts) as image,
        pytest.raises(PullCancelledError),
    ):
        deliver(image, tmp_path / "blob")


def test_a_dead_pooled_connection_is_not_a_failed_attempt() -> None:
    """The server closes a pooled connection on the next request."""

    def odd(request: Request, connection: Connection) -> None:
        if len(server.requests) % 3 == 0:
            connection.shutdown()  # the third request on every connection is not answered
        else:
            connection.reply(200, MANIFEST)

    registry = Registry({"/v2/r/manifests/latest": odd})
    with scripted(registry) as server, source(server.host, rules=Rules.LIBPOD_1_3) as image:
        for _ in range(4):
            assert image.manifest().data == MANIFEST


def test_malformed_responses() -> None:
    """Data that is not HTTP has its own error code."""
    registry = Registry(
        {"/v2/r/manifests/latest": lambda request, connection: connection.send(b"SSH-2.0\r\n\r\n")}
    )
    with scripted(registry) as server, source(server.host, rules=Rules.LIBPOD_1_3) as image:
        with pytest.raises(RegistryError) as caught:
            image.manifest()
        assert caught.value.code == "registry.bad_answer"


def test_foreign_layers(tmp_path: Path) -> None:
    """A layer that the registry lacks is requested from its URLs, without credentials.

    libpod-1.3 requests it from the URLs first.
    """
    elsewhere = Registry()
    elsewhere.odd["/layer"] = whole
    for rules, request_count in ((Rules.CURRENT, 1), (Rules.LIBPOD_1_3, 0)):
        registry = Registry({BLOB: lambda request, connection: connection.reply(404)})
        with scripted(registry) as server, scripted(elsewhere) as other:
            urls = ("ipfs://x", f"http://{other.host}/gone", f"http://{other.host}/layer")
            with source(server.host, rules=rules) as image:
                writer = BlobWriter(str(tmp_path / rules.edition))
                with image.open_blob(descriptor(urls=urls)) as blob:
                    blob.deliver(writer)
                writer.finish()
        assert (tmp_path / rules.edition).read_bytes() == LAYER
        assert server.targets().count(BLOB) == request_count
        assert all("authorization" not in request.headers for request in other.requests)


def test_six_blobs_at_once(tmp_path: Path) -> None:
    """They use six connections, with one ping."""
    barrier = threading.Barrier(6)

    def odd(request: Request, connection: Connection) -> None:
        barrier.wait(30)
        whole(request, connection)

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
