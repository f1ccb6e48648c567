"""Rate limits of registries: in the result, and shared by all pulls of a process."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.docker_images import CONFIG, DIGEST, Registry, descriptor, source
from tests.support.pushing import Puller
from tests.support.scripted_server import Connection, Request, scripted
from towline.cancel import CancelToken
from towline.errors import TowlineError
from towline.registry.endpoint_log import RateLimit, read_rate_limit
from towline.registry.host_backoff import HOST_BACKOFF, HostBackoff
from towline.source.docker import DockerSource
from towline.timeouts import Timeouts


@pytest.mark.parametrize(
    ("limit", "remaining", "source", "expected"),
    [
        ("100;w=21600", "76;w=21600", "192.0.2.1", RateLimit(100, 76, 21600, "192.0.2.1")),
        ("100", None, None, RateLimit(100)),
        (None, "0; w=60", " acme ", RateLimit(None, 0, 60, "acme")),
        ("many", "-5", "\x1b[2J", RateLimit()),
        ("9" * 40, "", "", RateLimit()),
    ],
)
@pytest.mark.clause("REG-050")
def test_rate_limit_headers_are_parsed(
    limit: str | None, remaining: str | None, source: str | None, expected: RateLimit
) -> None:
    """Limit, remaining, window and source."""
    if limit == "9" * 40:
        expected = RateLimit(int("9" * 15))  # numbers are truncated to 15 digits
    assert read_rate_limit(limit, remaining, source) == expected


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=200))
def test_any_headers_are_parsed(limit: str, remaining: str, source: str) -> None:
    """Any text gives a rate limit."""
    read_rate_limit(limit, remaining, source).to_json()


@pytest.mark.clause("REG-050")
def test_the_limit_is_in_the_result(tmp_path: Path) -> None:
    """The last headers count; the JSON form has them too."""
    plain = Registry()
    left = iter(range(99, 0, -1))

    def limited(request: Request, connection: Connection) -> None:
        if "/manifests/" not in request.path:
            plain(request, connection)
            return
        counted = f"{next(left)};w=60"
        registry = Limiting(connection, RateLimit_Limit="100;w=60", RateLimit_Remaining=counted)
        plain(request, registry)

    puller = Puller(tmp_path)
    with scripted(limited) as server:
        result = puller.runtime(tls_verify=False).pull(f"{server.host}/r")
    (use,) = result.attempts[0].endpoints
    assert use.rate_limit == RateLimit(100, 99, 60)
    assert use.served[0] == DIGEST
    (attempt,) = result.to_json()["attempts"]
    assert attempt["endpoints"][0]["rate_limit"]["remaining"] == 99


class Limiting(Connection):
    """A connection whose responses have additional headers."""

    def __init__(self, connection: Connection, **headers: str) -> None:
        self._connection = connection
        self._headers = headers

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self._connection.reply(status, body, **headers, **self._headers)


@pytest.mark.clause("REG-051")
def test_all_clients_wait_after_429() -> None:
    """After a 429 no client of the process sends requests to that host until the pause ends."""
    config = f"/v2/r/blobs/{descriptor(CONFIG).digest_text}"
    timeouts = Timeouts(
        connect=5, response=5, stall_window=5, stall_bytes=64, backoff=0.0, longest_delay=600
    )
    cancel = CancelToken()
    codes: list[str] = []

    def request_config(image: DockerSource) -> None:
        try:
            image.config(descriptor(CONFIG))
        except TowlineError as error:
            codes.append(error.code)

    registry = Registry(
        {config: lambda request, connection: connection.reply(429, b"", Retry_After="600")}
    )
    with (
        scripted(registry) as server,
        source(server.host, timeouts=timeouts, cancel=cancel) as first,
        source(server.host, timeouts=timeouts, cancel=cancel) as second,
    ):
        first.manifest()
        second.manifest()
        threads = [
            threading.Thread(target=request_config, args=(image,)) for image in (first, second)
        ]
        threads[0].start()
        while not HOST_BACKOFF.left(server.host):
            time.sleep(0.005)
        threads[1].start()
        time.sleep(0.05)  # enough time for a request, if one were made
        cancel.cancel()
        for thread in threads:
            thread.join()
        assert server.targets().count(config) == 1
    assert codes == ["cancelled.by_caller"] * 2


@pytest.mark.clause("REG-051")
def test_pauses_of_hosts() -> None:
    """Each host has its own; the longer pause is kept; a pause that has ended is dropped."""
    backoff = HostBackoff()
    backoff.pause("a", 100)
    backoff.pause("a", 1)
    backoff.pause("b", 0)
    assert 90 < backoff.left("a") <= 100
    assert backoff.left("b") == backoff.left("c") == 0
