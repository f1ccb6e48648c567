"""Cancelling a pull while it copies layers, from all kinds of sources, and pulling again."""

from __future__ import annotations

import gzip
import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.archives import dir_image, docker_archive, layout, oci_image, tar, write_files
from tests.support.pushing import OCI, SHORT_TIMEOUTS, Puller, digest_of, small_image
from tests.support.scripted_server import Connection, Request, scripted
from towline.cancel import CancelToken
from towline.config.credential_helper import ask_helper
from towline.errors import PullCancelledError, PullFailedError
from towline.frozen import replace
from towline.progress import BlobProgress

pytestmark = pytest.mark.clause("PULL-006")

LAYERS = [tar([("name", bytes([n]) * 3_000_000)]) for n in range(3)]


def docker_archive_of(folder: Path, pack: Callable[[bytes], bytes] = bytes) -> str:
    path = folder / "archive.tar"
    path.write_bytes(pack(tar(docker_archive((["localhost/x:latest"], LAYERS)))))
    return f"docker-archive:{path}"


def compressed_archive_of(folder: Path) -> str:
    return docker_archive_of(folder, gzip.compress)


def layout_of(folder: Path) -> str:
    blobs, image = oci_image(*LAYERS)
    return f"oci:{write_files(folder / 'layout', layout([image], blobs))}"


def oci_archive_of(folder: Path) -> str:
    blobs, image = oci_image(*LAYERS)
    (folder / "oci.tar").write_bytes(tar(list(layout([image], blobs).items())))
    return f"oci-archive:{folder / 'oci.tar'}"


def dir_of(folder: Path) -> str:
    return f"dir:{write_files(folder / 'dir', dir_image(*LAYERS))}"


@pytest.mark.parametrize("verify_diff_ids", [False, True])
@pytest.mark.parametrize(
    "made", [docker_archive_of, compressed_archive_of, layout_of, oci_archive_of, dir_of]
)
@pytest.mark.parametrize("state", ["begun", "done"])
def test_a_local_source(
    made: Callable[[Path], str], state: str, verify_diff_ids: bool, tmp_path: Path
) -> None:
    """Cancelled between two of its layers, or before the first byte of one."""
    puller, cancel = Puller(tmp_path), CancelToken()

    def watch(blob: BlobProgress) -> None:
        if blob.state == state:
            cancel.cancel()

    name = made(tmp_path)
    runtime = puller.runtime(verify_diff_ids=verify_diff_ids)
    with pytest.raises(PullCancelledError, match=r"^cancelled$"):
        runtime.pull(name, cancel=cancel, on_progress=watch)
    assert puller.stored() == []
    assert len(runtime.pull(name).images) == 1
    again = puller.runtime(verify_diff_ids=True).pull(name)
    assert again.verified == ("blobs", "diff-ids")
    assert puller.store.verify(None).clean


def test_a_tarball_that_is_being_read(tmp_path: Path) -> None:
    """Cancelled while the digests of its files are determined."""
    (tmp_path / "layer.tar").write_bytes(LAYERS[0])
    os.truncate(tmp_path / "layer.tar", 4 << 40)
    puller, cancel = Puller(tmp_path), CancelToken()
    timer = threading.Timer(0.2, cancel.cancel)
    timer.start()
    with pytest.raises(PullCancelledError):
        puller.runtime().pull(f"tarball:{tmp_path}/layer.tar", cancel=cancel)
    timer.join()
    assert puller.stored() == []


def test_an_interrupt_cancels_the_downloads_of_other_threads(tmp_path: Path) -> None:
    """After Ctrl-C in a program that uses towline, no download is waited for."""
    image = small_image("interrupted", layers=2, size=200_000)
    puller = Puller(tmp_path)
    barrier, ended = threading.Barrier(2), threading.Semaphore(0)
    stalling = True

    def serve(request: Request, connection: Connection) -> None:
        name = request.path.rpartition("/")[2]
        blobs = {digest_of(blob): blob for blob in image.blobs}
        if "/manifests/" in request.path:
            connection.reply(200, image.manifest, Content_Type=OCI)
        elif name in blobs and stalling and name != digest_of(image.config):
            connection.head(200, Content_Length=str(len(blobs[name])))
            if barrier.wait(60) == 0:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            connection.wait_until_closed()
            ended.release()
        else:
            connection.reply(200, blobs.get(name, b"{}"))

    with scripted(serve) as server:
        timeouts = replace(SHORT_TIMEOUTS, response=1000.0, stall_window=1000.0)
        runtime = puller.runtime(tls_verify=False, timeouts=timeouts)
        with pytest.raises(KeyboardInterrupt):
            runtime.pull(f"{server.host}/r")
        for _ in range(2):
            assert ended.acquire(timeout=60)
        stalling = False
        runtime.pull(f"{server.host}/r")
    puller.assert_whole(image)


