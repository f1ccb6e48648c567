"""Archives and layers that can be read only once: pipes and the standard input."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.archives import docker_archive, layout, oci_image, tar
from tests.support.pushing import Puller
from tests.support.towline_cli import CommandLine
from towline.cancel import CancelToken
from towline.core import Stop
from towline.errors import PathError, PullCancelledError, SourceError, TowlineError
from towline.source import archive
from towline.source.archive import ArchiveMembers
from towline.source.spool import spooled
from towline.store.layout.store import open_store

pytestmark = pytest.mark.clause("ARCH-024")

LAYER = tar([("name", bytes(300_000))])
BLOBS, IMAGE = oci_image(LAYER)
ARCHIVES = {
    "docker-archive": tar(docker_archive((["localhost/x:latest"], [LAYER]))),
    "oci-archive": tar(list(layout([IMAGE], BLOBS).items())),
    "tarball": LAYER,
}
every_transport = pytest.mark.parametrize("transport", ARCHIVES)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files, which is empty at the end."""
    folder = tmp_path / "kept"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    assert not list(folder.iterdir())


def feed(path: Path, data: bytes) -> threading.Thread:
    """Write bytes to a pipe; opening it waits for the reader."""
    writer = threading.Thread(target=path.write_bytes, args=[data])
    writer.start()
    return writer


@pytest.mark.usefixtures("kept")
@every_transport
@pytest.mark.parametrize("name", ["-", "/dev/stdin", "/dev/fd/0"])
def test_the_standard_input_of_a_command(tmp_path: Path, transport: str, name: str) -> None:
    """`docker save x | towline pull docker-archive:-` stores the image."""
    line = CommandLine.below(tmp_path)
    done = subprocess.run(
        line.arguments("pull", f"{transport}:{name}"),
        input=ARCHIVES[transport],
        capture_output=True,
        env=line.environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert len(line("images", "--format", "json").json()) == 1
    assert line("verify").status == 0


@pytest.mark.usefixtures("kept")
def test_a_layer_from_the_standard_input_is_not_empty(tmp_path: Path) -> None:
    """It is read once for the ID of the image and for its layer."""
    line = CommandLine.below(tmp_path)
    command = line.arguments("pull", "--quiet", "tarball:-")
    subprocess.run(command, input=LAYER, env=line.environment, check=True, capture_output=True)
    (image,) = open_store(line.root).images()
    (layer,) = image.layers
    assert layer.size == len(LAYER)


@pytest.mark.usefixtures("kept")
@every_transport
def test_a_named_pipe(tmp_path: Path, transport: str) -> None:
    """It is opened once, so that its writer is not interrupted."""
    os.mkfifo(tmp_path / "pipe")
    writer = feed(tmp_path / "pipe", ARCHIVES[transport])
    puller = Puller(tmp_path)
    assert len(puller.runtime().pull(f"{transport}:{tmp_path}/pipe").images) == 1
    writer.join()
    assert puller.store.verify(None).clean


@pytest.mark.usefixtures("kept")
@every_transport
@pytest.mark.parametrize("begun", [False, True])
def test_waiting_for_a_pipe_is_cancelled(tmp_path: Path, transport: str, begun: bool) -> None:
    """A pull from a pipe without a writer, or with one that writes no more, ends."""
    os.mkfifo(tmp_path / "pipe")
    puller, cancel = Puller(tmp_path), CancelToken()
    fd = os.open(tmp_path / "pipe", os.O_RDWR) if begun else -1
    if begun:
        os.write(fd, ARCHIVES[transport][:1000])
    timer = threading.Timer(0.2, cancel.cancel)
    timer.start()
    with pytest.raises(PullCancelledError):
        puller.runtime().pull(f"{transport}:{tmp_path}/pipe", cancel=cancel)
    timer.join()
    if begun:
        os.close(fd)
    assert puller.stored() == []


@pytest.mark.usefixtures("kept")
@every_transport
def test_a_task_that_waits_for_the_standard_input_is_cancelled(
    tmp_path: Path, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelling the task of asyncio ends the thread that reads."""
    ends = os.pipe()
    with os.fdopen(ends[0]) as stdin, os.fdopen(ends[1], "w"):
        monkeypatch.setattr("sys.stdin", stdin)
        runtime = Puller(tmp_path).runtime()

        async def cancelled() -> None:
            task = asyncio.create_task(runtime.pull_async(f"{transport}:-"))
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(cancelled())


@pytest.mark.usefixtures("kept")
@given(pieces=st.lists(st.binary(min_size=1, max_size=70_000), min_size=1, max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_copy_has_the_bytes_of_the_pipe(tmp_path: Path, pieces: list[bytes]) -> None:
    """Whatever pieces the writer writes."""
    path = tmp_path / "pipe"
    if not path.exists():
        os.mkfifo(path)

    def write() -> None:
        with path.open("wb", buffering=0) as pipe:
            for piece in pieces:
                pipe.write(piece)

    writer = threading.Thread(target=write)
    writer.start()
    with spooled(str(path), None) as file:
        file.seek(0)
        assert file.read() == b"".join(pieces)
    writer.join()


def test_no_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without one has a typed error."""
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(PathError):
        ArchiveMembers("-", ())


@pytest.mark.clause("CORE-010")
def test_loops_over_members_are_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The members of an archive are sorted by name only until it is stopped."""
    path = tmp_path / "archive.tar"
    path.write_bytes(tar([(f"{at}", b"") for at in range(50)]))
    monkeypatch.setattr(archive, "_UNCHECKED", 10)
    finds: list[Callable[[ArchiveMembers], object]] = [
        lambda members: members.named("3"),
        lambda members: members.resolved("3"),
        lambda members: members.resolved("3", last=True),
    ]
    for find in finds:
        stop = Stop()
        with closing(ArchiveMembers(str(path), (), stop=stop)) as members:
            stop.set()
            with pytest.raises(SourceError) as caught:
                find(members)
            assert caught.value.facts["reason"] == "cancelled"


@pytest.mark.parametrize("transport", ["docker-archive", "oci-archive", "tarball"])
def test_a_pipe_without_bytes(tmp_path: Path, transport: str) -> None:
    """The error says so, since the program on the other side may have failed."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(path.write_bytes, b"")
        with pytest.raises(TowlineError, match="nothing was received from"):
            Puller(tmp_path).runtime().pull(f"{transport}:{path}")
        writer.result()
