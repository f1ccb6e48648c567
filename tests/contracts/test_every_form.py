"""One image, every form in which real tools write it: it arrives, verified, and reads back."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.support import skopeo
from tests.support.images import EVERY_FORM, NAME, OTHER_NAME, SECOND_NAME, RealImage, RealImages
from tests.support.towline_cli import CommandLine

# These transports do not keep a manifest: one is made while reading.
MADE_MANIFESTS = ("docker-archive", "tarball")


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    """The command line with a fresh store."""
    return CommandLine.below(tmp_path)


def pulled(line: CommandLine, location: str, *words: str) -> list[str]:
    """The names that a pull prints; it must succeed without a word of complaint."""
    ended = line("pull", "--tls-verify=false", "--progress=none", *words, location)
    assert ended.status == 0, ended.stderr
    assert ended.stderr == ""
    return ended.lines


@pytest.mark.clause("PULL-020", "CORE-008")
@pytest.mark.parametrize("form", EVERY_FORM)
def test_an_image_arrives_verified_and_reads_back(
    line: CommandLine, real_images: RealImages, form: str
) -> None:
    """Every blob's digest is right, and skopeo reads back the manifest that the source has."""
    image: RealImage = getattr(real_images, form)
    (name, *_) = pulled(line, image.location, "--verify-diff-ids")
    verified = line("verify")
    assert verified.status == 0, verified.stderr
    described = line("inspect", name.removeprefix("docker://").lstrip("@")).json()
    for blob in (line.root / "blobs/sha256").iterdir():
        with blob.open("rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == blob.name
    layout = f"oci:{line.root}"
    names = described["names"]
    if names and described["media_type"].startswith("application/vnd.oci"):
        layout += f":{names[0]}"
    elif len(names) > 1:
        return  # STORE-009: skopeo 1.9.3 reads schema 2 only as the one entry of a layout
    stored = skopeo.raw_manifest(layout)
    assert f"sha256:{hashlib.sha256(stored).hexdigest()}" == described["digest"]
    if image.transport not in MADE_MANIFESTS:
        assert stored == manifest_of_this_machine(image)
    assert skopeo.inspect(layout)["Digest"] == described["digest"]


def manifest_of_this_machine(image: RealImage) -> bytes:
    """The manifest as it came: of a list, that of the instance for this machine."""
    raw = skopeo.raw_manifest(image.location)
    for instance in json.loads(raw).get("manifests", ()):
        if instance["platform"] == {"architecture": "amd64", "os": "linux"}:
            name = image.name.rpartition(":")[0]
            return skopeo.raw_manifest(f"docker://{name}@{instance['digest']}")
    return raw


@pytest.mark.parametrize(
    ("form", "names"),
    [
        ("docker_archive", [NAME]),
        ("docker_archive_gzip", [NAME]),
        ("docker_archive_podman", [NAME, SECOND_NAME]),
        ("oci_archive", [NAME]),
        ("oci_layout", [NAME]),
    ],
)
def test_the_names_of_what_was_pulled(
    line: CommandLine, real_images: RealImages, form: str, names: list[str]
) -> None:
    """All names in an archive are pulled; a layout's is its annotation."""
    assert sorted(pulled(line, getattr(real_images, form).location)) == sorted(names)
    assert sorted(line("inspect", names[0]).json()["names"]) == sorted(names)


@pytest.mark.clause("GOAL-012")
def test_an_archive_without_a_name_is_called_by_its_id(
    line: CommandLine, real_images: RealImages
) -> None:
    """`@` and the hex of the config digest."""
    for form in ("docker_archive_unnamed", "oci_archive_unnamed"):
        (name,) = pulled(line, getattr(real_images, form).location)
        assert name == "@" + line("inspect", name[1:]).json()["id"]


@pytest.mark.clause("GOAL-011")
def test_every_image_of_an_archive_is_pulled(line: CommandLine, real_images: RealImages) -> None:
    """One pass, every image, every name."""
    archive = real_images.docker_archive_several.file
    assert set(pulled(line, f"docker-archive:{archive}")) == {NAME, OTHER_NAME}
    assert len(line("images", "--format", "json").json()) == 2


@pytest.mark.clause("TRANS-023", "GOAL-018", "ARCH-012")
def test_an_image_of_an_archive_by_its_number(line: CommandLine, real_images: RealImages) -> None:
    """Each number brings the image that skopeo finds there; there is none behind the last."""
    file = real_images.docker_archive_several.file
    for index in (0, 1):
        location = f"docker-archive:{file}:@{index}"
        (name,) = pulled(line, location)
        config = json.loads(skopeo.raw_manifest(location))["config"]
        assert line("inspect", name).json()["id"] == config["digest"].removeprefix("sha256:")
    ended = line("pull", "--progress=none", f"docker-archive:{file}:@2")
    assert ended.status == 1
    assert "has no image number 2" in ended.stderr


def test_docker_and_oci_forms_of_one_image_share_its_id(
    line: CommandLine, real_images: RealImages
) -> None:
    """The ID is the config's digest, however the image came."""
    for form in ("docker_archive", "oci_archive", "registry_oci"):
        pulled(line, getattr(real_images, form).location)
    stored = line("images", "--format", "json").json()
    assert len(stored) == 1
    assert len(stored[0]["names"]) == 2


def test_a_platform_can_be_chosen(line: CommandLine, real_images: RealImages) -> None:
    """From a manifest list and from an index."""
    for form in ("registry_list", "registry_index"):
        image = getattr(real_images, form)
        pulled(line, image.location, "--platform=linux/arm/v7")
        config = line("inspect", image.name).json()["config"]
        assert (config["architecture"], config["variant"]) == ("arm", "v7")


def test_a_platform_that_is_not_there(line: CommandLine, real_images: RealImages) -> None:
    """The error lists what there is."""
    ended = line(
        "pull",
        "--tls-verify=false",
        "--platform=linux/s390x",
        "--quiet",
        real_images.registry_index.location,
    )
    assert ended.status == 1
    assert "linux/amd64" in ended.stderr
    assert "linux/s390x" in ended.stderr
