"""Blobs of the store that its reader may not read (STORE-022)."""

from __future__ import annotations

from pathlib import Path

import pytest

import towline
from tests.support.images import RealImages
from tests.support.privileges import bound_by_file_modes
from tests.support.towline_cli import CommandLine
from towline.errors import StoreError
from towline.store.layout import LayoutStore

pytestmark = pytest.mark.clause("STORE-022")

EXAMPLE = Path(__file__).parents[2] / "examples" / "hello.tar"
ANYTHING = '{"default": [{"type": "insecureAcceptAnything"}]}'


@pytest.fixture
def options(tmp_path: Path) -> towline.Options:
    policy = tmp_path / "policy.json"
    policy.write_text(ANYTHING)
    return towline.Options(policy=policy, tls_verify=False)


def shut(store: LayoutStore, kind: str) -> Path:
    """One blob of the only image, that nobody may read any more."""
    (image,) = store.images()
    digests = {
        "manifest": image.digest,
        "config": image.record.manifests[0].config or image.digest,
        "layer": image.layers[0].digest,
    }
    path = Path(store.blob_path(digests[kind]))
    path.chmod(0)
    return path


@pytest.mark.parametrize("kind", ["manifest", "config", "layer"])
@pytest.mark.parametrize("form", ["archive", "registry"])
def test_a_pull_fetches_it_again(
    tmp_path: Path, options: towline.Options, real_images: RealImages, kind: str, form: str
) -> None:
    """Whatever it is, and wherever the image comes from."""
    store = towline.open_store(tmp_path / "store")
    name = f"oci-archive:{EXAMPLE}" if form == "archive" else real_images.registry_oci.name
    runtime = towline.Runtime(store, options)
    runtime.pull(name)
    path = shut(store, kind)
    with bound_by_file_modes():
        (fault,) = store.verify().faults
        assert fault.code == "store.blob_closed"
        assert f'"{path}"' in str(fault)
        assert "permission denied; pull the image again" in str(fault)
        runtime.pull(name)
        assert store.verify().clean
    assert path.stat().st_mode & 0o400


@pytest.mark.parametrize("kind", ["manifest", "config"])
def test_who_reads_it_is_told_which_file(
    tmp_path: Path, options: towline.Options, kind: str
) -> None:
    """An image is still found; what is read of it names the file."""
    store = towline.open_store(tmp_path / "store")
    towline.Runtime(store, options).pull(f"oci-archive:{EXAMPLE}")
    path = shut(store, kind)
    with bound_by_file_modes():
        image = store.image("hello")
        with pytest.raises(StoreError) as caught:
            _ = image.manifest if kind == "manifest" else image.config
        assert caught.value.code == "store.blob_closed"
        assert caught.value.facts["path"] == str(path)


def test_gc_needs_to_read_none_of_them(tmp_path: Path, options: towline.Options) -> None:
    """What an image needs stands in its record, and what nothing needs is only removed."""
    store = towline.open_store(tmp_path / "store")
    towline.Runtime(store, options).pull(f"oci-archive:{EXAMPLE}")
    with bound_by_file_modes():
        for kind in ("layer", "config", "manifest"):
            shut(store, kind)
        assert store.gc().blobs == 0
        store.remove("hello")
        assert store.gc().blobs == 3


def test_a_beginning_that_cannot_be_read_is_dropped(
    tmp_path: Path, options: towline.Options
) -> None:
    """The blob is taken from its first byte."""
    store = towline.open_store(tmp_path / "store")
    runtime = towline.Runtime(store, options)
    runtime.pull(f"oci-archive:{EXAMPLE}")
    blob = Path(store.blob_path(store.images()[0].layers[0].digest))
    partial = Path(store.root, "towline", "partial", "sha256", blob.name)
    blob.rename(partial)
    partial.chmod(0)
    with bound_by_file_modes():
        runtime.pull(f"oci-archive:{EXAMPLE}")
        assert store.verify().clean


def test_one_image_does_not_hide_the_others(tmp_path: Path, real_images: RealImages) -> None:
    """`images` lists them all, and says what is wrong with one."""
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
