"""The Python API: pull, resolve, pull_async and cancellation."""

from __future__ import annotations

import asyncio
import gc
import pickle
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import towline
from tests.support.images import NAME, OTHER_NAME, RealImages
from towline.config.locations import Locations
from towline.errors import PullCancelledError, PullFailedError
from towline.frozen import replace

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
    runtime = towline.Runtime(towline.open_store(tmp_path / "images"), options)
    result = runtime.pull(
        f"docker-archive:{real_images.docker_archive_several.file}",
        on_event=events.append,
        on_progress=seen.append,
    )
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
    tmp_path: Path, options: towline.Options, silent: str, hello_archive: Path
) -> None:
    """A pull that waits for a response ends; its token ends no other pull of the runtime."""
    runtime = towline.Runtime(towline.open_store(tmp_path / "images"), options)
    cancel = towline.CancelToken()
    timer = threading.Timer(0.2, cancel.cancel)
    timer.start()
    with pytest.raises(PullCancelledError):
        runtime.pull(f"{silent}/x", cancel=cancel)
    timer.join()
    archive = f"oci-archive:{hello_archive}"
    for call in (runtime.pull, runtime.pull_reference, runtime.resolve, runtime.explain):
        with pytest.raises(PullCancelledError):
            call(archive, cancel=cancel)
    with pytest.raises(PullCancelledError):
        towline.pull(archive, tmp_path / "images", options=options, cancel=cancel)
    assert runtime.pull(archive).images == (HELLO,)


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


def test_pulls_need_no_thread_of_the_loop(
    tmp_path: Path, options: towline.Options, silent: str
) -> None:
    """Pulls run while all threads of the default executor are busy, and end when cancelled."""
    runtime = towline.Runtime(towline.open_store(tmp_path / "images"), options)
    release = threading.Event()
    logged: list[dict[str, object]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: logged.append(context))
        loop.set_default_executor(ThreadPoolExecutor(1))
        blocked = loop.run_in_executor(None, release.wait)
        pulls = [asyncio.ensure_future(runtime.pull_async(f"{silent}/{n}")) for n in range(8)]
        with pytest.raises(PullFailedError):
            await runtime.pull_async("127.0.0.1:1/x")
        for pull in pulls:
            pull.cancel()
        ended = await asyncio.gather(*pulls, return_exceptions=True)
        assert [type(each) for each in ended] == [asyncio.CancelledError] * len(pulls)
        release.set()
        await blocked

    asyncio.run(main())
    gc.collect()
    assert logged == []
    assert not [each for each in threading.enumerate() if each.name == "towline-pull"]


def test_a_pull_is_cancelled_twice(tmp_path: Path, options: towline.Options, silent: str) -> None:
    """A second cancellation, while the end of the pull is waited for, changes nothing."""
    runtime = towline.Runtime(towline.open_store(tmp_path / "images"), options)
    release = threading.Event()

    async def main(name: str) -> None:
        loop, started = asyncio.get_running_loop(), asyncio.Event()

        def wait(_: towline.BlobProgress) -> None:
            loop.call_soon_threadsafe(started.set)
            release.wait()

        pull = asyncio.ensure_future(runtime.pull_async(name, on_progress=wait))
        await started.wait()
        for _ in range(3):
            pull.cancel()
            await asyncio.sleep(0.01)
            assert not pull.done()
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await pull

    layer = tmp_path / "layer.tar"
    layer.write_bytes(bytes(1024))
    asyncio.run(main(f"tarball:{layer}"))
    assert runtime.store.images() == ()


def test_a_closed_coroutine_ends_its_pull(
    tmp_path: Path, options: towline.Options, silent: str
) -> None:
    """A coroutine that is closed while its pull runs leaves no pull behind."""
    runtime = towline.Runtime(towline.open_store(tmp_path / "images"), options)

    async def main() -> None:
        pull = runtime.pull_async(f"{silent}/x")
        pull.send(None)  # up to the wait for the thread
        (thread,) = [each for each in threading.enumerate() if each.name == "towline-pull"]
        pull.close()
        await asyncio.to_thread(thread.join, 60)
        assert not thread.is_alive()

    asyncio.run(main())


def test_any_exception_of_a_hook_reaches_the_task(
    tmp_path: Path, options: towline.Options, hello_archive: Path
) -> None:
    """An exception that is not an `Exception` is raised too; the task does not wait forever."""
    runtime = towline.Runtime(towline.open_store(tmp_path / "images"), options)

    class StopNowError(BaseException):
        pass

    def fail(_: towline.Event) -> None:
        raise StopNowError

    with pytest.raises(StopNowError):
        asyncio.run(runtime.pull_async(f"oci-archive:{hello_archive}", on_event=fail))


def test_options_are_values(tmp_path: Path, options: towline.Options) -> None:
    """They can be pickled and compared; their repr has neither secrets nor the environment."""
    given = replace(
        options,
        auth=towline.Credentials("me", "the-secret"),
        locations=Locations(environ={"TOKEN": "another-secret"}),
        rules=towline.Rules.LIBPOD_1_3,
        platform=towline.Platform("linux", "arm64"),
    )
    copy = pickle.loads(pickle.dumps(given))
    assert copy == given
    assert copy.rules is towline.Rules.LIBPOD_1_3
    assert "secret" not in repr(given)
    assert repr(towline.Options()) == "Options()"
    assert len(repr(given)) < 500
    store = towline.open_store(tmp_path / "images")
    towline.Runtime(store, copy).resolve("docker.io/alpine")


@pytest.mark.clause("POLICY-003")
def test_the_result_names_the_built_in_policy(
    tmp_path: Path, options: towline.Options, hello_archive: Path
) -> None:
    """Without a policy.json, the policy in the result is "built-in"."""
    bare = towline.Options(locations=options.locations)
    result = towline.pull(f"oci-archive:{hello_archive}", root=tmp_path / "images", options=bare)
    assert result.policy == "built-in"
