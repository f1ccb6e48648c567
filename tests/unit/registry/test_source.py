"""The docker source: real images from a real registry, and all kinds of responses."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

import pytest

from tests.support import tools
from tests.support.docker_images import (
    CONFIG,
    DIGEST,
    LAYER,
    MANIFEST,
    Registry,
    descriptor,
    source,
)
from tests.support.images import RealImages
from tests.support.scripted_server import scripted
from towline.core import BlobWriter
from towline.errors import InvalidNameError, RegistryError, VerificationError
from towline.frozen import replace
from towline.image.manifest import DOCKER_LIST, OCI_INDEX, OCI_MANIFEST, parse_index, parse_manifest
from towline.name.digest import parse_digest
from towline.registry.certificates import Certificates
from towline.rules import Rules
from towline.wording import LIBPOD_1_3

FORMS = ("registry_docker", "registry_oci", "registry_list", "registry_index")


@pytest.mark.parametrize("form", FORMS)
def test_real_images_are_read(real_images: RealImages, form: str, tmp_path: Path) -> None:
    """Manifest, config and layers have the right digests, and few requests are made."""
    host, _, name = getattr(real_images, form).name.partition("/")
    before = len(real_images.registry.requests())
    with source(host, name=name) as image:
        raw = image.manifest()
        if raw.media_type in (OCI_INDEX, DOCKER_LIST):
            raw = image.manifest(parse_index(raw).instances[0].digest)
        manifest = parse_manifest(raw)
        assert image.config(manifest.config).startswith(b"{")
        ordered = image.in_order(manifest.layers)
        assert sorted(ordered, key=str) == sorted(manifest.layers, key=str)
        for layer in ordered:
            writer = BlobWriter(str(tmp_path / layer.digest.hex))
            with image.open_blob(layer) as blob:
                assert (blob.size, blob.offset) == (layer.size, 0)
                blob.deliver(writer)
            assert [str(each) for each in writer.finish()] == [str(layer.digest), str(layer.size)]
    requests = real_images.registry.requests()[before:]
    assert all(request.method == "GET" for request in requests)
    lists = form in ("registry_list", "registry_index")
    assert len(requests) == 3 + lists + len(manifest.layers)


def test_the_real_registry_serves_ranges(real_images: RealImages, tmp_path: Path) -> None:
    """A blob can be read from an offset on."""
    host, _, name = real_images.registry_docker.name.partition("/")
    with source(host, name=name) as image:
        layer = parse_manifest(image.manifest()).layers[-1]
        writer = BlobWriter(str(tmp_path / "rest"))
        with image.open_blob(layer, layer.size - 10) as blob:
            assert (blob.size, blob.offset) == (layer.size, layer.size - 10)
            blob.deliver(writer)
        writer.finish()
    assert (tmp_path / "rest").stat().st_size == 10


def test_accept_headers() -> None:
    """There is one Accept header for each media type, in the order of the edition."""
    for rules in (Rules.CURRENT, Rules.LIBPOD_1_3):
        with scripted(Registry()) as server, source(server.host, rules=rules) as image:
            image.manifest()
        assert server.requests[-1].headers["accept"] == ", ".join(rules.registry.accept)


@pytest.mark.parametrize(
    ("content_type", "current", "libpod"),
    [
        ("application/vnd.docker.distribution.manifest.v2+json", None, None),
        ("application/vnd.docker.distribution.manifest.v2+json; charset=utf-8", None, None),
        ("text/plain; charset=utf-8", None, "text/plain"),
        ("application/json", None, "application/json"),
        ("not a / media type;;;", None, "not a / media type"),
        ("", None, ""),
        (OCI_MANIFEST, OCI_MANIFEST, OCI_MANIFEST),
    ],
)
def test_media_types_of_manifests(
    content_type: str, current: str | None, libpod: str | None
) -> None:
    """Parameters are dropped; under current an unknown type is detected from the content."""
    schema2 = "application/vnd.docker.distribution.manifest.v2+json"
    for rules, wanted in ((Rules.CURRENT, current), (Rules.LIBPOD_1_3, libpod)):
        registry = Registry()
        registry.odd["/v2/r/manifests/latest"] = lambda request, connection: connection.reply(
            200, MANIFEST, Content_Type=content_type
        )
        with scripted(registry) as server, source(server.host, rules=rules) as image:
            assert image.manifest().media_type == (schema2 if wanted is None else wanted)


def test_a_manifest_with_another_digest_is_refused() -> None:
    """The digest may be in the name or in a list; the message is podman's."""
    with scripted(Registry()) as server:
        with source(server.host, name=f"r@{DIGEST}") as image:
            assert image.manifest().data == MANIFEST
        wrong = f"sha256:{'0' * 64}"
        with (
            source(server.host, name=f"r@{wrong}") as image,
            pytest.raises(VerificationError) as caught,
        ):
            image.manifest()
        with source(server.host) as image, pytest.raises(VerificationError):
            image.manifest(parse_digest(wrong))
    message = caught.value.render(LIBPOD_1_3)
    assert message == f"Manifest does not match provided manifest digest {wrong}"


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_manifests_are_verified_with_other_algorithms(algorithm: str) -> None:
    """A digest is verified with its own algorithm."""
    digest = f"{algorithm}:{hashlib.new(algorithm, MANIFEST).hexdigest()}"
    with scripted(Registry()) as server, source(server.host, name=f"r@{digest}") as image:
        assert image.manifest().data == MANIFEST


