"""Whole pulls into every store, from every kind of source."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

import towline
from tests.contracts.test_image_stores import STORES
from tests.support.byte_writers import MemoryWriter
from tests.support.images import EVERY_FORM, RealImage, RealImages
from tests.support.memory_store import MemoryStore
from towline.config.locations import Locations
from towline.core import CoreError
from towline.errors import PullCancelledError, PullFailedError
from towline.frozen import replace
from towline.image.platform import Platform
from towline.progress import BlobProgress
from towline.store.protocol import ImageStore


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ImageStore:
    """Each of the stores."""
    made: ImageStore = STORES[request.param](tmp_path)
    return made


@pytest.fixture
def options(tmp_path: Path) -> towline.Options:
    """Options that read no configuration of this machine."""
    nowhere = str(tmp_path / "nowhere")
    return towline.Options(
        locations=Locations(environ={}, etc=nowhere, run=nowhere),
        platform=Platform("linux", "amd64"),
        tls_verify=False,
    )


def contents(store: ImageStore) -> list[object]:
    """What can be read of all images: IDs, names, documents and layers."""
    found: list[object] = []
    for image in store.images():
        layers = []
        for layer in image.layers:
            with store.open_layer(layer.digest) as reader:
                layers.append((layer, reader.read()))
        found.append(
            (image.id, image.names, image.digest, image.manifest, image.raw_config, layers)
        )
    return found


@pytest.mark.parametrize("verify_diff_ids", [False, True])
@pytest.mark.parametrize("form", EVERY_FORM)
def test_every_store_gets_the_same_image(
    tmp_path: Path,
    options: towline.Options,
    real_images: RealImages,
    form: str,
    verify_diff_ids: bool,
) -> None:
    """Names, ID, manifest, config and layers are equal, and so are the results of the pulls."""
    image: RealImage = getattr(real_images, form)
    stores = [make(tmp_path) for make in STORES.values()]
    results = []
    for store in stores:
        runtime = towline.Runtime(store, replace(options, verify_diff_ids=verify_diff_ids))
        result = runtime.pull(image.location)
        assert result.verified == (("blobs", "diff-ids") if verify_diff_ids else ("blobs",))
        attempts = [replace(attempt, endpoints=()) for attempt in result.attempts]
        results.append(replace(result, attempts=tuple(attempts)).to_json())
        assert runtime.pull(image.location).images == result.images  # all blobs are here now
    first, *others = [contents(store) for store in stores]
    assert first
    assert others == [first] * (len(stores) - 1)
    assert results == [results[0]] * len(stores)


def test_a_pull_is_cancelled(
    store: ImageStore, options: towline.Options, real_images: RealImages
) -> None:
    """Nothing is visible, and the next pull succeeds."""
    cancel = towline.CancelToken()

    def watch(progress: BlobProgress) -> None:
        if progress.state == "begun":
            cancel.cancel()

    runtime = towline.Runtime(store, options)
    location = real_images.docker_archive.location
    with pytest.raises(PullCancelledError):
        runtime.pull(location, cancel=cancel, on_progress=watch)
    assert list(store.images()) == []
    assert runtime.pull(location).images


def test_a_writer_that_fails_with_another_exception(
    options: towline.Options, real_images: RealImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It breaks the contract, but is not taken for an error of the registry, and not repeated."""
    full, calls = OSError(errno.ENOSPC, "the destination is full"), []

    def fail(writer: MemoryWriter, _: bytes) -> None:
        calls.append(writer)
        writer._failure = full
        raise full

    monkeypatch.setattr(MemoryWriter, "_append", fail)
    with pytest.raises(OSError, match="full") as caught:
        towline.Runtime(MemoryStore(), options).pull(real_images.registry_oci.location)
    assert caught.value is full
    assert len(calls) == len(set(map(id, calls)))


@pytest.mark.parametrize("form", EVERY_FORM)
def test_a_writer_that_fails(
    options: towline.Options,
    real_images: RealImages,
    form: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its error ends the copy; it is not taken for an error of the source."""

    def fail(writer: MemoryWriter, _: bytes) -> None:
        writer._failure = CoreError("io", 0, "the destination is full")
        raise writer._failure

    monkeypatch.setattr(MemoryWriter, "_append", fail)
    store, image = MemoryStore(), getattr(real_images, form)
    with pytest.raises(PullFailedError) as caught:
        towline.Runtime(store, options).pull(image.location)
    for error in caught.value.errors:
        assert error.code == "store.write_failed"
        assert "the destination is full" in str(error)
    assert list(store.images()) == []
