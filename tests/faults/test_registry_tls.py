"""Blobs through TLS, where bytes come by records: broken, stalled and cancelled as without it."""

from __future__ import annotations

import ssl
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.test_registry import cut_off, cut_short, deliver, drip, first_then, stall, whole
from tests.support import certificates
from tests.support.docker_images import BLOB, IMPATIENT, LAYER, Registry, source
from tests.support.scripted_server import Handler, Line, Request, scripted
from towline.cancel import CancelToken
from towline.config.certs_d import HostCertificates
from towline.errors import PullCancelledError, RegistryError
from towline.rules import Rules

Ends = tuple[ssl.SSLContext, HostCertificates]


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Ends:
    """What a server shows, and what a client trusts."""
    context, authority = certificates.server_context(tmp_path_factory.mktemp("tls"))
    return context, HostCertificates(authorities=(str(authority),))


def test_blobs_keep_their_connection(ends: Ends, tmp_path: Path) -> None:
    """A body is read to its end and not beyond."""
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
def test_a_broken_blob_is_taken_up_again(
    odd: Handler, good: Handler, ends: Ends, tmp_path: Path
) -> None:
    """What is missing is asked for as a range."""
    registry = Registry({BLOB: first_then(odd, good)})
    with (
        scripted(registry, ends[0]) as server,
        source(server.host, insecure=False, certificates=ends[1]) as image,
    ):
        assert deliver(image, tmp_path / "blob") == LAYER
    assert "range" in [request for request in server.requests if request.path == BLOB][1].headers


@pytest.mark.parametrize("dripping", [False, True])
def test_a_server_that_sends_too_little(dripping: bool, ends: Ends, tmp_path: Path) -> None:
    """A body that stops, or brings a byte now and then, is a stalled one."""
    over = threading.Event()

    def odd(request: Request, line: Line) -> None:
        line.head(200, Content_Length=str(len(LAYER)))
        if dripping:
            drip(line, LAYER, over)
        else:
            line.send(LAYER[:100])
            over.wait(60)

    rules = replace(Rules.CURRENT, retries=0)
    with scripted(Registry({BLOB: odd}), ends[0]) as server:
        with source(server.host, insecure=False, certificates=ends[1], rules=rules) as image:
            with pytest.raises(RegistryError) as caught:
                deliver(image, tmp_path / "blob")
            assert caught.value.facts["cause"] == "stalled"
        over.set()


def test_cancelling_wakes_whoever_waits(ends: Ends, tmp_path: Path) -> None:
    """A read that would last for ever ends at once."""
    cancel = CancelToken()

    def odd(request: Request, line: Line) -> None:
        line.head(200, Content_Length=str(len(LAYER)))
        line.send(LAYER[:10])
        cancel.cancel()
        line.wait_for_the_end()

    timeouts = replace(IMPATIENT, response=1000.0, stall_window=1000.0)
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
