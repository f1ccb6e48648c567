"""Fixtures for all tests, and the two environment variables of a test run.

`HYPOTHESIS_PROFILE` is `fast` (the default) or `slow`. `TOWLINE_REQUIRE_ALL_TOOLS=1` turns every
skipped test into a failure.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Generator, Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support import images, tools
from tests.support.registry import PLAIN, NewRegistry, RegistryServer, RegistrySettings, serve

pytest_plugins = ["tests.support.clauses"]

# No deadlines: tests do not assert durations.
settings.register_profile("fast", max_examples=50, stateful_step_count=25, deadline=None)
settings.register_profile(
    "slow",
    max_examples=2_000,
    stateful_step_count=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


def pytest_configure() -> None:
    """Handle SIGINT also in a background job of a shell, where it is ignored by default."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    """Show the core under test."""
    return f"towline core: {os.environ.get('TOWLINE_CORE', 'native')}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failure if every tool is required."""
    report = yield
    if report.skipped and tools.all_required() and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"left out, although {tools.REQUIRE_ALL}=1: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a skipped file into a failure if every tool is required."""
    report = yield
    if report.skipped and tools.all_required():
        report.outcome = "failed"
        report.longrepr = f"left out, although {tools.REQUIRE_ALL}=1: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """A real registry, initially empty, shared by the tests of this process.

    Tests use repository names of their own.
    """
    with serve(tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture
def new_registry(tmp_path: Path) -> Iterator[NewRegistry]:
    """Start real registries for one test: `new_registry(RegistrySettings(...))`."""
    numbers = count(1)
    with contextlib.ExitStack() as stack:

        def start(settings: RegistrySettings = PLAIN) -> RegistryServer:
            directory = tmp_path / f"registry-{next(numbers)}"
            return stack.enter_context(serve(directory, settings))

        yield start


@pytest.fixture(scope="session")
def real_images(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Iterator[images.RealImages]:
    """Real images by real tools in every form, created once a run; tests must not change them."""
    run = tmp_path_factory.getbasetemp()
    # Each worker of xdist has its own folder below the folder of the run.
    shared = run if worker_id == "master" else run.parent
    try:
        made = images.made_once(shared / "real-images")
    except tools.ToolError as failed:
        if os.geteuid() == 0:
            raise
        # Without root, buildah needs user namespaces, which a machine may refuse.
        last_line = str(failed).splitlines()[-1]
        tools.skip(f"real images cannot be made by this user, who is not root: {last_line}")
    yield from images.served(made, tmp_path_factory.mktemp("registry-of-real-images"))


@pytest.fixture(scope="session")
def hello_archive() -> Path:
    """The example image of the README: an oci-archive with the image `localhost/hello:latest`."""
    return images.EXAMPLE