def _blocking_look_up(
    monkeypatch: pytest.MonkeyPatch, begun: threading.Event, released: threading.Event
) -> list[str]:
    """Make the look-up of every name wait; returns the names that are looked up."""
    names: list[str] = []
    look_up = socket.getaddrinfo

    def slow(host: str, *arguments: Any, **options: Any) -> Any:
        if options.get("flags"):
            return look_up(host, *arguments, **options)
        names.append(host)
        begun.set()
        released.wait(60)
        raise socket.gaierror(socket.EAI_NONAME, "no such host")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    return names


def test_the_look_up_of_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pulls are cancelled while the resolver waits, and share the thread that waits for it."""
    begun, released = threading.Event(), threading.Event()
    names = _blocking_look_up(monkeypatch, begun, released)
    runtime = Puller(tmp_path).runtime(timeouts=replace(SHORT_TIMEOUTS, connect=900.0))
    for _ in range(3):
        cancel = CancelToken()
        timer = threading.Thread(target=lambda cancel=cancel: (begun.wait(60), cancel.cancel()))
        timer.start()
        with pytest.raises(PullCancelledError):
            runtime.pull("slow.example/r", cancel=cancel)
        timer.join()
    assert names == ["slow.example"]
    released.set()
    with pytest.raises(PullFailedError, match=r"cannot resolve the host name slow\.example"):
        runtime.pull("slow.example/r")


def test_a_look_up_that_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The timeouts of a request include it."""
    released = threading.Event()
    _blocking_look_up(monkeypatch, threading.Event(), released)
    timeouts = replace(SHORT_TIMEOUTS, connect=0.2)
    with pytest.raises(PullFailedError, match="did not respond"):
        Puller(tmp_path).runtime(timeouts=timeouts).pull("slower.example/r")
    released.set()


def test_a_connection_that_is_not_accepted(tmp_path: Path) -> None:
    """Cancelled while the host does not answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as fillers:
        address = listener.getsockname()
        while True:  # until the queue of the listener is full
            filler = fillers.enter_context(socket.socket())
            filler.settimeout(0.2)
            try:
                filler.connect(address)
            except TimeoutError:
                break
        cancel = CancelToken()
        timer = threading.Timer(0.2, cancel.cancel)
        timer.start()
        timeouts = replace(SHORT_TIMEOUTS, connect=900.0)
        runtime = Puller(tmp_path).runtime(timeouts=timeouts)
        with pytest.raises(PullCancelledError):
            runtime.pull(f"127.0.0.1:{address[1]}/r", cancel=cancel)
        timer.join()


@pytest.mark.clause("AUTH-012")
@pytest.mark.parametrize(
    "script",
    [
        "touch BEGUN; exec sleep 600",
        "touch BEGUN; sleep 600 & sleep 600",
        "exec >&-; touch BEGUN; exec sleep 600",
        "setsid sleep 600 & echo $! > PID; touch BEGUN; sleep 600",
    ],
)
def test_a_credential_helper(script: str, tmp_path: Path) -> None:
    """Cancelled while a helper runs, also if it has left a process that keeps its output open."""
    begun, pid = tmp_path / "begun", tmp_path / "pid"
    puller, cancel = Puller(tmp_path), CancelToken()
    helper = puller.write(
        "bin/docker-credential-slow",
        "#!/bin/sh\n" + script.replace("BEGUN", str(begun)).replace("PID", str(pid)),
    )
    helper.chmod(0o755)
    puller.environ["PATH"] = f"{helper.parent}:/usr/bin:/bin"
    puller.write("home/.docker/config.json", '{"credsStore": "slow"}')

    def stop() -> None:
        while not begun.exists():
            cancel.wait(0.01)
        cancel.cancel()

    thread = threading.Thread(target=stop)
    thread.start()
    try:
        with pytest.raises(PullCancelledError):
            puller.runtime().pull("127.0.0.1:1/r", cancel=cancel)
    finally:
        thread.join()
        if pid.exists():
            os.kill(int(pid.read_text()), signal.SIGKILL)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@pytest.mark.clause("AUTH-012")
@given(
    steps=st.lists(
        st.sampled_from(["echo x", "echo x >&2", "exec >&-", "exec 2>&-", "cat", "sleep 0.05"]),
        max_size=4,
    ),
    after=st.floats(0.0, 0.1),
)
def test_a_credential_helper_at_any_moment(
    steps: list[str], after: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A helper that never ends is cancelled, whatever it has done before."""
    folder = tmp_path_factory.mktemp("helper")
    path = folder / "docker-credential-h"
    path.write_text("#!/bin/sh\n" + "\n".join([*steps, "exec sleep 600"]))
    path.chmod(0o755)
    cancel = CancelToken()
    timer = threading.Timer(after, cancel.cancel)
    timer.start()
    with pytest.raises(PullCancelledError):
        ask_helper(
            "h", "e.x", {"PATH": f"{folder}:/usr/bin:/bin"}, origin="", seconds=500, cancel=cancel
        )
    timer.join()
