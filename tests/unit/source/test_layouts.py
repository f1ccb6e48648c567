"""``oci:`` and ``oci-archive:``: choosing an image in a layout, and reading it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import towline
from tests.support.archives import (
    CONTAINERD_NAME,
    REF_NAME,
    descriptor,
    layout,
    oci_image,
    read_blob,
    sha256_hex,
    write_files,
)
from tests.support.images import RealImages
from tests.support.layouts import (
    BLOBS_A,
    BLOBS_B,
    BOTH,
    FORMS,
    IMAGE_A,
    IMAGE_B,
    A,
    B,
    named,
    only_layer,
    open_layout,
    source_of,
)
from tests.support.skopeo import write_policy
from towline.copying.reading import Reading
from towline.errors import (
    InvalidNameError,
    LimitExceededError,
    SourceError,
    TowlineError,
    VerificationError,
)
from towline.image.descriptor import Descriptor
from towline.image.manifest import (
    DOCKER_LIST,
    DOCKER_SCHEMA2,
    OCI_INDEX,
    OCI_MANIFEST,
    RawManifest,
    parse_index,
    parse_manifest,
)
from towline.image.platform import Platform
from towline.name.digest import parse_digest, sha256_of
from towline.rules import Rules
from towline.source.layout_choice import choose
from towline.source.oci import FolderFiles
from towline.transport.oci import OciReference
from towline.transport.oci_archive import OciArchiveReference


@BOTH
@FORMS
def test_an_image_is_read(tmp_path: Path, form: str, rules: Rules) -> None:
    """Manifest, config and layers are read from a folder and from an archive."""
    with source_of(layout([IMAGE_A], BLOBS_A), tmp_path, form, rules=rules) as source:
        raw = source.manifest()
        assert raw.media_type == OCI_MANIFEST
        assert str(raw.digest) == IMAGE_A["digest"]
        config = parse_manifest(raw).config
        assert sha256_of(source.config(config)) == config.digest
        assert only_layer(source, tmp_path) == A
        assert "layout" in repr(source)


Case = tuple[Sequence[dict[str, Any]], str, str | bytes, str | bytes]
CHOICES: dict[str, Case] = {
    # entries of index.json, the requested name, the choice or error of current and of libpod-1.3
    "the only one": ([IMAGE_A], "", A, A),
    "the only one, named": ([named(IMAGE_A, "x:1")], "", A, A),
    "none": ([], "", "layout.choose_image", "layout.choose_image"),
    "one of two, without a name": (
        [named(IMAGE_A, "x:1"), named(IMAGE_B, "y:2")],
        "",
        "layout.choose_image",
        "layout.choose_image",
    ),
    "by name": ([named(IMAGE_A, "x:1"), named(IMAGE_B, "y:2")], "y:2", B, B),
    "by part of a name": (
        [named(IMAGE_A, "x:1")],
        "x",
        "layout.no_such_image",
        "layout.no_such_image",
    ),
    "of two with one name the first": (
        [named(IMAGE_A, "x:1"), named(IMAGE_B, "x:1")],
        "x:1",
        "layout.ambiguous",
        A,
    ),
    "one with two names": (
        [named(IMAGE_A, "x:1"), named(IMAGE_A, "y:2")],
        "",
        A,
        "layout.choose_image",
    ),
    "of one with two names the second": (
        [named(IMAGE_A, "x:1"), named(IMAGE_A, "y:2"), named(IMAGE_B, "z")],
        "y:2",
        A,
        A,
    ),
    "by number": ([named(IMAGE_A, "x:1"), IMAGE_B], "@1", B, "layout.no_such_image"),
    "by a number that is too large": (
        [IMAGE_A, IMAGE_B],
        "@2",
        "layout.no_such_number",
        "layout.no_such_image",
    ),
    "two tags of containerd": (
        [
            {**IMAGE_A, "annotations": {REF_NAME: "1", CONTAINERD_NAME: "docker.io/library/x:1"}},
            {**IMAGE_B, "annotations": {REF_NAME: "1", CONTAINERD_NAME: "docker.io/library/y:1"}},
        ],
        "1",
        "layout.ambiguous",
        A,
    ),
    "an image and its signature": (
        [named(IMAGE_A, "x:1"), named(IMAGE_B, "sha256-" + "0" * 64 + ".sig")],
        "",
        A,
        "layout.choose_image",
    ),
    "a signature by its name": (
        [named(IMAGE_A, "x:1"), named(IMAGE_B, "sha256-" + "0" * 64 + ".sig")],
        "sha256-" + "0" * 64 + ".sig",
        B,
        B,
    ),
    "as cosign saves it": (
        [
            {**IMAGE_A, "annotations": {"kind": "dev.cosignproject.cosign/image"}},
            {**IMAGE_B, "annotations": {"kind": "dev.cosignproject.cosign/sigs"}},
        ],
        "",
        A,
        "layout.choose_image",
    ),
    "an image and an attestation": (
        [IMAGE_A, {**IMAGE_B, "platform": {"os": "unknown", "architecture": "unknown"}}],
        "",
        A,
        "layout.choose_image",
    ),
    "nothing but attachments": (
        [{**IMAGE_A, "artifactType": "application/x-sbom"}],
        "",
        A,
        A,
    ),
    "by name, without a media type": (
        [named(IMAGE_A, "x:1", mediaType="")],
        "x:1",
        A,
        "layout.no_such_image",
    ),
    "by name, another media type": (
        [named(IMAGE_A, "x:1", mediaType="application/x-other")],
        "x:1",
        "layout.no_such_image",
        "layout.no_such_image",
    ),
    "by the name that containerd gives": (
        [{**IMAGE_A, "annotations": {REF_NAME: "1", CONTAINERD_NAME: "docker.io/library/x:1"}}],
        "docker.io/library/x:1",
        A,
        "layout.no_such_image",
    ),
}


@pytest.mark.clause("LAYOUT-005", "LAYOUT-006", "LAYOUT-007", "LAYOUT-009")
@pytest.mark.parametrize(("entries", "image", "current", "libpod"), CHOICES.values(), ids=CHOICES)
@FORMS
def test_an_image_is_chosen(
    tmp_path: Path,
    form: str,
    entries: Sequence[dict[str, Any]],
    image: str,
    current: str | bytes,
    libpod: str | bytes,
) -> None:
    """By name, or as the only one; under libpod-1.3 only OCI manifests have names."""
    files = layout(entries, BLOBS_A, BLOBS_B)
    for rules, wanted in ((Rules.CURRENT, current), (Rules.LIBPOD_1_3, libpod)):
        if isinstance(wanted, str):
            with (
                pytest.raises(SourceError) as caught,
                source_of(files, tmp_path, form, image=image, rules=rules),
            ):
                pass
            assert caught.value.code == wanted
        else:
            with source_of(files, tmp_path, form, image=image, rules=rules) as source:
                assert only_layer(source, tmp_path) == wanted


def test_errors_of_choosing_list_the_names(tmp_path: Path) -> None:
    """Under current; the messages of libpod-1.3 are those recorded."""
    files = layout([named(IMAGE_A, "x:1"), named(IMAGE_B, "y:2")], BLOBS_A, BLOBS_B)
    for image, libpod in (
        ("", "more than one image in oci, choose an image"),
        ("z", 'no descriptor found for reference "z"'),
    ):
        with pytest.raises(SourceError) as caught, source_of(files, tmp_path, image=image):
            pass
        for text in ('@0 "x:1" (', '@1 "y:2" (', IMAGE_A["digest"], IMAGE_B["digest"]):
            assert text in str(caught.value)
        assert caught.value.render(Rules.LIBPOD_1_3.wording) == libpod


def for_platform(image: Mapping[str, Any], architecture: str, **more: Any) -> dict[str, Any]:
    """A descriptor with a platform."""
    return {**image, "platform": {"os": "linux", "architecture": architecture}, **more}


@pytest.mark.clause("LAYOUT-008")
@FORMS
def test_index_json_may_be_the_index_of_an_image(tmp_path: Path, form: str) -> None:
    """If all its entries have platforms; an instance is found by digest."""
    entries = [for_platform(IMAGE_A, "amd64"), for_platform(IMAGE_B, "arm64")]
    files = layout(entries, BLOBS_A, BLOBS_B)
    with source_of(files, tmp_path, form) as source:
        raw = source.manifest()
        assert raw == RawManifest(files["index.json"], OCI_INDEX)
        assert len(parse_index(raw).instances) == 2
        rules = Rules.CURRENT
        reading = Reading(rules.copying, rules.limits, Platform("linux", "arm64"))
        chosen, listed = reading.manifest(source)
        assert str(chosen.digest) == IMAGE_B["digest"]
        assert listed == raw
    files = layout([IMAGE_A, IMAGE_B], BLOBS_A, BLOBS_B)
    with (
        pytest.raises(SourceError, match="has 2 images"),
        source_of(files, tmp_path, form),
    ):
        pass


def test_an_index_is_returned_unchanged(tmp_path: Path) -> None:
    """The caller chooses an instance; libpod-1.3 does not recognise an index."""
    index = layout([for_platform(IMAGE_A, "amd64")])["index.json"]
    blobs = {f"blobs/sha256/{sha256_hex(index)}": index}
    files = layout([named(descriptor(OCI_INDEX, index), "x:1")], BLOBS_A, blobs)
    with source_of(files, tmp_path, image="x:1") as source:
        assert source.manifest() == RawManifest(index, OCI_INDEX)
        assert parse_manifest(source.manifest(parse_digest(IMAGE_A["digest"]))).layers
    with source_of(files, tmp_path, rules=Rules.LIBPOD_1_3) as source:
        with pytest.raises(SourceError) as caught:
            parse_manifest(source.manifest())
        assert caught.value.render(Rules.LIBPOD_1_3.wording) == "unsupported schema version 2"


def test_a_manifest_without_a_media_type_is_recognised(tmp_path: Path) -> None:
    """Under libpod-1.3 it has no type, and parsing it fails."""
    files = layout([{**IMAGE_A, "mediaType": ""}], BLOBS_A)
    with source_of(files, tmp_path) as source:
        assert source.manifest().media_type == OCI_MANIFEST
    with source_of(files, tmp_path, rules=Rules.LIBPOD_1_3) as source:
        assert source.manifest().media_type == ""


def test_docker_media_types_are_kept(tmp_path: Path) -> None:
    """A layout may have manifests with Docker media types."""
    for media_type in (DOCKER_SCHEMA2, DOCKER_LIST):
        files = layout([{**IMAGE_A, "mediaType": media_type}], BLOBS_A)
        with source_of(files, tmp_path) as source:
            assert source.manifest().media_type == media_type


Change = Callable[[dict[str, bytes]], object]
DEFECTS: dict[str, tuple[Change, str, str]] = {
    # a change to a valid layout, and the error codes for a folder and an archive
    "no index": (lambda f: f.pop("index.json"), "path.unusable", "archive.no_file"),
    "index is text": (
        lambda f: f.update({"index.json": b"text"}),
        "layout.index_not_json",
        "layout.index_not_json",
    ),
    "index is a list": (
        lambda f: f.update({"index.json": b"[]"}),
        "layout.index_not_json",
        "layout.index_not_json",
    ),
    "index is empty": (
        lambda f: f.update({"index.json": b""}),
        "layout.index_not_json",
        "layout.index_not_json",
    ),
    "no manifest blob": (
        lambda f: f.pop(f"blobs/sha256/{IMAGE_A['digest'][7:]}"),
        "path.unusable",
        "archive.no_file",
    ),
    "another manifest blob": (
        lambda f: f.update({f"blobs/sha256/{IMAGE_A['digest'][7:]}": b"{}"}),
        "verify.manifest",
        "verify.manifest",
    ),
}


@BOTH
@pytest.mark.parametrize(("change", "folder", "archive"), DEFECTS.values(), ids=DEFECTS)
def test_a_defect_has_its_code(
    tmp_path: Path, rules: Rules, change: Change, folder: str, archive: str
) -> None:
    """Each kind of broken layout has its own error code."""
    for form, code in (("folder", folder), ("archive", archive)):
        files = layout([IMAGE_A], BLOBS_A)
        change(files)
        with (
            pytest.raises(TowlineError) as caught,
            source_of(files, tmp_path / form, form, rules=rules) as source,
        ):
            source.manifest()
        assert caught.value.code == code
        assert caught.value.render(rules.wording)


@pytest.fixture(autouse=True)
def folders(tmp_path: Path) -> None:
    """Create a folder for each form."""
    for form in ("folder", "archive"):
        (tmp_path / form).mkdir()


@FORMS
@pytest.mark.parametrize(
    "digest", ["", "sha256:xyz", "md5:" + "0" * 32, "sha256:../../../../etc/passwd", "../secret"]
)
def test_only_a_valid_digest_becomes_a_path(tmp_path: Path, form: str, digest: str) -> None:
    """An invalid digest in an index or manifest is an error before any file is opened."""
    with source_of(layout([{**IMAGE_A, "digest": digest}], BLOBS_A), tmp_path, form) as source:
        with pytest.raises(InvalidNameError):
            source.manifest()
        for use in (source.config, source.open_blob):
            with pytest.raises(InvalidNameError) as caught:
                use(Descriptor("", digest, 1))
            message = caught.value.render(Rules.LIBPOD_1_3.wording)
            assert message.startswith(f"unexpected digest reference {digest}: ")


@FORMS
def test_the_first_json_value_of_the_index_counts(tmp_path: Path, form: str) -> None:
    """Data after it is not read."""
    files = layout([IMAGE_A], BLOBS_A)
    files["index.json"] += b"\ngarbage"
    with source_of(files, tmp_path, form) as source:
        assert only_layer(source, tmp_path) == A


@BOTH
def test_the_size_of_documents_is_limited(tmp_path: Path, rules: Rules) -> None:
    """An index above the limit is an error."""
    path = write_files(tmp_path / "layout", layout([IMAGE_A], BLOBS_A))
    with (path / "index.json").open("r+b") as file:
        file.truncate(rules.limits.document_size + 1)
    with pytest.raises(LimitExceededError) as caught:
        choose(FolderFiles(str(path), str(path), rules.limits.document_size), "", rules.archives)
    assert caught.value.facts["what"] == "index"


@FORMS
def test_a_config_is_compared_with_its_digest(tmp_path: Path, form: str) -> None:
    """A config with another digest is an error."""
    files = layout([IMAGE_A], BLOBS_A)
    config = next(
        name for name, data in files.items() if name.startswith("blobs/") and b"rootfs" in data
    )
    files[config] = files[config].replace(b"amd64", b"arm64")
    with source_of(files, tmp_path, form) as source:
        wanted = parse_manifest(source.manifest()).config
        with pytest.raises(VerificationError) as caught:
            source.config(wanted)
    assert caught.value.code == "verify.config"


def test_blobs_are_delivered_in_the_order_of_the_archive(tmp_path: Path) -> None:
    """In a folder the order is not changed."""
    blobs, image = oci_image(A, B)
    files = layout([image], dict(reversed(blobs.items())))
    for form, reversed_order in (("archive", True), ("folder", False)):
        with source_of(files, tmp_path, form) as source:
            first, second = parse_manifest(source.manifest()).layers
            order = list(source.in_order([first, second]))
            assert order == ([second, first] if reversed_order else [first, second])


@FORMS
def test_a_blob_is_resumed(tmp_path: Path, form: str) -> None:
    """It is read from an offset; if that is beyond the end, from 0."""
    with source_of(layout([IMAGE_A], BLOBS_A), tmp_path, form) as source:
        (wanted,) = parse_manifest(source.manifest()).layers
        whole = read_blob(source.open_blob(wanted), tmp_path)
        blob = source.open_blob(wanted, 50)
        assert (blob.offset, blob.size) == (50, len(whole))
        assert read_blob(blob, tmp_path, whole[:50]) == whole
        with source.open_blob(wanted, 1 << 40) as blob:
            assert blob.offset == 0


@pytest.mark.parametrize(
    "form",
    [
        "oci_archive",
        "oci_archive_unnamed",
        "oci_archive_podman",
        "oci_layout",
        "oci_layout_zstd",
        "oci_layout_umoci",
    ],
)
def test_layouts_of_real_tools_are_read(real_images: RealImages, tmp_path: Path, form: str) -> None:
    """Every layer has its digest, and the config has as many diff IDs."""
    real = getattr(real_images, form)
    path = str(real.file)
    source = (
        open_layout(OciReference(path, real.name, path))
        if real.transport == "oci"
        else open_layout(OciArchiveReference(path, real.name, path))
    )
    with closing(source):
        manifest = parse_manifest(source.manifest())
        for wanted in manifest.layers:
            data = read_blob(source.open_blob(wanted), tmp_path)
            assert (sha256_of(data), len(data)) == (wanted.digest, wanted.size)
        diff_ids = json.loads(source.config(manifest.config))["rootfs"]["diff_ids"]
    assert len(diff_ids) == len(manifest.layers)


@pytest.mark.clause("GOAL-020")
def test_a_second_layout_leaves_the_first_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The annotation of both is "latest", as skopeo and umoci write it."""
    monkeypatch.chdir(tmp_path)
    store = towline.open_store("store")
    runtime = towline.Runtime(store, towline.Options(policy=write_policy(tmp_path / "policy.json")))
    write_files(Path("a/small"), layout([named(IMAGE_A, "latest")], BLOBS_A))
    write_files(Path("other"), layout([named(IMAGE_B, "latest")], BLOBS_B))
    assert runtime.pull("oci:a/small").images == ("localhost/a/small:latest",)
    assert runtime.pull("oci:other").images == ("localhost/other:latest",)
    for name, image in (("a/small", IMAGE_A), ("other", IMAGE_B)):
        assert str(store.image(name).digest) == image["digest"]
