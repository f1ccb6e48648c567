"""Cancelling a pull while it copies layers, from all kinds of sources, and pulling again."""

from __future__ import annotations

import gzip
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.archives import dir_image, docker_archive, layout, oci_image, tar, write_files
from tests.support.pushing import OCI, SHORT_TIMEOUTS, Puller, digest_of, small_image
from tests.support.scripted_server import Connection, Request, scripted
from towline.cancel import CancelToken
from towline.errors import PullCancelledError
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
