"""``oci-archive:``: read like an archive that was unpacked into an empty folder."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.support.archives import layout, link, tar, write_files
from tests.support.layouts import BLOBS_A, IMAGE_A, A, only_layer, open_layout
from towline.errors import SourceError
from towline.source.layout import LayoutSource
from towline.transport.oci_archive import OciArchiveReference


def archive_source(data: bytes, folder: Path) -> LayoutSource:
    """The source of an archive with these bytes."""
    path = folder / "layout.tar"
    path.write_bytes(data)
    return open_layout(OciArchiveReference(str(path), "", str(path)))


@pytest.mark.parametrize("prefix", ["./", "/", "./a/../"])
def test_paths_in_an_archive_are_normalized(tmp_path: Path, prefix: str) -> None:
    """Without leading `./` and `/`, and without `..`."""
    files = layout([IMAGE_A], BLOBS_A)
    data = tar([(prefix + name, content) for name, content in files.items()])
    with closing(archive_source(data, tmp_path)) as source:
        assert only_layer(source, tmp_path) == A


def test_the_last_of_two_members_counts(tmp_path: Path) -> None:
    """As after unpacking."""
    files = layout([IMAGE_A], BLOBS_A)
    data = tar([("index.json", b"{}"), *files.items()])
    with closing(archive_source(data, tmp_path)) as source:
        assert only_layer(source, tmp_path) == A


def test_links_inside_an_archive_are_followed(tmp_path: Path) -> None:
    """Symbolic and hard links, to files and to folders."""
    files = layout([IMAGE_A], BLOBS_A)
    entries = [(name.replace("blobs/", "real/"), content) for name, content in files.items()]
    index = entries.pop(1)
    data = tar(
        [
            *entries,
            ("i.json", index[1]),
            link("h.json", "i.json", hard=True),
            link("index.json", "h.json"),
            link("blobs", "./real"),
        ]
    )
    with closing(archive_source(data, tmp_path)) as source:
        assert only_layer(source, tmp_path) == A


def test_links_out_of_an_archive_have_no_target(tmp_path: Path) -> None:
    """Files outside the archive are never opened."""
    write_files(tmp_path / "outside", layout([IMAGE_A], BLOBS_A))
    for target in (str(tmp_path / "outside"), "../outside", "outside"):
        data = tar([link("blobs", f"{target}/blobs"), link("index.json", f"{target}/index.json")])
        with pytest.raises(SourceError) as caught:
            archive_source(data, tmp_path)
        assert caught.value.code == "archive.no_file"


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    """Members after the damage could replace those before it."""
    data = tar(list(layout([IMAGE_A], BLOBS_A).items()))
    with pytest.raises(SourceError) as caught:
        archive_source(data.rstrip(b"\0")[:-1], tmp_path)
    assert caught.value.code == "archive.damaged"
