"""Pulls whose layer is divided: with redirects, wrong bytes and mirrors, and killed pulls."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support import ranged_blobs
from tests.support.pushing import OCI, Puller, digest_of, insecure, small_image
from tests.support.ranged_blobs import EAGER, RANGE_SIZE, send_of
from tests.support.scripted_server import Connection, Handler, Request, scripted
from tests.support.towline_cli import CommandLine
from towline.errors import TowlineError
from towline.registry import connection_slots

pytestmark = pytest.mark.clause("REG-029")

IMAGE = small_image("ranges", layers=1, size=2_000_000)
(LAYER,) = IMAGE.layers
NAME = digest_of(LAYER)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection counts as slow, and ranges are small."""
    monkeypatch.setattr(connection_slots, "Division", lambda: EAGER)


def is_bounded_range(request: Request) -> bool:
    return NAME in request.target and ranged_blobs.is_bounded_range(request)


def send(request: Request, line: Connection) -> None:
    """Respond as a registry with the image."""
    name = request.path.rpartition("/")[2]
    if "/manifests/" in request.path:
        line.reply(200, IMAGE.manifest, Content_Type=OCI)
    elif name == digest_of(IMAGE.config):
        line.reply(200, IMAGE.config)
    elif name == NAME:
        send_of(LAYER, request, line)
    else:
        line.reply(200, b"{}")


def ranges_from(odd: Handler) -> Handler:
    return lambda request, line: (odd if is_bounded_range(request) else send)(request, line)


def spoil(request: Request, line: Connection) -> None:
    """Send the right range with wrong bytes."""
    first, last = request.headers["range"].removeprefix("bytes=").split("-")
    data = bytes(int(last) + 1 - int(first))
    line.reply(206, data, Content_Range=f"bytes {first}-{last}/{len(LAYER)}")


@pytest.mark.usefixtures("eager")
def test_each_range_follows_the_redirect(tmp_path: Path) -> None:
    """The registry redirects each request to a different URL."""
    with scripted(send) as elsewhere:

        def redirect(request: Request, line: Connection) -> None:
            if "/blobs/" not in request.path:
                send(request, line)
                return
            signed = f"http://{elsewhere.host}{request.path}?signed={len(registry.requests)}"
            line.reply(307, Location=signed)

        puller = Puller(tmp_path)
        with scripted(redirect) as registry:
            puller.runtime(tls_verify=False).pull(f"{registry.host}/r")
    puller.assert_whole(IMAGE)
    assert [request for request in elsewhere.requests if is_bounded_range(request)]
    blobs = [request.target for request in elsewhere.requests]
    assert len(set(blobs)) == len(blobs)  # each request was redirected by the registry


@pytest.mark.usefixtures("eager")
def test_ranges_with_wrong_bytes(tmp_path: Path) -> None:
    """The digest detects them, and the blob is fetched over one connection."""
    puller = Puller(tmp_path)
    with scripted(ranges_from(spoil)) as server:
        puller.runtime(tls_verify=False).pull(f"{server.host}/r")
        blobs = [request for request in server.requests if NAME in request.target]
    puller.assert_whole(IMAGE)
    assert "range" not in blobs[-1].headers
    assert [is_bounded_range(request) for request in blobs].count(False) == 2


@pytest.mark.usefixtures("eager")
def test_wrong_bytes_also_without_ranges(tmp_path: Path) -> None:
    """The blob is requested twice, and the store has no image; a later pull succeeds."""
    puller = Puller(tmp_path)

    def odd(request: Request, line: Connection) -> None:
        if NAME not in request.target:
            send(request, line)
        elif "range" in request.headers:
            spoil(request, line)
        else:
            line.reply(200, bytes(len(LAYER)), Accept_Ranges="bytes")

    with scripted(odd) as server:
        with pytest.raises(TowlineError, match="does not have the requested digest"):
            puller.runtime(tls_verify=False).pull(f"{server.host}/r")
        assert puller.stored() == []
        whole = [
            each for each in server.requests if NAME in each.target and not is_bounded_range(each)
        ]
        assert len(whole) == 2
    with scripted(send) as server:
        puller.runtime(tls_verify=False).pull(f"{server.host}/r")
    puller.assert_whole(IMAGE)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("odd", [spoil, lambda request, line: line.reset()], ids=["lies", "dies"])
def test_the_next_endpoint_is_used(odd: Handler, tmp_path: Path) -> None:
    """If a mirror has wrong or broken ranges, and then breaks off the blob."""
    puller = Puller(tmp_path)

    def mirror(request: Request, line: Connection) -> None:
        if NAME not in request.target:
            send(request, line)
        elif is_bounded_range(request):
            odd(request, line)
        elif "range" in request.headers:
            line.reset()
        else:
            line.head(200, Content_Length=str(len(LAYER)), Accept_Ranges="bytes")
            line.send(LAYER[: 3 * RANGE_SIZE])
            line.shutdown()

    with scripted(mirror) as first, scripted(send) as second:
        puller.conf(
            "\n".join(insecure(second.host))
            + f'\n[[registry.mirror]]\nlocation = "{first.host}"\ninsecure = true\n'
        )
        puller.runtime().pull(f"{second.host}/r")
    puller.assert_whole(IMAGE)


def test_a_pull_killed_during_ranges_is_resumed(tmp_path: Path) -> None:
    """The partial file is a prefix of the blob, and only the rest is requested."""
    line = CommandLine.below(tmp_path)
    reached = threading.Event()
    code = (
        "from towline.cli import main; from towline.registry import connection_slots as slots;"
        f"eager = slots.{EAGER!r}; slots.Division = lambda: eager; main()"
    )

    def hold(request: Request, connection: Connection) -> None:
        first = int(request.headers["range"].removeprefix("bytes=").partition("-")[0])
        if first < 10 * RANGE_SIZE:
            send(request, connection)
        else:  # later ranges never end
            reached.set()
            connection.wait_until_closed()

    with scripted(ranges_from(hold)) as server:
        words = line.arguments("pull", "--quiet", "--tls-verify=false", f"{server.host}/r")
        command = [sys.executable, "-c", code, *words[3:]]
        with subprocess.Popen(command, env=line.environment) as process:
            assert reached.wait(60)
            process.send_signal(signal.SIGKILL)
    partial = (line.root / "towline/partial/sha256" / NAME.removeprefix("sha256:")).read_bytes()
    assert LAYER.startswith(partial)
    with scripted(send) as server:
        pulled = line("pull", "--quiet", "--tls-verify=false", f"{server.host}/r")
        assert pulled.status == 0, pulled.stderr
        (last,) = [request for request in server.requests if NAME in request.target]
    assert last.headers.get("range") == (f"bytes={len(partial)}-" if partial else None)
    assert line("verify").status == 0
