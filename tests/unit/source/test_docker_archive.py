"""``docker-archive:``: its images and members, and the manifest that is made for it."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import zstandard

from tests.support.archives import (
    Entry,
    config,
    docker_archive,
    layers_of,
    link,
    read_blob,
    sha256_hex,
    special,
    tar,
)
from tests.support.docker_archives import BOTH, IMAGE, A, B, fault, listed, source_of
from tests.support.images import RealImages
from tests.support.twin_strategies import SPARSE_FORMS, sparse_entry
from towline.errors import SourceError
from towline.image.descriptor import Descriptor
from towline.image.manifest import DOCKER_SCHEMA2, parse_manifest
from towline.name.digest import sha256_of
from towline.name.reference import parse_normalized
from towline.rules import Rules
from towline.source.archive_cache import ArchiveCache
from towline.source.docker_archive import open_source
from towline.transport.docker_archive import DockerArchiveReference


@pytest.mark.clause("ARCH-020")
@BOTH
def test_the_manifest_is_identical_to_podmans(tmp_path: Path, rules: Rules) -> None:
    """Keys, order and media types are the same; sizes are those of the plain layers."""
    with source_of(tar(docker_archive((["x:1"], [A, B, A]))), tmp_path, rules) as source:
        raw = source.manifest()
    document = config([A, B, A])
    assert raw.media_type == DOCKER_SCHEMA2
    assert raw.data.decode() == (
        '{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",'
        '"config":{"mediaType":"application/vnd.docker.container.image.v1+json",'
        f'"size":{len(document)},"digest":"sha256:{sha256_hex(document)}"}},"layers":['
        + ",".join(
            '{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip",'
            f'"size":{len(data)},"digest":"sha256:{sha256_hex(data)}"}}'
            for data in (A, B, A)
        )
        + "]}"
    )


def test_an_image_without_layers_has_an_empty_list(tmp_path: Path) -> None:
    """It is `[]`, not null."""
    with source_of(tar(docker_archive((["x:1"], []))), tmp_path) as source:
        assert source.manifest().data.endswith(b'"layers":[]}')


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "gzip-in-bzip2": lambda data: bz2.compress(gzip.compress(data)),
}


@BOTH
@pytest.mark.parametrize("packed", PACKERS.values(), ids=PACKERS)
def test_a_compressed_archive_gives_the_same_image(
    tmp_path: Path, rules: Rules, packed: Callable[[bytes], bytes]
) -> None:
    """Config, manifest and layers do not depend on the compression of the archive."""
    data = tar(docker_archive((["x:1"], [A, B])))
    with source_of(packed(data), tmp_path, rules) as source:
        manifest = parse_manifest(source.manifest())
        assert source.config(manifest.config) == config([A, B])
        assert layers_of(source, tmp_path) == [A, B]


def test_only_the_current_edition_supports_zstd(tmp_path: Path) -> None:
    """libpod-1.3 reads zstd as a damaged tar."""
    data = zstandard.compress(tar(docker_archive((["x:1"], [A]))))
    with source_of(data, tmp_path) as source:
        assert layers_of(source, tmp_path) == [A]
    assert fault(data, tmp_path, Rules.LIBPOD_1_3) == "archive.not_tar"


@pytest.mark.clause("ARCH-022")
@BOTH
@pytest.mark.parametrize("outer", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_compressed_layers_are_decompressed(
    tmp_path: Path, rules: Rules, outer: Callable[[bytes], bytes]
) -> None:
    """The blob is the plain tar without a known size, and it always begins at 0."""
    entries = [
        (name, gzip.compress(data) if name.endswith(".tar") and isinstance(data, bytes) else data)
        for name, data in docker_archive((["x:1"], [A, B]))
    ]
    with source_of(outer(tar(entries)), tmp_path, rules) as source:
        assert layers_of(source, tmp_path) == [A, B]
        with source.open_blob(Descriptor("", f"sha256:{sha256_hex(A)}", len(A)), 100) as blob:
            assert (blob.offset, blob.size) == (0, None)


def test_a_layer_is_resumed(tmp_path: Path) -> None:
    """An uncompressed layer is delivered from the offset."""
    for data in (
        tar(docker_archive((["x:1"], [A]))),
        gzip.compress(tar(docker_archive((["x:1"], [A])))),
    ):
        with source_of(data, tmp_path) as source:
            blob = source.open_blob(Descriptor("", f"sha256:{sha256_hex(A)}", len(A)), 700)
            assert blob.offset == 700
            assert read_blob(blob, tmp_path, A[:700]) == A


def test_the_order_is_that_of_the_archive(tmp_path: Path) -> None:
    """`in_order` sorts by position, so that one pass delivers everything."""
    entries = docker_archive((["x:1"], [A, B]))
    entries = [entries[0], entries[2], entries[1], entries[3]]
    with source_of(tar(entries), tmp_path) as source:
        first, second = parse_manifest(source.manifest()).layers
        assert list(source.in_order([first, second])) == [second, first]


# Several images


def several_images() -> bytes:
    """Two images, the second with two names."""
    return tar(docker_archive((["x:1"], [A]), (["y:2", "docker.io/z"], [B])))


@pytest.mark.parametrize(
    ("index", "name", "wanted"),
    [
        (0, "", A),
        (1, "", B),
        (0, "y:2", B),
        (0, "docker.io/library/z:latest", B),
        (1, "x:1", A),
    ],
)
def test_each_image_can_be_chosen(tmp_path: Path, index: int, name: str, wanted: bytes) -> None:
    """By its index in manifest.json, or by a name, which takes precedence."""
    with source_of(several_images(), tmp_path, index=index, name=name) as source:
        assert layers_of(source, tmp_path) == [wanted]


@pytest.mark.clause("ARCH-012")
def test_libpod_refuses_several_images(tmp_path: Path) -> None:
    """It also refuses an archive without images, and ignores the name after the path."""
    with (
        pytest.raises(SourceError) as caught,
        source_of(several_images(), tmp_path, Rules.LIBPOD_1_3, name="y:2") as source,
    ):
        source.manifest()
    message = caught.value.render(Rules.LIBPOD_1_3.wording)
    assert message == "Unexpected tar manifest.json: expected 1 item, got 2"
    assert fault(tar(docker_archive()), tmp_path, Rules.LIBPOD_1_3) == "archive.item_count"


def test_an_unknown_image_cannot_be_chosen(tmp_path: Path) -> None:
    """The error for an unknown name lists the names."""
    with (
        pytest.raises(SourceError) as caught,
        source_of(several_images(), tmp_path, name="nope") as source,
    ):
        source.manifest()
    assert caught.value.code == "archive.no_such_image"
    assert all(name in str(caught.value) for name in ("x:1", "y:2", "docker.io/z"))
    assert fault(several_images(), tmp_path, index=2) == "archive.no_such_index"
    assert fault(tar(docker_archive()), tmp_path) == "archive.no_images"


# How members are found


def manifest_under(name: str, *more: Entry) -> bytes:
    """An archive whose manifest.json has another name, with more members."""
    entries = docker_archive((["x:1"], [A]))
    return tar([*entries[:-1], (name, entries[-1][1]), *more])


OLD_FAULTS = {
    "behind a dot": (manifest_under("./manifest.json"), "archive.no_member"),
    "absolute": (manifest_under("/manifest.json"), "archive.no_member"),
    "behind a link": (manifest_under("m.json", link("manifest.json", "m.json")), None),
    "behind a link to the root": (manifest_under("m.json", link("manifest.json", "/m.json")), None),
    "behind a link and back": (
        manifest_under("m.json", link("manifest.json", "q/../m.json")),
        None,
    ),
    "behind two links": (
        manifest_under("m.json", link("manifest.json", "n.json"), link("n.json", "m.json")),
        "archive.not_regular",
    ),
    "behind a hard link": (
        manifest_under("m.json", link("manifest.json", "m.json", hard=True)),
        "archive.manifest_not_json",
    ),
}


@pytest.mark.parametrize(("data", "code"), OLD_FAULTS.values(), ids=OLD_FAULTS)
def test_member_names_are_literal_in_libpod_and_paths_in_current(
    tmp_path: Path, data: bytes, code: str | None
) -> None:
    """libpod-1.3 follows one symbolic link and reads hard links as empty files."""
    with source_of(data, tmp_path) as source:
        assert layers_of(source, tmp_path) == [A]
    if code is not None:
        assert fault(data, tmp_path, Rules.LIBPOD_1_3) == code


def linked_layer() -> bytes:
    """An image whose only layer is a link, as docker save wrote shared layers."""
    entries = docker_archive((["x:1"], [A]))
    name = entries[1][0]
    return tar([entries[0], ("base/layer.tar", A), link(name, "base/layer.tar"), entries[2]])


def test_a_linked_layer_has_the_size_of_its_target(tmp_path: Path) -> None:
    """libpod-1.3 uses the size of the link, 0, and so never accepts such a layer."""
    with source_of(linked_layer(), tmp_path) as source:
        assert layers_of(source, tmp_path) == [A]
    with source_of(linked_layer(), tmp_path, Rules.LIBPOD_1_3) as source:
        (wanted,) = parse_manifest(source.manifest()).layers
        assert wanted.size == 0
        assert read_blob(source.open_blob(wanted), tmp_path) == A


def test_nothing_outside_the_archive_is_read(tmp_path: Path) -> None:
    """A link to a path outside the archive has no target."""
    secret = tmp_path / "secret"
    secret.write_bytes(A)
    entries = docker_archive((["x:1"], [A]))
    name = entries[1][0]
    for target in (str(secret), f"../../../../../../..{secret}"):
        data = tar([entries[0], link(name, target), entries[2]])
        assert fault(data, tmp_path) == "archive.layers_missing"


def test_a_loop_of_links_is_an_error(tmp_path: Path) -> None:
    """The source does not loop."""
    data = manifest_under("m.json", link("manifest.json", "n"), link("n", "manifest.json"))
    assert fault(data, tmp_path) == "archive.link_loop"


def test_the_first_of_two_members_counts(tmp_path: Path) -> None:
    """Of two members manifest.json, the first is read in both editions."""
    entries = [*docker_archive((["x:1"], [A])), ("manifest.json", b"[]")]
    for rules in (Rules.CURRENT, Rules.LIBPOD_1_3):
        with source_of(tar(entries), tmp_path, rules) as source:
            assert layers_of(source, tmp_path) == [A]


def test_a_cache_opens_an_archive_once(tmp_path: Path) -> None:
    """It opens the file again if it changes; sources do not close shared archives."""
    path = tmp_path / "image.tar"
    path.write_bytes(several_images())
    reference = DockerArchiveReference(str(path))
    rules = Rules.CURRENT
    with ArchiveCache() as archives:
        formats = rules.archives.archive_formats
        members = archives.members(str(path), formats)
        with closing(open_source(reference, rules.archives, rules.limits, archives)) as source:
            source.manifest()
        assert archives.members(str(path), formats) is members
        with closing(open_source(reference, rules.archives, rules.limits, archives)) as source:
            assert layers_of(source, tmp_path) == [A]
        path.write_bytes(IMAGE + bytes(1024))
        assert archives.members(str(path), formats) is not members


def test_sources_have_a_repr(tmp_path: Path) -> None:
    """Another manifest or layer is an error."""
    with source_of(IMAGE, tmp_path) as source:
        assert "image.tar" in repr(source)
        assert source.manifest(source.manifest().digest) == source.manifest()
        with pytest.raises(SourceError, match="has no image with the digest"):
            source.manifest(sha256_of(b""))
        with pytest.raises(SourceError, match="has no layer"):
            source.open_blob(Descriptor("", f"sha256:{sha256_hex(B)}", 1))


# What real tools write


@pytest.mark.parametrize(
    "form",
    [
        "docker_archive",
        "docker_archive_unnamed",
        "docker_archive_gzip",
        "docker_archive_podman",
        "docker_archive_several",
    ],
)
def test_archives_of_real_tools_are_read(
    real_images: RealImages, tmp_path: Path, form: str
) -> None:
    """The digest of each layer is its diff ID in the config."""
    real = getattr(real_images, form)
    own = parse_normalized(real.name).tagged() if real.name else None
    reference = DockerArchiveReference(str(real.file), own)
    rules = Rules.CURRENT
    with closing(open_source(reference, rules.archives, rules.limits)) as source:
        assert len(layers_of(source, tmp_path)) == 3
        manifest = parse_manifest(source.manifest())
        diff_ids = json.loads(source.config(manifest.config))["rootfs"]["diff_ids"]
    assert diff_ids == [wanted.digest_text for wanted in manifest.layers]


def test_an_archive_of_docker_25(tmp_path: Path) -> None:
    """It has manifest.json, an OCI layout, and gzip layers under blobs/."""
    packed = [gzip.compress(data, mtime=0) for data in (A, B)]
    document = config([A, B])
    blobs = [(f"blobs/sha256/{sha256_hex(data)}", data) for data in (*packed, document)]
    manifest = listed(
        Config=f"blobs/sha256/{sha256_hex(document)}",
        RepoTags=["x:1"],
        Layers=[f"blobs/sha256/{sha256_hex(data)}" for data in packed],
    )
    entries: list[Entry] = [
        special("blobs/", tarfile.DIRTYPE),
        special("blobs/sha256/", tarfile.DIRTYPE),
        *blobs,
        ("index.json", b"{}"),
        ("manifest.json", manifest),
        ("oci-layout", b"{}"),
    ]
    with source_of(tar(entries), tmp_path) as source:
        assert layers_of(source, tmp_path) == [A, B]


def test_pax_names_are_read(tmp_path: Path) -> None:
    """A member is found by the name in its extended header."""
    buffer = io.BytesIO()
    name = "ü" * 90 + ".json"
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, data in (
            (name, config([A])),
            ("l", A),
            ("manifest.json", listed(Config=name, Layers=["l"])),
        ):
            member = tarfile.TarInfo(path)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    with source_of(buffer.getvalue(), tmp_path) as source:
        assert layers_of(source, tmp_path) == [A]


@pytest.mark.clause("CORE-013")
@BOTH
@pytest.mark.parametrize("form", SPARSE_FORMS)
def test_sparse_members(tmp_path: Path, rules: Rules, form: str) -> None:
    """An archive repacked with `tar -S` has the same manifest and layers."""
    entries = docker_archive((["x:1"], [A, B]))
    with source_of(tar(entries), tmp_path, rules) as source:
        raw = source.manifest()

    def sparse(name: object, data: object) -> bytes:
        assert isinstance(data, bytes)
        pieces = [(at, data[at : at + 64]) for at in range(0, len(data), 64)]
        segments = [(at, piece) for at, piece in pieces if piece.strip(b"\0")]
        return sparse_entry(form, len(data), segments, name=str(name).encode())

    packed = b"".join(sparse(name, data) for name, data in entries[::-1])
    for outer in (bytes, gzip.compress):
        with source_of(outer(packed + bytes(1024)), tmp_path, rules) as source:
            assert source.manifest() == raw
            assert layers_of(source, tmp_path) == [A, B]
