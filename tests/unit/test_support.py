"""The test helpers work as the tests expect."""

from __future__ import annotations

import base64
import gzip
import ssl
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.support import certificates, images, skopeo, tools
from tests.support.images import EVERY_FORM, LABELS, RealImage, RealImages
from tests.support.registry import NewRegistry, RegistryServer, RegistrySettings

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"


def chosen(real_images: RealImages, form: str) -> RealImage:
    image = getattr(real_images, form)
    assert isinstance(image, RealImage)
    return image


# Skopeo 1.9.3 reads a docker-archive in bzip2 and rejects one in gzip ("invalid tar header"); a
# tarball has no manifest.
SKOPEO_READS = [form for form in EVERY_FORM if form not in ("docker_archive_gzip", "tarball")]
ARCHIVES = [form for form in SKOPEO_READS if form.startswith(("docker_archive", "oci_archive"))]


@pytest.mark.parametrize("form", SKOPEO_READS)
def test_skopeo_reads_every_form(real_images: RealImages, form: str) -> None:
    """Skopeo can inspect every image of the fixture."""
    found = skopeo.inspect(chosen(real_images, form).location)
    assert found["Os"] == "linux"
    assert found["Layers"]


@pytest.mark.parametrize("form", ARCHIVES)
def test_the_main_image_has_its_layers_and_labels(real_images: RealImages, form: str) -> None:
    """Every copy of the main image has three layers and labels with unchanged keys."""
    found = skopeo.inspect(chosen(real_images, form).location)
    assert len(found["Layers"]) == 3
    assert LABELS.items() <= found["Labels"].items()


def test_the_compressed_archive_contains_the_plain_one(real_images: RealImages) -> None:
    """The gzip form of the docker-archive decompresses to its plain form."""
    compressed = real_images.docker_archive_gzip.file.read_bytes()
    assert gzip.decompress(compressed) == real_images.docker_archive.file.read_bytes()


def test_the_tarball_contains_files_of_this_machine(real_images: RealImages) -> None:
    """The tarball is a real tar of more than a hundred files."""
    with tarfile.open(real_images.tarball.file) as tar:
        assert sum(member.isfile() for member in tar) > 100


@pytest.mark.parametrize(
    ("form", "media_type"),
    [
        ("dir_docker", DOCKER_MANIFEST),
        ("dir_oci", OCI_MANIFEST),
        ("oci_layout", OCI_MANIFEST),
        ("registry_docker", DOCKER_MANIFEST),
        ("registry_oci", OCI_MANIFEST),
        ("registry_list", DOCKER_LIST),
        ("registry_index", OCI_INDEX),
    ],
)
def test_manifests_have_the_requested_media_type(
    real_images: RealImages, form: str, media_type: str
) -> None:
    """Each kind of manifest that towline reads is in one of the images."""
    manifest = skopeo.raw_manifest(chosen(real_images, form).location)
    assert f'"mediaType":"{media_type}"'.encode() in manifest.replace(b" ", b"")


def test_the_lists_have_every_platform(real_images: RealImages) -> None:
    """The list and the index have all platforms with their variants."""
    for image in (real_images.registry_list, real_images.registry_index):
        manifest = skopeo.raw_manifest(image.location)
        for architecture, variant in images.PLATFORMS:
            assert f'"architecture":"{architecture}"'.encode() in manifest
            assert f'"variant":"{variant}"'.encode() in manifest or not variant


def test_the_example_image_matches_the_readme(hello_archive: Path) -> None:
    """The example is small and has its name, an OCI manifest and a version."""
    assert hello_archive.stat().st_size < 20_000
    location = f"oci-archive:{hello_archive}:localhost/hello:latest"
    assert OCI_MANIFEST.encode() in skopeo.raw_manifest(location)
    labels = skopeo.inspect(location)["Labels"]
    assert labels["org.opencontainers.image.title"] == "hello"
    assert labels["org.opencontainers.image.version"] == "1.0.0"


def test_a_registry_reports_the_requests_that_it_answered(registry: RegistryServer) -> None:
    """`requests` lists the requests in the registry's access log."""
    with urllib.request.urlopen(f"{registry.url}/v2/_catalog?n=7") as response:
        body = response.read()
    last = registry.requests()[-1]
    assert (last.method, last.target, last.status) == ("GET", "/v2/_catalog?n=7", 200)
    assert last.size == len(body)


def test_a_new_registry_applies_its_settings(
    new_registry: NewRegistry, real_images: RealImages
) -> None:
    """A registry on the storage of another serves the same manifests."""
    again = new_registry(RegistrySettings(storage=real_images.registry.storage))
    assert again.host != real_images.registry.host
    want = skopeo.manifest_digest(real_images.registry_oci.location)
    assert skopeo.manifest_digest(again.location("real/oci:1.0")) == want


def test_a_registry_may_require_a_password(new_registry: NewRegistry, tmp_path: Path) -> None:
    """With an htpasswd file the registry challenges anonymous requests and accepts its users."""
    htpasswd = tmp_path / "htpasswd"  # user:secret
    htpasswd.write_text("user:$2b$04$d9JAGhDyjDORer/kXtB/cub3v.kHtvxuVj3iPjQNyWxQNEEx6qLry\n")
    server = new_registry(RegistrySettings(htpasswd=htpasswd))
    with pytest.raises(urllib.error.HTTPError, match="401") as refused:
        urllib.request.urlopen(f"{server.url}/v2/")
    assert refused.value.headers["WWW-Authenticate"].startswith("Basic realm=")
    refused.value.close()
    credentials = {"Authorization": f"Basic {base64.b64encode(b'user:secret').decode()}"}
    with urllib.request.urlopen(
        urllib.request.Request(f"{server.url}/v2/", headers=credentials)
    ) as admitted:
        assert admitted.status == 200


def test_a_registry_may_use_https(new_registry: NewRegistry, tmp_path: Path) -> None:
    """With a certificate the registry uses HTTPS; clients must trust its authority."""
    authority = certificates.authority(tmp_path)
    pair = certificates.issue(authority, tmp_path)
    server = new_registry(RegistrySettings(certificate=pair.certificate, key=pair.key))
    trusting = ssl.create_default_context(cafile=authority.certificate)
    with urllib.request.urlopen(f"{server.url}/v2/", context=trusting) as response:
        assert response.status == 200
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(f"{server.url}/v2/", context=ssl.create_default_context())


def test_a_registry_may_be_the_cache_of_another(
    new_registry: NewRegistry, real_images: RealImages
) -> None:
    """A pull-through cache serves the images of the upstream registry."""
    cache = new_registry(RegistrySettings(proxy=real_images.registry.url))
    want = skopeo.manifest_digest(real_images.registry_oci.location)
    assert skopeo.manifest_digest(cache.location("real/oci:1.0")) == want


def test_a_missing_tool_skips_the_test_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test whose tool is missing is skipped, and the reason names the tool."""
    monkeypatch.delenv(tools.REQUIRE_ALL, raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-tool is not on this machine"):
        tools.require("no-such-tool")


def test_a_missing_tool_fails_if_all_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every tool required, a missing one fails the test."""
    monkeypatch.setenv(tools.REQUIRE_ALL, "1")
    with pytest.raises(pytest.fail.Exception, match="leaves no test out"):
        tools.require("no-such-tool")


def test_the_error_of_a_tool_contains_its_output() -> None:
    """The error of a tool contains its command, its status and its output."""
    with pytest.raises(tools.ToolError, match=r"(?s)sh -c.*ended with 3:.*why"):
        tools.run("sh", "-c", "echo why >&2; exit 3")
