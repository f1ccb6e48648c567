"""Blobs in the store without read permission (STORE-022)."""

from __future__ import annotations

from pathlib import Path

import pytest

import towline
from tests.support.images import RealImages
from tests.support.privileges import bound_by_file_modes
from tests.support.store_images import blob_path
from tests.support.towline_cli import CommandLine
from towline.errors import StoreError
from towline.store.layout.store import LayoutStore

pytestmark = pytest.mark.clause("STORE-022")

EXAMPLE = Path(__file__).parents[2] / "examples" / "hello.tar"
ANYTHING = '{"default": [{"type": "insecureAcceptAnything"}]}'


@pytest.fixture
def options(tmp_path: Path) -> towline.Options:
    policy = tmp_path / "policy.json"
    policy.write_text(ANYTHING)
    return towline.Options(policy=policy, tls_verify=False)


def make_unreadable(store: LayoutStore, kind: str) -> Path:
    """Remove the permissions of a blob of the only image; returns its path."""
    (image,) = store.images()
    digests = {
        "manifest": image.digest,
        "config": image._record.manifests[0].config or image.digest,
        "layer": image.layers[0].digest,
    }
    path = Path(blob_path(store, digests[kind]))
    path.chmod(0)
    return path


@pytest.mark.parametrize("kind", ["manifest", "config", "layer"])
@pytest.mark.parametrize("form", ["archive", "registry"])
def test_a_pull_fetches_an_unreadable_blob_again(
    tmp_path: Path, options: towline.Options, real_images: RealImages, kind: str, form: str
) -> None:
    """Any kind of blob, from any kind of source."""
    store = towline.open_store(tmp_path / "store")
    name = f"oci-archive:{EXAMPLE}" if form == "archive" else real_images.registry_oci.name
    runtime = towline.Runtime(store, options)
    runtime.pull(name)
    path = make_unreadable(store, kind)
    with bound_by_file_modes():
        (fault,) = store.verify().faults
        assert fault.code == "store.blob_closed"
        assert f'"{path}"' in str(fault)
        assert "permission denied; make the file readable, or pull the image again" in str(fault)
        runtime.pull(name)
        assert store.verify().clean
    assert path.stat().st_mode & 0o400


@pytest.mark.parametrize("kind", ["manifest", "config"])
def test_reading_an_unreadable_blob_names_its_file(
    tmp_path: Path, options: towline.Options, kind: str
) -> None:
    """The image is found, and reading its manifest or config is an error with the path."""
    store = towline.open_store(tmp_path / "store")
    towline.Runtime(store, options).pull(f"oci-archive:{EXAMPLE}")
    path = make_unreadable(store, kind)
    with bound_by_file_modes():
        image = store.image("hello")
        with pytest.raises(StoreError) as caught:
            _ = image.manifest if kind == "manifest" else image.raw_config
        assert caught.value.code == "store.blob_closed"
        assert caught.value.facts["path"] == str(path)


def test_gc_reads_no_blobs(tmp_path: Path, options: towline.Options) -> None:
    """The record has the blobs of an image, and unused blobs are removed without reading."""
    store = towline.open_store(tmp_path / "store")
    towline.Runtime(store, options).pull(f"oci-archive:{EXAMPLE}")
    with bound_by_file_modes():
        for kind in ("layer", "config", "manifest"):
            make_unreadable(store, kind)
        assert store.gc().blobs == 0
        store.remove("hello")
        assert store.gc().blobs == 3


def test_an_unreadable_partial_blob_is_replaced(tmp_path: Path, options: towline.Options) -> None:
    """The blob is fetched from its first byte."""
    store = towline.open_store(tmp_path / "store")
    runtime = towline.Runtime(store, options)
    runtime.pull(f"oci-archive:{EXAMPLE}")
    blob = Path(blob_path(store, store.images()[0].layers[0].digest))
    partial = Path(store.root, "towline", "partial", "sha256", blob.name)
    blob.rename(partial)
    partial.chmod(0)
    with bound_by_file_modes():
        runtime.pull(f"oci-archive:{EXAMPLE}")
        assert store.verify().clean


def test_images_lists_all_images_despite_a_broken_one(
    tmp_path: Path, real_images: RealImages
) -> None:
    """It reports the fault of the broken image."""
    line = CommandLine.below(tmp_path)
    assert (
        line("pull", "-q", f"oci-archive:{EXAMPLE}", real_images.oci_archive.location).status == 0
    )
    document = line("inspect", "hello").json()
    path = line.root / "blobs" / "sha256" / document["digest"].partition(":")[2]
    path.unlink()
    ended = line("images")
    assert ended.status == 1
    assert len(ended.lines) == 3
    assert [row.split()[-1] for row in ended.lines if "hello" in row] == ["?"]
    assert ended.stderr.startswith("towline: the blob sha256:")
    assert ended.stderr.count("\n") == 1
    listed = line("images", "--format", "json").json()
    (broken,) = [image for image in listed if "fault" in image]
    assert broken["names"] == document["names"]
    assert broken["fault"]["code"] == "store.blob_missing"
    assert len(line("images", "--quiet").lines) == 2
