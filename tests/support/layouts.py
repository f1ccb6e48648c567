"""Sources of OCI layouts that are built in code, in folders and in archives."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.archives import REF_NAME, layer, oci_image, read_blob, tar, write_files
from towline.image.manifest import parse_manifest
from towline.name.digest import sha256_of
from towline.rules import Rules
from towline.source import oci, oci_archive
from towline.source.layout import LayoutSource
from towline.transport.oci import OciReference
from towline.transport.oci_archive import OciArchiveReference

A, B = layer("a"), layer("b")
BLOBS_A, IMAGE_A = oci_image(A)
BLOBS_B, IMAGE_B = oci_image(B)
BOTH = pytest.mark.parametrize(
    "rules", [Rules.CURRENT, Rules.LIBPOD_1_3], ids=lambda rules: rules.edition
)
FORMS = pytest.mark.parametrize("form", ["folder", "archive", "gzip"])


def named(image: Mapping[str, Any], name: str, **more: Any) -> dict[str, Any]:
    """A descriptor with a name annotation."""
    return {**image, "annotations": {REF_NAME: name}, **more}


def open_layout(
    reference: OciReference | OciArchiveReference, rules: Rules = Rules.CURRENT
) -> LayoutSource:
    """The source of a layout in a folder or an archive, under an edition."""
    typeless = rules.copying.typeless
    if isinstance(reference, OciArchiveReference):
        return oci_archive.open_source(reference, rules.archives, rules.limits, typeless=typeless)
    return oci.open_source(reference, rules.archives, rules.limits, typeless=typeless)


@contextmanager
def source_of(
    files: Mapping[str, bytes],
    folder: Path,
    form: str = "folder",
    *,
    image: str = "",
    rules: Rules = Rules.CURRENT,
) -> Iterator[LayoutSource]:
    """A source of a layout in a folder or an archive."""
    if form == "folder":
        path = str(write_files(folder / "layout", files))
        source = open_layout(OciReference(path, image, path), rules)
    else:
        data = tar(list(files.items()))
        path = str(folder / "layout.tar")
        Path(path).write_bytes(gzip.compress(data) if form == "gzip" else data)
        source = open_layout(OciArchiveReference(path, image, path), rules)
    with closing(source):
        yield source


def only_layer(source: LayoutSource, folder: Path) -> bytes:
    """The only layer of a source's image, decompressed."""
    (wanted,) = parse_manifest(source.manifest()).layers
    data = read_blob(source.open_blob(wanted), folder)
    assert (sha256_of(data), len(data)) == (wanted.digest, wanted.size)
    return gzip.decompress(data)
