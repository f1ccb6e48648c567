"""Blobs over TLS: broken, stalled and cancelled transfers, as over plain HTTP."""

from __future__ import annotations

import ssl
import threading
from pathlib import Path

import pytest

from tests.faults.test_registry import cut_off, cut_short, deliver, drip, first_then, stall, whole
from tests.support import certificates
from tests.support.docker_images import BLOB, LAYER, SHORT_TIMEOUTS, Registry, source
from tests.support.edition_settings import changed
from tests.support.scripted_server import Connection, Handler, Request, scripted
from towline.cancel import CancelToken
from towline.errors import PullCancelledError, RegistryError
from towline.frozen import replace
from towline.registry.certificates import Certificates
from towline.rules import Rules

Ends = tuple[ssl.SSLContext, Certificates]


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Ends:
    """The TLS context of a server, and the certificates that a client trusts."""
    context, authority = certificates.server_context(tmp_path_factory.mktemp("tls"))
    return context, Certificates(authorities=(str(authority),))


def test_blobs_keep_their_connection(ends: Ends, tmp_path: Path) -> None:
    """The connection is reused, because a body is read exactly to its end."""
    with (
        scripted(Registry(), ends[0]) as server,
        source(server.host, insecure=False, certificates=ends[1]) as image,
    ):
        for number in range(3):
            assert deliver(image, tmp_path / str(number)) == LAYER
        assert deliver(image, tmp_path / "rest", 10_000) == LAYER
    assert server.connections == 1


@pytest.mark.clause("REG-024")
@pytest.mark.parametrize("odd", [cut_short, cut_off, stall])
@pytest.mark.parametrize("good", [Registry().blob, whole])
def test_a_broken_blob_is_resumed(odd: Handler, good: Handler, ends: Ends, tmp_path: Path) -> None:
    """The missing bytes are requested as a range."""
    registry = Registry({BLOB: first_then(odd, good)})
    with (
        scripted(registry, ends[0]) as server,
        source(server.host, insecure=False, certificates=ends[1]) as image,
    ):
        assert deliver(image, tmp_path / "blob") == LAYER
    assert "range" in [request for request in server.requests if request.path == BLOB][1].headers


@pytest.mark.parametrize("dripping", [False, True])
def test_a_server_that_sends_too_little(dripping: bool, ends: Ends, tmp_path: Path) -> None:
    """A body that stops, or that brings a byte now and then, is stalled."""
    finished = threading.Event()

    def odd(request: Request, connection: Connection) -> None:
        connection.head(200, Content_Length=str(len(LAYER)))
        if dripping:
            drip(connection, LAYER, finished)
        else:
            connection.send(LAYER[:100])
            finished.wait(60)

    rules = changed(Rules.CURRENT, "retries", 0)
    with scripted(Registry({BLOB: odd}), ends[0]) as server:
        with source(server.host, insecure=False, certificates=ends[1], rules=rules) as image:
            with pytest.raises(RegistryError) as caught:
                deliver(image, tmp_path / "blob")
            assert caught.value.facts["cause"] == "stalled"
        finished.set()


def test_cancelling_interrupts_a_read(ends: Ends, tmp_path: Path) -> None:
    """A read that would never end is interrupted at once."""
    cancel = CancelToken()

    def odd(request: Request, connection: Connection) -> None:
        connection.head(200, Content_Length=str(len(LAYER)))
        connection.send(LAYER[:10])
        cancel.cancel()
        connection.wait_until_closed()

    timeouts = replace(SHORT_TIMEOUTS, response=1000.0, stall_window=1000.0)
    with (
        scripted(Registry({BLOB: odd}), ends[0]) as server,
        source(
            server.host,
            insecure=False,
            certificates=ends[1],
            cancel=cancel,
            timeouts=timeouts,
        ) as image,
        pytest.raises(PullCancelledError),
    ):
        deliver(image, tmp_path / "blob")
