"""The Python names that people begin with: pulling, resolving, waiting, cancelling."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import towline
from tests.support.images import NAME, OTHER_NAME, RealImages
from towline.config.locations import Locations
from towline.errors import PullCancelledError, PullFailedError

HELLO = "localhost/hello:latest"


@pytest.fixture
def options(tmp_path: Path) -> towline.Options:
    """Options that look at nothing of this machine."""
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    nowhere = tmp_path / "nowhere"
    locations = Locations(environ={}, etc=str(nowhere), run=str(nowhere))
    return towline.Options(policy=policy, locations=locations, tls_verify=False)


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_pull_and_look_up(tmp_path: Path, options: towline.Options, hello_archive: Path) -> None:
    """The quickstart of the README."""
    root = tmp_path / "images"
    result = towline.pull(f"oci-archive:{hello_archive}", root=root, options=options)
    assert result.images == (HELLO,)
    assert result.verified == ("blobs",)
    assert result.policy == str(options.policy)
    image = towline.open_store(root).image("hello")
    assert image.names == (HELLO,)
    assert result.attempts[0].stored == image
    assert result.to_json()["attempts"][0]["digest"] == str(image.digest)


def test_resolve_touches_nothing(tmp_path: Path, options: towline.Options) -> None:
    """A goal is a value; no network, no store."""
    root = tmp_path / "images"
    goal = towline.resolve("docker.io/alpine", root=root, options=options)
    assert [pair.image for pair in goal.pairs] == ["docker.io/alpine"]


@pytest.mark.clause("EVENT-001")
def test_events_and_progress(
    tmp_path: Path, options: towline.Options, real_images: RealImages
) -> None:
    """One event for a call, with the first name; progress of every blob, from begun to done."""
    events: list[towline.Event] = []
    seen: list[towline.BlobProgress] = []
    heard = towline.Options(
        policy=options.policy,
        locations=options.locations,
        on_event=events.append,
        on_progress=seen.append,
    )
    runtime = towline.Runtime(towline.open_store(tmp_path / "images"), heard)
    result = runtime.pull(f"docker-archive:{real_images.docker_archive_several.file}")
    assert set(result.images) == {NAME, OTHER_NAME}
    assert [(event.status, event.name) for event in events] == [("pull", result.images[0])]
    for digest in {progress.digest for progress in seen}:
        states = [progress.state for progress in seen if progress.digest == digest]
        assert states[0] == "begun"
        assert "done" in states


@pytest.mark.clause("PULL-002")
def test_pull_reference_asks_for_no_name(
    tmp_path: Path, options: towline.Options, hello_archive: Path
) -> None:
    """A source whose transport is known."""
    runtime = towline.Runtime(towline.open_store(tmp_path / "images"), options)
    assert runtime.pull_reference(f"oci-archive:{hello_archive}").images == (HELLO,)


def test_waiting_for_a_pull(tmp_path: Path, options: towline.Options, hello_archive: Path) -> None:
    """`pull_async` gives what `pull` gives, and raises what it raises."""
    runtime = towline.Runtime(towline.open_store(tmp_path / "images"), options)
    result = asyncio.run(runtime.pull_async(f"oci-archive:{hello_archive}"))
    assert result.images == (HELLO,)
    with pytest.raises(PullFailedError):
        asyncio.run(runtime.pull_async("127.0.0.1:1/x"))


@pytest.mark.clause("PULL-006")
def test_cancelling_from_another_thread(
    tmp_path: Path, options: towline.Options, silent: str
) -> None:
    """A pull that waits for a silent registry ends when it is cancelled; the next one at once."""
    runtime = towline.Runtime(towline.open_store(tmp_path / "images"), options)
    timer = threading.Timer(0.2, options.cancel.cancel)
    timer.start()
    with pytest.raises(PullCancelledError):
        runtime.pull(f"{silent}/x")
    timer.join()
    with pytest.raises(PullCancelledError):
        runtime.pull(f"{silent}/x")


def test_cancelling_a_task(
    tmp_path: Path, options: towline.Options, silent: str, hello_archive: Path
) -> None:
    """Cancelling the task that waits for `pull_async` cancels that pull, and no other."""
    runtime = towline.Runtime(towline.open_store(tmp_path / "images"), options)

    async def impatient() -> None:
        async with asyncio.timeout(0.2):
            await runtime.pull_async(f"{silent}/x")

    with pytest.raises(TimeoutError):
        asyncio.run(impatient())
    result = asyncio.run(runtime.pull_async(f"oci-archive:{hello_archive}"))
    assert result.images == (HELLO,)


@pytest.mark.clause("POLICY-003")
def test_the_built_in_policy_is_named(
    tmp_path: Path, options: towline.Options, hello_archive: Path
) -> None:
    """Where there is no policy.json, the result says so."""
    bare = towline.Options(locations=options.locations)
    result = towline.pull(f"oci-archive:{hello_archive}", root=tmp_path / "images", options=bare)
    assert result.policy == "built-in"
