"""Whole pulls whose layer comes in pieces: over redirects, from liars and mirrors, and killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support import ranged_blobs
from tests.support.pushing import OCI, Puller, digest_of, insecure, small_image
from tests.support.ranged_blobs import EAGER, PIECE, send_of
from tests.support.scripted_server import Handler, Line, Request, scripted
from tests.support.towline_cli import CommandLine
from towline.errors import TowlineError
from towline.registry import connection_slots

pytestmark = pytest.mark.clause("REG-029")

IMAGE = small_image("ranges", layers=1, size=2_000_000)
(LAYER,) = IMAGE.layers
NAME = digest_of(LAYER)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection counts as slow, and pieces are small."""
    monkeypatch.setattr(connection_slots, "Division", lambda: EAGER)


def is_piece(request: Request) -> bool:
    return NAME in request.target and ranged_blobs.is_piece(request)


def send(request: Request, line: Line) -> None:
    """A registry with the image."""
    name = request.path.rpartition("/")[2]
    if "/manifests/" in request.path:
        line.reply(200, IMAGE.manifest, Content_Type=OCI)
    elif name == digest_of(IMAGE.config):
        line.reply(200, IMAGE.config)
    elif name == NAME:
        send_of(LAYER, request, line)
    else:
        line.reply(200, b"{}")


def pieces_by(odd: Handler) -> Handler:
    return lambda request, line: (odd if is_piece(request) else send)(request, line)


def spoil(request: Request, line: Line) -> None:
    """The right range with other bytes."""
    first, last = request.headers["range"].removeprefix("bytes=").split("-")
    data = bytes(int(last) + 1 - int(first))
    line.reply(206, data, Content_Range=f"bytes {first}-{last}/{len(LAYER)}")


@pytest.mark.usefixtures("eager")
def test_each_piece_follows_the_redirect(tmp_path: Path) -> None:
    """The registry sends each piece elsewhere, with an address of its own."""
    with scripted(send) as elsewhere:

        def redirect(request: Request, line: Line) -> None:
            if "/blobs/" not in request.path:
                send(request, line)
                return
            signed = f"http://{elsewhere.host}{request.path}?signed={len(registry.requests)}"
            line.reply(307, Location=signed)

        puller = Puller(tmp_path)
        with scripted(redirect) as registry:
            puller.runtime(tls_verify=False).pull(f"{registry.host}/r")
    puller.assert_whole(IMAGE)
    assert [request for request in elsewhere.requests if is_piece(request)]
    blobs = [request.target for request in elsewhere.requests]
    assert len(set(blobs)) == len(blobs)  # each was signed for itself


@pytest.mark.usefixtures("eager")
def test_pieces_with_other_bytes(tmp_path: Path) -> None:
    """The digest of the whole tells; the right bytes come over one connection."""
    puller = Puller(tmp_path)
    with scripted(pieces_by(spoil)) as server:
        puller.runtime(tls_verify=False).pull(f"{server.host}/r")
        blobs = [request for request in server.requests if NAME in request.target]
    puller.assert_whole(IMAGE)
    assert "range" not in blobs[-1].headers
    assert [is_piece(request) for request in blobs].count(False) == 2


@pytest.mark.usefixtures("eager")
def test_other_bytes_in_any_case(tmp_path: Path) -> None:
    """They are asked for twice; the store has no image, and the right bytes come later."""
    puller = Puller(tmp_path)

    def odd(request: Request, line: Line) -> None:
        if NAME not in request.target:
            send(request, line)
        elif "range" in request.headers:
            spoil(request, line)
        else:
            line.reply(200, bytes(len(LAYER)), Accept_Ranges="bytes")

    with scripted(odd) as server:
        with pytest.raises(TowlineError, match="not those asked for"):
            puller.runtime(tls_verify=False).pull(f"{server.host}/r")
        assert puller.stored() == []
        whole = [each for each in server.requests if NAME in each.target and not is_piece(each)]
        assert len(whole) == 2
    with scripted(send) as server:
        puller.runtime(tls_verify=False).pull(f"{server.host}/r")
    puller.assert_whole(IMAGE)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("odd", [spoil, lambda request, line: line.reset()], ids=["lies", "dies"])
def test_the_next_mirror_takes_over(odd: Handler, tmp_path: Path) -> None:
    """A mirror whose pieces are bad, and which then gives nothing, is not the end of it."""
    puller = Puller(tmp_path)

    def mirror(request: Request, line: Line) -> None:
        if NAME not in request.target:
            send(request, line)
        elif is_piece(request):
            odd(request, line)
        elif "range" in request.headers:
            line.reset()
        else:
            line.head(200, Content_Length=str(len(LAYER)), Accept_Ranges="bytes")
            line.send(LAYER[: 3 * PIECE])
            line.hang_up()

    with scripted(mirror) as first, scripted(send) as second:
        puller.conf(
            "\n".join(insecure(second.host))
            + f'\n[[registry.mirror]]\nlocation = "{first.host}"\ninsecure = true\n'
        )
        puller.runtime().pull(f"{second.host}/r")
    puller.assert_whole(IMAGE)


def test_a_pull_killed_among_its_pieces_goes_on(tmp_path: Path) -> None:
    """What is on the disk then is a prefix, and only the rest is fetched."""
    line = CommandLine.below(tmp_path)
    reached = threading.Event()
    code = (
        "from towline.cli import main; from towline.registry import slots;"
        f"eager = slots.{EAGER!r}; connection_slots.Division = lambda: eager; main()"
    )

    def hold(request: Request, answer: Line) -> None:
        first = int(request.headers["range"].removeprefix("bytes=").partition("-")[0])
        if first < 10 * PIECE:
            send(request, answer)
        else:  # later pieces are under way for ever
            reached.set()
            answer.wait_for_the_end()

    with scripted(pieces_by(hold)) as server:
        words = line.arguments("pull", "--quiet", "--tls-verify=false", f"{server.host}/r")
        command = [sys.executable, "-c", code, *words[3:]]
        with subprocess.Popen(command, env=line.environment) as process:
            assert reached.wait(60)
            process.send_signal(signal.SIGKILL)
    held = (line.root / "towline/partial/sha256" / NAME.removeprefix("sha256:")).read_bytes()
    assert LAYER.startswith(held)
    with scripted(send) as server:
        pulled = line("pull", "--quiet", "--tls-verify=false", f"{server.host}/r")
        assert pulled.status == 0, pulled.stderr
        (asked,) = [request for request in server.requests if NAME in request.target]
    assert asked.headers.get("range") == (f"bytes={len(held)}-" if held else None)
    assert line("verify").status == 0
