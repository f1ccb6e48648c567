"""dir: and tarball: images of plain files, and the transports that are refused."""

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
    delivered,
    dir_image,
    hexed,
    layer,
    layers_of,
    oci_image,
    unpacked,
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
    return dir.open_source(DirReference(str(folder), str(folder)), rules)


# dir:


def test_a_folder_is_read(tmp_path: Path) -> None:
    """Manifest, config and layers; what the manifest is, its content says."""
    with closing(folder_source(unpacked(tmp_path / "image", dir_image(A, B)))) as source:
        assert source.manifest().media_type == DOCKER_SCHEMA2
        assert layers_of(source, tmp_path) == [A, B]
        manifest = parse_manifest(source.manifest())
        assert sha256_of(source.config(manifest.config)) == manifest.config.digest
        assert list(source.in_order(manifest.layers)) == list(manifest.layers)
        assert "image" in repr(source)


def test_an_oci_manifest_in_a_folder_is_recognised(tmp_path: Path) -> None:
    """By its content, for want of a media type."""
    blobs, image = oci_image(A)
    manifest = blobs.pop(f"blobs/sha256/{image['digest'][7:]}")
    files = {name.rpartition("/")[2]: data for name, data in blobs.items()}
    source = folder_source(unpacked(tmp_path / "image", {**files, "manifest.json": manifest}))
    assert source.manifest().media_type == OCI_MANIFEST


def test_an_instance_of_a_list_has_a_file_of_its_own(tmp_path: Path) -> None:
    """Named after its digest, which is checked."""
    files = dir_image(A)
    own = hexed(files["manifest.json"])
    folder = unpacked(tmp_path / "image", {**files, f"{own}.manifest.json": files["manifest.json"]})
    digest = parse_digest(f"sha256:{own}")
    assert folder_source(folder).manifest(digest).digest == digest
    (folder / f"{own}.manifest.json").write_bytes(b"{}")
    with pytest.raises(VerificationError):
        folder_source(folder).manifest(digest)


def test_what_is_missing_in_a_folder_is_named(tmp_path: Path) -> None:
    """libpod-1.3's words are those of the system."""
    folder = tmp_path / "image"
    folder.mkdir()
    source = folder_source(folder)
    wanted = Descriptor("", f"sha256:{hexed(A)}", 1)
    reads: dict[str, Callable[[], object]] = {
        "manifest.json": source.manifest,
        hexed(A): lambda: source.config(wanted),
        f"./{hexed(A)}": lambda: source.open_blob(wanted),
    }
    for name, read in reads.items():
        with pytest.raises(PathError) as caught:
            read()
        told = caught.value.told(Rules.LIBPOD_1_3.wording)
        assert told == f"open {folder / name}: no such file or directory"


def test_the_path_of_a_folder_is_told_without_detours(tmp_path: Path) -> None:
    """`x/../image/` is told as `image`, as the original does."""
    with pytest.raises(PathError) as caught:
        folder_source(Path(f"{tmp_path}/x/../image/")).manifest()
    assert caught.value.facts["path"] == f"{tmp_path}/image/manifest.json"


def test_folders_and_fifos_are_no_documents(tmp_path: Path) -> None:
    """They are refused, and a FIFO is not waited for."""
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(PathError, match="is a directory"):
        folder_source(tmp_path).manifest()
    (tmp_path / "manifest.json").rmdir()
    os.mkfifo(tmp_path / "manifest.json")
    with pytest.raises(PathError) as caught:
        folder_source(tmp_path).manifest()
    assert caught.value.code == "path.not_a_file"


def test_a_manifest_in_a_folder_has_a_budget(tmp_path: Path) -> None:
    """Beyond it nothing is read."""
    with (tmp_path / "manifest.json").open("wb") as file:
        file.truncate(Rules.CURRENT.document_limit + 1)
    with pytest.raises(LimitExceededError) as caught:
        folder_source(tmp_path).manifest()
    assert caught.value.facts["what"] == "manifest"


@pytest.mark.parametrize("digest", ["", "manifest.json", "sha256:../manifest.json", "sha256:.."])
def test_only_a_valid_digest_becomes_a_path(tmp_path: Path, digest: str) -> None:
    """Whatever a manifest names, nothing but a blob of the folder is opened."""
    source = folder_source(unpacked(tmp_path / "image", dir_image(A)))
    for use in (source.config, source.open_blob):
        with pytest.raises(InvalidNameError):
            use(Descriptor("", digest, 1))


