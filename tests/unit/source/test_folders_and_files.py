"""``dir:`` and ``tarball:``, which read plain files, and the unsupported transports."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import os
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import zstandard

from tests.support.archives import (
    dir_image,
    layer,
    layers_of,
    oci_image,
    read_blob,
    sha256_hex,
    write_files,
)
from tests.support.images import RealImages
from towline.core import BlobWriter
from towline.errors import (
    InvalidNameError,
    LimitExceededError,
    PathError,
    SourceError,
    UnsupportedError,
    VerificationError,
)
from towline.image.descriptor import Descriptor
from towline.image.manifest import DOCKER_SCHEMA2, OCI_MANIFEST, parse_manifest
from towline.image.platform import Platform, host_platform
from towline.name.digest import parse_digest, sha256_of
from towline.name.reference import parse_normalized
from towline.rules import Rules
from towline.source import dir, tarball, unsupported
from towline.transport import ImageReference
from towline.transport.atomic import AtomicReference
from towline.transport.containers_storage import StoreReference
from towline.transport.dir import DirReference
from towline.transport.docker import DockerReference
from towline.transport.docker_daemon import DockerDaemonReference
from towline.transport.facts import StoreIdentity
from towline.transport.tarball import TarballReference

A, B = layer("a"), layer("b")


def folder_source(folder: Path, rules: Rules = Rules.CURRENT) -> dir.DirSource:
    """The source of a `dir:` image."""
    reference = DirReference(str(folder), str(folder))
    return dir.open_source(reference, rules.limits)


# dir:


def test_a_folder_is_read(tmp_path: Path) -> None:
    """Manifest, config and layers; the content of the manifest determines its type."""
    with closing(folder_source(write_files(tmp_path / "image", dir_image(A, B)))) as source:
        assert source.manifest().media_type == DOCKER_SCHEMA2
        assert layers_of(source, tmp_path) == [A, B]
        manifest = parse_manifest(source.manifest())
        assert sha256_of(source.config(manifest.config)) == manifest.config.digest
        assert list(source.in_order(manifest.layers)) == list(manifest.layers)
        assert "image" in repr(source)


def test_an_oci_manifest_in_a_folder_is_recognised(tmp_path: Path) -> None:
    """From its content, because a folder has no media types."""
    blobs, image = oci_image(A)
    manifest = blobs.pop(f"blobs/sha256/{image['digest'][7:]}")
    files = {name.rpartition("/")[2]: data for name, data in blobs.items()}
    source = folder_source(write_files(tmp_path / "image", {**files, "manifest.json": manifest}))
    assert source.manifest().media_type == OCI_MANIFEST


def test_an_instance_of_a_list_has_a_file_of_its_own(tmp_path: Path) -> None:
    """The file has the digest in its name, and the digest is checked."""
    files = dir_image(A)
    own = sha256_hex(files["manifest.json"])
    folder = write_files(
        tmp_path / "image", {**files, f"{own}.manifest.json": files["manifest.json"]}
    )
    digest = parse_digest(f"sha256:{own}")
    assert folder_source(folder).manifest(digest).digest == digest
    (folder / f"{own}.manifest.json").write_bytes(b"{}")
    with pytest.raises(VerificationError):
        folder_source(folder).manifest(digest)


def test_the_error_for_a_missing_file_names_it(tmp_path: Path) -> None:
    """Under libpod-1.3 the message is that of the system."""
    folder = tmp_path / "image"
    folder.mkdir()
    source = folder_source(folder)
    wanted = Descriptor("", f"sha256:{sha256_hex(A)}", 1)
    reads: dict[str, Callable[[], object]] = {
        "manifest.json": source.manifest,
        sha256_hex(A): lambda: source.config(wanted),
        f"./{sha256_hex(A)}": lambda: source.open_blob(wanted),
    }
    for name, read in reads.items():
        with pytest.raises(PathError) as caught:
            read()
        message = caught.value.render(Rules.LIBPOD_1_3.wording)
        assert message == f"open {folder / name}: no such file or directory"


def test_the_path_of_a_folder_is_normalized(tmp_path: Path) -> None:
    """`x/../image/` becomes `image`, as in podman."""
    with pytest.raises(PathError) as caught:
        folder_source(Path(f"{tmp_path}/x/../image/")).manifest()
    assert caught.value.facts["path"] == f"{tmp_path}/image/manifest.json"


def test_folders_and_fifos_are_not_read_as_documents(tmp_path: Path) -> None:
    """They are errors, and opening a FIFO does not block."""
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(PathError, match="is a directory"):
        folder_source(tmp_path).manifest()
    (tmp_path / "manifest.json").rmdir()
    os.mkfifo(tmp_path / "manifest.json")
    with pytest.raises(PathError) as caught:
        folder_source(tmp_path).manifest()
    assert caught.value.code == "path.not_a_file"


def test_the_size_of_a_manifest_in_a_folder_is_limited(tmp_path: Path) -> None:
    """A larger one is an error."""
    with (tmp_path / "manifest.json").open("wb") as file:
        file.truncate(Rules.CURRENT.limits.document_size + 1)
    with pytest.raises(LimitExceededError) as caught:
        folder_source(tmp_path).manifest()
    assert caught.value.facts["what"] == "manifest"


@pytest.mark.parametrize("digest", ["", "manifest.json", "sha256:../manifest.json", "sha256:.."])
def test_only_a_valid_digest_becomes_a_path(tmp_path: Path, digest: str) -> None:
    """Whatever the manifest contains, only blobs of the folder are opened."""
    source = folder_source(write_files(tmp_path / "image", dir_image(A)))
    for use in (source.config, source.open_blob):
        with pytest.raises(InvalidNameError):
            use(Descriptor("", digest, 1))


def test_links_in_a_folder_are_followed(tmp_path: Path) -> None:
    """Because the folder belongs to the user."""
    folder = write_files(tmp_path / "image", dir_image(A))
    (folder / sha256_hex(A)).rename(tmp_path / "elsewhere")
    (folder / sha256_hex(A)).symlink_to(tmp_path / "elsewhere")
    assert layers_of(folder_source(folder), tmp_path) == [A]


def test_a_file_that_is_truncated_while_read(tmp_path: Path) -> None:
    """The error is that of the source, not of the store."""
    big = A + bytes(1 << 20)
    source = folder_source(write_files(tmp_path / "image", dir_image(big)))
    blob = source.open_blob(parse_manifest(source.manifest()).layers[0])
    (tmp_path / "image" / sha256_hex(big)).write_bytes(b"short")
    with blob, pytest.raises(SourceError) as caught:
        blob.deliver(BlobWriter(str(tmp_path / "blob")))
    assert caught.value.code == "core.file"
    assert sha256_hex(big) in str(caught.value)


def test_a_blob_in_a_folder_is_resumed(tmp_path: Path) -> None:
    """It is read from the offset."""
    source = folder_source(write_files(tmp_path / "image", dir_image(A)))
    (wanted,) = parse_manifest(source.manifest()).layers
    assert read_blob(source.open_blob(wanted, 99), tmp_path, A[:99]) == A


@pytest.mark.parametrize("form", ["dir_oci", "dir_docker"])
def test_folders_of_real_tools_are_read(real_images: RealImages, tmp_path: Path, form: str) -> None:
    """Every layer has its digest."""
    source = folder_source(getattr(real_images, form).file)
    assert len(layers_of(source, tmp_path)) == 3


# tarball:

FILES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "plain": (bytes, "application/vnd.oci.image.layer.v1.tar"),
    "gzip": (gzip.compress, "application/vnd.oci.image.layer.v1.tar+gzip"),
    "zstd": (zstandard.compress, "application/vnd.oci.image.layer.v1.tar+zstd"),
}


@pytest.mark.clause("TARBALL-004")
@pytest.mark.parametrize("packing", FILES)
def test_a_tar_becomes_a_layer(tmp_path: Path, packing: str) -> None:
    """As it is stored; the diff ID is that of the plain tar."""
    pack, media_type = FILES[packing]
    path = tmp_path / "layer.tar"
    path.write_bytes(pack(A))
    reference = TarballReference((str(path),))
    with closing(tarball.open_source(reference)) as source:
        manifest = parse_manifest(source.manifest())
        assert [wanted.media_type for wanted in manifest.layers] == [media_type]
        assert layers_of(source, tmp_path) == [path.read_bytes()]
        config = json.loads(source.config(manifest.config))
        assert config["rootfs"]["diff_ids"] == [f"sha256:{sha256_hex(A)}"]
        assert str(path) in repr(source)
        with pytest.raises(SourceError):
            source.open_blob(Descriptor("", f"sha256:{sha256_hex(B)}", 1))
        with pytest.raises(SourceError):
            source.manifest(sha256_of(b""))


def test_tarballs_give_the_same_image_each_time(tmp_path: Path) -> None:
    """The config has the time of the newest file and the platform, but not the time of the pull."""
    paths = [tmp_path / "a.tar", tmp_path / "b.tar"]
    for number, (path, data) in enumerate(zip(paths, (A, B), strict=True)):
        path.write_bytes(data)
        os.utime(path, (0, 1_000_000_000 + number))
    reference = TarballReference(tuple(map(str, paths)))
    raws = []
    for platform in (None, None, Platform("linux", "arm", "v7")):
        with closing(tarball.open_source(reference, platform)) as source:
            raws.append(source.manifest())
            config = json.loads(source.config(parse_manifest(raws[-1]).config))
        assert config["created"] == "2001-09-09T01:46:41Z"
        assert config["os"] == "linux"
        assert len(config["history"]) == 2
        wanted = platform or host_platform()
        assert (config["architecture"], config.get("variant", "")) == (
            wanted.architecture,
            wanted.variant,
        )
    assert raws[0] == raws[1] != raws[2]


def test_the_standard_input_can_be_a_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `-`; its saved copy is removed when the source is closed."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "kept"))
    (tmp_path / "kept").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(A)))
    with closing(tarball.open_source(TarballReference(("-",)))) as source:
        assert layers_of(source, tmp_path) == [A]
    assert not list((tmp_path / "kept").iterdir())


@pytest.mark.clause("TARBALL-004")
def test_files_that_cannot_be_layers(tmp_path: Path) -> None:
    """Text, and compressions that layers cannot have; the error names the path."""
    path = tmp_path / "layer.tar"
    reference = TarballReference((str(path),))
    with pytest.raises(PathError):
        tarball.open_source(reference)
    path.write_bytes(b"text " * 500)
    with pytest.raises(SourceError) as caught:
        tarball.open_source(reference)
    assert caught.value.code == "tarball.not_a_layer"
    path.write_bytes(bz2.compress(A))
    with pytest.raises(SourceError) as caught:
        tarball.open_source(reference)
    assert caught.value.code == "tarball.compression"
    assert str(path) in str(caught.value)


def test_a_tarball_of_a_real_tool_is_read(real_images: RealImages, tmp_path: Path) -> None:
    """Its layer is unchanged."""
    path = real_images.tarball.file
    with closing(tarball.open_source(TarballReference((str(path),)))) as source:
        (found,) = layers_of(source, tmp_path)
    assert hashlib.sha256(found).digest() == hashlib.sha256(path.read_bytes()).digest()


# Refusals

NAME = parse_normalized("example.com/ns/stream:tag")
REFUSED: dict[str, ImageReference] = {
    "unsupported.atomic": AtomicReference(NAME),
    "unsupported.containers_storage": StoreReference(StoreIdentity("vfs", "/g", "/r"), NAME, None),
    "unsupported.docker_daemon": DockerDaemonReference(None, NAME),
    "unsupported.transport": DockerReference(NAME, wildcards=False),
}


@pytest.mark.clause("TRANS-100")
@pytest.mark.parametrize(("code", "reference"), REFUSED.items(), ids=REFUSED)
def test_the_error_for_an_unsupported_transport_names_an_alternative(
    code: str, reference: ImageReference
) -> None:
    """A transport that can be read, to convert the image to."""
    with pytest.raises(UnsupportedError) as caught:
        unsupported.open_source(reference)
    assert caught.value.code == code
    assert "docker-archive:" in str(caught.value) or "docker://" in str(caught.value)
    assert caught.value.render(Rules.LIBPOD_1_3.wording)
