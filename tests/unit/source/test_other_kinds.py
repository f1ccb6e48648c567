"""The error of an archive or folder of another kind names the transport that reads it."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from tests.support.archives import dir_image, docker_archive, layer, layout, tar, write_files
from tests.support.layouts import BLOBS_A, IMAGE_A
from tests.support.pushing import Puller
from towline.errors import TowlineError

LAYOUT = layout([IMAGE_A], BLOBS_A)
READS = {
    # what is at the path, and the transport that reads it
    "layout": "oci",
    "folder": "dir",
    "layout.tar": "oci-archive",
    "layout.tar.gz": "oci-archive",
    "docker.tar": "docker-archive",
    "docker.tar.gz": "docker-archive",
}
OTHERS = {
    "text": "",
    "text.gz": "",
    "empty": "",
    "empty-folder": "",
    "plain.tar": "",
    "missing": "",
}


@pytest.fixture
def kinds(tmp_path: Path) -> Path:
    """A folder with each kind."""
    folder = tmp_path / "kinds"
    write_files(folder / "layout", LAYOUT)
    write_files(folder / "folder", dir_image(layer("x")))
    (folder / "empty-folder").mkdir()
    archive = tar(docker_archive((["x:1"], [layer("x")])))
    files = {
        "layout.tar": tar(list(LAYOUT.items())),
        "docker.tar": archive,
        "plain.tar": layer("x"),
        "text": b"hello\n",
        "empty": b"",
    }
    packed = {f"{name}.gz": gzip.compress(data) for name, data in files.items()}
    write_files(folder, {**files, **packed})
    return folder


@pytest.mark.clause("TRANS-110")
@pytest.mark.parametrize("transport", ["oci", "dir", "oci-archive", "docker-archive"])
@pytest.mark.parametrize("name", [*READS, *OTHERS])
def test_the_transport_that_reads_a_path_is_named(
    kinds: Path, tmp_path: Path, transport: str, name: str
) -> None:
    """If no transport reads it, the error is only that of reading it."""
    path, reads = os.fspath(kinds / name), READS.get(name, "")
    runtime = Puller(tmp_path).runtime()
    if reads == transport:
        assert runtime.pull(f"{transport}:{path}").image.id
        return
    with pytest.raises(TowlineError) as caught:
        runtime.pull(f"{transport}:{path}")
    assert (f"use {reads}:{path}" in str(caught.value)) == bool(reads)
    assert str(caught.value).isprintable()
    if reads:
        assert runtime.pull(f"{reads}:{path}").image.id
