"""Limits of registries: told in the result, and shared by all pulls of a process."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.docker_images import CONFIG, DIGEST, Registry, descriptor, source
from tests.support.pushing import Puller
from tests.support.scripted_server import Line, Request, scripted
from towline.cancel import CancelToken
from towline.errors import TowlineError
from towline.registry.endpoint_log import RateLimit, read_rate_limit
from towline.registry.host_backoff import HOST_BACKOFF, HostBackoff
from towline.source.docker import DockerSource
from towline.timeouts import Timeouts


@pytest.mark.parametrize(
    ("limit", "remaining", "source", "told"),
    [
        ("100;w=21600", "76;w=21600", "192.0.2.1", RateLimit(100, 76, 21600, "192.0.2.1")),
        ("100", None, None, RateLimit(100)),
        (None, "0; w=60", " acme ", RateLimit(None, 0, 60, "acme")),
        ("many", "-5", "\x1b[2J", RateLimit()),
        ("9" * 40, "", "", RateLimit()),
    ],
)
@pytest.mark.clause("REG-050")
def test_the_headers(
    limit: str | None, remaining: str | None, source: str | None, told: RateLimit
) -> None:
    """Numbers, the window behind them, and whose limit it is."""
    if limit == "9" * 40:
        told = RateLimit(int("9" * 15))  # what is too long to be meant is cut
    assert read_rate_limit(limit, remaining, source) == told


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=200))
def test_nothing_breaks_the_reader(limit: str, remaining: str, source: str) -> None:
    """Whatever a server sends gives a limit."""
    read_rate_limit(limit, remaining, source).to_json()


@pytest.mark.clause("REG-050")
def test_the_limit_is_in_the_result(tmp_path: Path) -> None:
    """The last headers count, and the JSON form has them too."""
    plain = Registry()
    left = iter(range(99, 0, -1))

    def limited(request: Request, line: Line) -> None:
        if "/manifests/" not in request.path:
            plain(request, line)
            return
        counted = f"{next(left)};w=60"
        registry = Limiting(line, RateLimit_Limit="100;w=60", RateLimit_Remaining=counted)
        plain(request, registry)

    puller = Puller(tmp_path)
    with scripted(limited) as server:
        result = puller.runtime(tls_verify=False).pull(f"{server.host}/r")
    (use,) = result.attempts[0].endpoints
    assert use.rate_limit == RateLimit(100, 99, 60)
    assert use.served[0] == DIGEST
    (attempt,) = result.to_json()["attempts"]
    assert attempt["endpoints"][0]["rate_limit"]["remaining"] == 99


class Limiting(Line):
    """A line whose answers have more headers."""

    def __init__(self, line: Line, **headers: str) -> None:
        self._line = line
        self._headers = headers

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self._line.reply(status, body, **headers, **self._headers)


@pytest.mark.clause("REG-051")
def test_who_comes_later_waits_as_well() -> None:
    """After a 429 no client of the process asks that host, until the pause is over."""
    config = f"/v2/r/blobs/{descriptor(CONFIG).digest_text}"
    timeouts = Timeouts(
        connect=5, response=5, stall_window=5, stall_bytes=64, backoff=0.0, longest_delay=600
    )
    cancel = CancelToken()
    told: list[str] = []

    def ask(image: DockerSource) -> None:
        try:
            image.config(descriptor(CONFIG))
        except TowlineError as error:
            told.append(error.code)

    registry = Registry({config: lambda request, line: line.reply(429, b"", Retry_After="600")})
    with (
        scripted(registry) as server,
        source(server.host, timeouts=timeouts, cancel=cancel) as first,
        source(server.host, timeouts=timeouts, cancel=cancel) as second,
    ):
        first.manifest()
        second.manifest()
        threads = [threading.Thread(target=ask, args=(image,)) for image in (first, second)]
        threads[0].start()
        while not HOST_BACKOFF.left(server.host):
            time.sleep(0.005)
        threads[1].start()
        time.sleep(0.05)  # time enough to ask, for who would
        cancel.cancel()
        for thread in threads:
            thread.join()
        assert server.targets().count(config) == 1
    assert told == ["cancelled.by_caller"] * 2


@pytest.mark.clause("REG-051")
def test_a_budget() -> None:
    """Each host has its own; the longer pause holds; what is over is forgotten."""
    budget = HostBackoff()
    budget.pause("a", 100)
    budget.pause("a", 1)
    budget.pause("b", 0)
    assert 90 < budget.left("a") <= 100
    assert budget.left("b") == budget.left("c") == 0
