"""One image in every format that real tools write: it is pulled, verified and read back."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.support import skopeo
from tests.support.images import EVERY_FORM, NAME, OTHER_NAME, SECOND_NAME, RealImage, RealImages
from tests.support.towline_cli import CommandLine

# These transports do not store a manifest; towline and skopeo generate one.
GENERATED_MANIFESTS = ("docker-archive", "tarball")


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """The command line with a new store."""
    return CommandLine.below(tmp_path)


def pull(cli: CommandLine, location: str, *arguments: str) -> list[str]:
    """The names that a pull prints; it must succeed without output on stderr."""
    ended = cli("pull", "--tls-verify=false", "--progress=none", *arguments, location)
    assert ended.status == 0, ended.stderr
    assert ended.stderr == ""
    return ended.lines


@pytest.mark.clause("PULL-020", "CORE-008")
@pytest.mark.parametrize("form", EVERY_FORM)
def test_an_image_is_pulled_verified_and_read_back(
    cli: CommandLine, real_images: RealImages, form: str
) -> None:
    """Every digest is right, and skopeo reads the manifest of the source from the store."""
    image: RealImage = getattr(real_images, form)
    (name, *_) = pull(cli, image.location, "--verify-diff-ids")
    verified = cli("verify")
    assert verified.status == 0, verified.stderr
    described = cli("inspect", name.removeprefix("docker://").lstrip("@")).json()
    for blob in (cli.root / "blobs/sha256").iterdir():
        with blob.open("rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == blob.name
    layout = f"oci:{cli.root}"
    names = described["names"]
    if names and described["media_type"].startswith("application/vnd.oci"):
        layout += f":{names[0]}"
    elif len(names) > 1:
        return  # STORE-009: skopeo 1.9.3 reads schema 2 only as the one entry of a layout
    stored = skopeo.raw_manifest(layout)
    assert f"sha256:{hashlib.sha256(stored).hexdigest()}" == described["digest"]
    if image.transport not in GENERATED_MANIFESTS:
        assert stored == manifest_for_amd64(image)
    assert skopeo.inspect(layout)["Digest"] == described["digest"]


def manifest_for_amd64(image: RealImage) -> bytes:
    """The original manifest; of a list, that of the instance for linux/amd64."""
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
def test_the_names_of_pulled_archives_and_layouts(
    cli: CommandLine, real_images: RealImages, form: str, names: list[str]
) -> None:
    """An archive's image gets all its names; a layout's image gets that of its annotation."""
    assert sorted(pull(cli, getattr(real_images, form).location)) == sorted(names)
    assert sorted(cli("inspect", names[0]).json()["names"]) == sorted(names)


@pytest.mark.clause("GOAL-012")
def test_an_image_without_a_name_is_shown_by_its_id(
    cli: CommandLine, real_images: RealImages
) -> None:
    """Its name in the output is `@` and the hex of the config digest."""
    for form in ("docker_archive_unnamed", "oci_archive_unnamed"):
        (name,) = pull(cli, getattr(real_images, form).location)
        assert name == "@" + cli("inspect", name[1:]).json()["id"]


@pytest.mark.clause("GOAL-011")
def test_every_image_of_an_archive_is_pulled(cli: CommandLine, real_images: RealImages) -> None:
    """All images of an archive are pulled, with all their names."""
    archive = real_images.docker_archive_several.file
    assert set(pull(cli, f"docker-archive:{archive}")) == {NAME, OTHER_NAME}
    assert len(cli("images", "--format", "json").json()) == 2


@pytest.mark.clause("TRANS-023", "GOAL-018", "ARCH-012")
def test_an_image_of_an_archive_is_selected_by_its_index(
    cli: CommandLine, real_images: RealImages
) -> None:
    """An index selects the same image as in skopeo; an index beyond the last is an error."""
    file = real_images.docker_archive_several.file
    for index in (0, 1):
        location = f"docker-archive:{file}:@{index}"
        (name,) = pull(cli, location)
        config = json.loads(skopeo.raw_manifest(location))["config"]
        assert cli("inspect", name).json()["id"] == config["digest"].removeprefix("sha256:")
    ended = cli("pull", "--progress=none", f"docker-archive:{file}:@2")
    assert ended.status == 1
    assert "has no image number 2" in ended.stderr


def test_docker_and_oci_forms_of_one_image_have_one_id(
    cli: CommandLine, real_images: RealImages
) -> None:
    """The ID is the config's digest, independent of the transport."""
    for form in ("docker_archive", "oci_archive", "registry_oci"):
        pull(cli, getattr(real_images, form).location)
    stored = cli("images", "--format", "json").json()
    assert len(stored) == 1
    assert len(stored[0]["names"]) == 2


def test_a_platform_can_be_selected(cli: CommandLine, real_images: RealImages) -> None:
    """It is selected from a manifest list and from an index."""
    for form in ("registry_list", "registry_index"):
        image = getattr(real_images, form)
        pull(cli, image.location, "--platform=linux/arm/v7")
        config = cli("inspect", image.name).json()["config"]
        assert (config["architecture"], config["variant"]) == ("arm", "v7")


def test_a_missing_platform_is_an_error(cli: CommandLine, real_images: RealImages) -> None:
    """The error lists the platforms that there are."""
    ended = cli(
        "pull",
        "--tls-verify=false",
        "--platform=linux/s390x",
        "--quiet",
        real_images.registry_index.location,
    )
    assert ended.status == 1
    assert "linux/amd64" in ended.stderr
    assert "linux/s390x" in ended.stderr
