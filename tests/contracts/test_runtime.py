"""The Python API: pull, resolve, pull_async and cancellation."""

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
    """Options that read no configuration of this machine."""
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    nowhere = tmp_path / "nowhere"
    locations = Locations(environ={}, etc=str(nowhere), run=str(nowhere))
    return towline.Options(policy=policy, locations=locations, tls_verify=False)


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that accepts connections and never sends a response."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_pull_and_look_up(tmp_path: Path, options: towline.Options, hello_archive: Path) -> None:
    """The quickstart of the README works."""
    root = tmp_path / "images"
    result = towline.pull(f"oci-archive:{hello_archive}", root=root, options=options)
    assert result.images == (HELLO,)
    assert result.verified == ("blobs",)
    assert result.policy == str(options.policy)
    image = towline.open_store(root).image("hello")
    assert image.names == (HELLO,)
    assert result.attempts[0].stored == image
    assert result.to_json()["attempts"][0]["digest"] == str(image.digest)


def test_resolve_uses_no_network_and_no_store(tmp_path: Path, options: towline.Options) -> None:
    """It returns the goal without requests, and creates no store."""
    root = tmp_path / "images"
    goal = towline.resolve("docker.io/alpine", root=root, options=options)
    assert [pair.image for pair in goal.pairs] == ["docker.io/alpine"]


@pytest.mark.clause("EVENT-001")
def test_events_and_progress(
    tmp_path: Path, options: towline.Options, real_images: RealImages
) -> None:
    """There is one event per call, with the first name, and progress of every blob."""
    events: list[towline.Event] = []
    seen: list[towline.BlobProgress] = []
    observed = towline.Options(
        policy=options.policy,
        locations=options.locations,
        on_event=events.append,
        on_progress=seen.append,
    )
    runtime = towline.Runtime(towline.open_store(tmp_path / "images"), observed)
    result = runtime.pull(f"docker-archive:{real_images.docker_archive_several.file}")
    assert set(result.images) == {NAME, OTHER_NAME}
    assert [(event.status, event.name) for event in events] == [("pull", result.images[0])]
    for digest in {progress.digest for progress in seen}:
        states = [progress.state for progress in seen if progress.digest == digest]
        assert states[0] == "begun"
        assert "done" in states


@pytest.mark.clause("PULL-002")
def test_pull_reference_pulls_a_source(
    tmp_path: Path, options: towline.Options, hello_archive: Path
) -> None:
    """It accepts a text with a transport."""
    runtime = towline.Runtime(towline.open_store(tmp_path / "images"), options)
    assert runtime.pull_reference(f"oci-archive:{hello_archive}").images == (HELLO,)


def test_pull_async_returns_the_result_of_pull(
    tmp_path: Path, options: towline.Options, hello_archive: Path
) -> None:
    """`pull_async` returns and raises the same as `pull`."""
    runtime = towline.Runtime(towline.open_store(tmp_path / "images"), options)
    result = asyncio.run(runtime.pull_async(f"oci-archive:{hello_archive}"))
    assert result.images == (HELLO,)
    with pytest.raises(PullFailedError):
        asyncio.run(runtime.pull_async("127.0.0.1:1/x"))


@pytest.mark.clause("PULL-006")
def test_a_pull_is_cancelled_from_another_thread(
    tmp_path: Path, options: towline.Options, silent: str
) -> None:
    """A pull that waits for a response ends when it is cancelled; later pulls end at once."""
    runtime = towline.Runtime(towline.open_store(tmp_path / "images"), options)
    timer = threading.Timer(0.2, options.cancel.cancel)
    timer.start()
    with pytest.raises(PullCancelledError):
        runtime.pull(f"{silent}/x")
    timer.join()
    with pytest.raises(PullCancelledError):
        runtime.pull(f"{silent}/x")


def test_cancelling_a_task_cancels_its_pull_only(
    tmp_path: Path, options: towline.Options, silent: str, hello_archive: Path
) -> None:
    """Cancelling the task that awaits `pull_async` does not affect later pulls."""
    runtime = towline.Runtime(towline.open_store(tmp_path / "images"), options)

    async def with_timeout() -> None:
        async with asyncio.timeout(0.2):
            await runtime.pull_async(f"{silent}/x")

    with pytest.raises(TimeoutError):
        asyncio.run(with_timeout())
    result = asyncio.run(runtime.pull_async(f"oci-archive:{hello_archive}"))
    assert result.images == (HELLO,)


@pytest.mark.clause("POLICY-003")
def test_the_result_names_the_built_in_policy(
    tmp_path: Path, options: towline.Options, hello_archive: Path
) -> None:
    """Without a policy.json, the policy in the result is "built-in"."""
    bare = towline.Options(locations=options.locations)
    result = towline.pull(f"oci-archive:{hello_archive}", root=tmp_path / "images", options=bare)
    assert result.policy == "built-in"