def test_links_in_a_folder_are_followed(tmp_path: Path) -> None:
    """The folder is the user's own."""
    folder = unpacked(tmp_path / "image", dir_image(A))
    (folder / hexed(A)).rename(tmp_path / "elsewhere")
    (folder / hexed(A)).symlink_to(tmp_path / "elsewhere")
    assert layers_of(folder_source(folder), tmp_path) == [A]


def test_a_file_that_is_cut_short_meanwhile_is_told(tmp_path: Path) -> None:
    """It is the source's fault, not the store's."""
    big = A + bytes(1 << 20)
    source = folder_source(unpacked(tmp_path / "image", dir_image(big)))
    blob = source.open_blob(parse_manifest(source.manifest()).layers[0])
    (tmp_path / "image" / hexed(big)).write_bytes(b"short")
    with blob, pytest.raises(SourceError) as caught:
        blob.deliver(BlobWriter(str(tmp_path / "blob")))
    assert caught.value.code == "core.file"
    assert hexed(big) in str(caught.value)


def test_a_blob_in_a_folder_is_taken_up(tmp_path: Path) -> None:
    """From the offset that is held."""
    source = folder_source(unpacked(tmp_path / "image", dir_image(A)))
    (wanted,) = parse_manifest(source.manifest()).layers
    assert delivered(source.open_blob(wanted, 99), tmp_path, A[:99]) == A


@pytest.mark.parametrize("form", ["dir_oci", "dir_docker"])
def test_folders_of_real_tools(real_images: RealImages, tmp_path: Path, form: str) -> None:
    """Every layer comes out with its digest."""
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
    with closing(tarball.open_source(reference, Rules.CURRENT)) as source:
        manifest = parse_manifest(source.manifest())
        assert [wanted.media_type for wanted in manifest.layers] == [media_type]
        assert layers_of(source, tmp_path) == [path.read_bytes()]
        config = json.loads(source.config(manifest.config))
        assert config["rootfs"]["diff_ids"] == [f"sha256:{hexed(A)}"]
        assert str(path) in repr(source)
        with pytest.raises(SourceError):
            source.open_blob(Descriptor("", f"sha256:{hexed(B)}", 1))
        with pytest.raises(SourceError):
            source.manifest(sha256_of(b""))


def test_tarballs_give_the_same_image_each_time(tmp_path: Path) -> None:
    """The config tells the time of the newest file, this machine, and no time of the pull."""
    paths = [tmp_path / "a.tar", tmp_path / "b.tar"]
    for number, (path, data) in enumerate(zip(paths, (A, B), strict=True)):
        path.write_bytes(data)
        os.utime(path, (0, 1_000_000_000 + number))
    reference = TarballReference(tuple(map(str, paths)))
    raws = []
    for platform in (None, None, Platform("linux", "arm", "v7")):
        with closing(tarball.open_source(reference, Rules.CURRENT, platform)) as source:
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
    """`-`; what is kept of it goes when the source is closed."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "kept"))
    (tmp_path / "kept").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(A)))
    with closing(tarball.open_source(TarballReference(("-",)), Rules.CURRENT)) as source:
        assert layers_of(source, tmp_path) == [A]
    assert not list((tmp_path / "kept").iterdir())


@pytest.mark.clause("TARBALL-004")
def test_what_cannot_be_a_layer(tmp_path: Path) -> None:
    """Text, and compressions that no layer has; the path is named."""
    path = tmp_path / "layer.tar"
    reference = TarballReference((str(path),))
    with pytest.raises(PathError):
        tarball.open_source(reference, Rules.CURRENT)
    path.write_bytes(b"text " * 500)
    with pytest.raises(SourceError) as caught:
        tarball.open_source(reference, Rules.CURRENT)
    assert caught.value.code == "tarball.not_a_layer"
    path.write_bytes(bz2.compress(A))
    with pytest.raises(SourceError) as caught:
        tarball.open_source(reference, Rules.CURRENT)
    assert caught.value.code == "tarball.compression"
    assert str(path) in str(caught.value)


def test_a_tarball_of_a_real_tool(real_images: RealImages, tmp_path: Path) -> None:
    """Its layer comes out as it is."""
    path = real_images.tarball.file
    with closing(tarball.open_source(TarballReference((str(path),)), Rules.CURRENT)) as source:
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
def test_a_refusal_names_a_way_round(code: str, reference: ImageReference) -> None:
    """A command that makes of the image something that is read."""
    with pytest.raises(UnsupportedError) as caught:
        unsupported.open_source(reference)
    assert caught.value.code == code
    assert "docker-archive:" in str(caught.value) or "docker://" in str(caught.value)
    assert caught.value.told(Rules.LIBPOD_1_3.wording)