def test_a_config_with_another_digest_is_refused() -> None:
    """The message is podman's."""
    config = descriptor(CONFIG)
    registry = Registry()
    registry.odd[f"/v2/r/blobs/{config.digest}"] = lambda request, connection: connection.reply(
        200, b"{}"
    )
    with (
        scripted(registry) as server,
        source(server.host) as image,
        pytest.raises(VerificationError) as caught,
    ):
        image.config(config)
    got = f"sha256:{hashlib.sha256(b'{}').hexdigest()}"
    assert caught.value.render(LIBPOD_1_3) == (
        f"Download config.json digest {got} does not match expected {config.digest}"
    )


@pytest.mark.parametrize("text", ["sha256:../../x", "", "sha256:" + "A" * 64, "md5:" + "0" * 32])
def test_invalid_digests_are_never_requested(text: str) -> None:
    """An invalid digest is never part of a URL."""
    bad = replace(descriptor(), digest_text=text)
    with scripted(Registry()) as server, source(server.host) as image:
        for read in (image.config, image.open_blob):
            with pytest.raises(InvalidNameError) as caught:
                read(bad)
            assert caught.value.code.startswith("digest.")
    assert server.requests == []


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    made, key = folder / "made.crt", folder / "made.key"
    tools.run(
        *(tools.require("openssl"), "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
        *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=towline"),
        *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", made),
    )
    return made, key


def test_tls_certificates_are_verified(certificate: tuple[Path, Path]) -> None:
    """A certificate is valid if its authority is known; otherwise only `insecure` accepts it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    certificates = Certificates(authorities=(str(certificate[0]),))
    with scripted(Registry(), context) as server:
        with source(server.host, insecure=False, certificates=certificates) as image:
            assert image.manifest().data == MANIFEST
        with source(server.host, insecure=True) as image:
            assert image.manifest().data == MANIFEST
        with (
            source(server.host, insecure=None) as image,
            pytest.raises(RegistryError) as caught,
        ):
            image.manifest()
        assert caught.value.code == "registry.tls"
        assert "self-signed" in str(caught.value)


def test_a_redirect_from_https_to_http_is_refused(certificate: tuple[Path, Path]) -> None:
    """libpod-1.3 follows it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    certificates = Certificates(authorities=(str(certificate[0]),))
    with scripted(Registry()) as plain:
        registry = Registry()
        registry.odd["/v2/r/manifests/latest"] = lambda request, connection: connection.reply(
            302, Location=f"http://{plain.host}{request.path}"
        )
        with scripted(registry, context) as server:
            with (
                source(server.host, insecure=False, certificates=certificates) as image,
                pytest.raises(RegistryError) as caught,
            ):
                image.manifest()
            assert caught.value.code == "registry.downgrade"
            rules = Rules.LIBPOD_1_3
            with source(
                server.host, insecure=False, certificates=certificates, rules=rules
            ) as image:
                assert image.manifest().data == MANIFEST


def test_layers_of_unknown_size() -> None:
    """A blob whose descriptor has no size gets that of the response."""
    with (
        scripted(Registry()) as server,
        source(server.host) as image,
        image.open_blob(descriptor(size=-1)) as blob,
    ):
        assert blob.size == len(LAYER)
