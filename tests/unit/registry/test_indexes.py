"""Pulls of indexes and manifests from a registry: which are chosen, followed and refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.pushing import OCI, OCI_INDEX, Puller, SmallImage, entry, small_image
from tests.support.scripted_server import Connection, Request, scripted
from towline.errors import PullFailedError, TowlineError
from towline.image.platform import parse_platform

AMD, ARM = small_image("amd64", 1, 500), small_image("arm64", 1, 500)
SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"


def serve(documents: Mapping[str, tuple[str, bytes]], *images: SmallImage) -> Any:
    """A registry: manifests by tag or digest, with their types, and the blobs of images."""
    blobs = {}
    for blob in [blob for image in images for blob in image.blobs]:
        for algorithm in ("sha256", "sha512"):
            blobs[f"{algorithm}:{hashlib.new(algorithm, blob).hexdigest()}"] = blob
    found = dict(documents)
    for media_type, data in [*documents.values(), *((i.media_type, i.manifest) for i in images)]:
        for algorithm in ("sha256", "sha512"):
            digest = f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
            found[digest] = (media_type, data)

    def handle(request: Request, connection: Connection) -> None:
        last = request.path.rpartition("/")[2]
        if request.path == "/v2/":
            connection.reply(200, b"{}")
        elif "/manifests/" in request.path and last in found:
            connection.reply(200, found[last][1], Content_Type=found[last][0])
        elif last in blobs:
            connection.reply(200, blobs[last])
        else:
            connection.reply(404)

    return scripted(handle)


def index(*entries: dict[str, Any]) -> bytes:
    """An OCI index."""
    return json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries)}
    ).encode()


def instance(image: SmallImage, architecture: str, **more: Any) -> dict[str, Any]:
    """An index entry for an image."""
    platform = {"os": "linux", "architecture": architecture}
    return entry(OCI, image.manifest) | {"platform": platform} | more


def pull(tmp_path: Path, server: str, name: str = "r:1", platform: str = "linux/amd64") -> Puller:
    """Pull an image; returns the puller."""
    puller = Puller(tmp_path)
    options = {"tls_verify": False, "platform": parse_platform(platform)}
    puller.runtime(**options).pull(f"{server}/{name}")
    return puller


def failure(tmp_path: Path, server: str, **options: str) -> TowlineError:
    """Pull an image that fails with one error; returns it."""
    with pytest.raises(PullFailedError) as caught:
        pull(tmp_path, server, **options)
    (error,) = caught.value.facts["errors"]
    assert isinstance(error, TowlineError)
    return error


@pytest.mark.clause("PLAT-006")
def test_a_nested_index_is_followed(tmp_path: Path) -> None:
    """The platform is chosen in the inner index."""
    inner = index(instance(ARM, "arm64"), instance(AMD, "amd64"))
    outer = index(entry(OCI_INDEX, inner))
    documents = {"1": (OCI_INDEX, outer), "inner": (OCI_INDEX, inner)}
    with serve(documents, AMD, ARM) as server:
        pull(tmp_path, server.host).assert_whole(AMD)


@pytest.mark.clause("PLAT-006")
def test_deeply_nested_indexes_are_refused(tmp_path: Path) -> None:
    """Five indexes, each inside another, are refused."""
    documents = {}
    data = index(instance(AMD, "amd64"))
    for number in range(5):
        documents[str(number)] = (OCI_INDEX, data)
        data = index(entry(OCI_INDEX, data))
    documents["top"] = (OCI_INDEX, data)
    with serve(documents, AMD) as server:
        assert failure(tmp_path, server.host, name="r:top").code == "manifest.nested"


ATTESTED = {"annotations": {"vnd.docker.reference.type": "attestation-manifest"}}


@pytest.mark.clause("PLAT-007")
@pytest.mark.parametrize(
    "attached",
    [
        entry(OCI, ARM.manifest) | {"platform": {"os": "unknown", "architecture": "unknown"}},
        entry(OCI, ARM.manifest) | ATTESTED,
        instance(ARM, "amd64", **ATTESTED),
    ],
    ids=["unknown", "annotated", "annotated as the platform"],
)
def test_attestations_are_never_chosen(tmp_path: Path, attached: dict[str, Any]) -> None:
    """Not before an image, not if nothing else is left, and not if their platform is requested."""
    both = {"1": (OCI_INDEX, index(attached, instance(AMD, "amd64")))}
    with serve(both, AMD, ARM) as server:
        pull(tmp_path / "a", server.host).assert_whole(AMD)
        error = failure(tmp_path / "b", server.host, platform="linux/s390x")
        assert error.code == "platform.none"
        assert error.facts["available"] == ["linux/amd64"]
        error = failure(tmp_path / "c", server.host, platform="unknown/unknown")
        assert error.code == "platform.none"
    with serve({"1": (OCI_INDEX, index(attached))}, ARM) as server:
        assert failure(tmp_path / "d", server.host).code == "platform.none"


def test_schema_1_is_refused(tmp_path: Path) -> None:
    """The error names the type and a remedy."""
    old = json.dumps({"schemaVersion": 1, "fsLayers": [], "history": [], "signatures": []})
    with serve({"1": (SCHEMA1, old.encode())}) as server:
        error = failure(tmp_path, server.host)
    assert error.code == "manifest.schema_version"
    assert "schema version 1" in str(error)
    assert "push the image again" in str(error)


def test_sha512_digests_are_verified(tmp_path: Path) -> None:
    """Manifest, config and layers may have digests of another algorithm."""
    manifest = json.loads(AMD.manifest)

    def sha512(data: bytes) -> str:
        return "sha512:" + hashlib.sha512(data).hexdigest()

    manifest["config"]["digest"] = sha512(AMD.config)
    manifest["layers"][0]["digest"] = sha512(AMD.layers[0])
    data = json.dumps(manifest).encode()
    listed = index(
        {
            "mediaType": OCI,
            "size": len(data),
            "digest": sha512(data),
            "platform": {"os": "linux", "architecture": "amd64"},
        }
    )
    documents = {"1": (OCI_INDEX, listed), "2": (OCI, data)}
    with serve(documents, AMD) as server:
        puller = pull(tmp_path, server.host)
        path = puller.folder / "store/blobs/sha512" / sha512(AMD.layers[0])[7:]
        assert path.read_bytes() == AMD.layers[0]
        assert puller.store.verify(None).clean
        pull(tmp_path / "b", server.host, name=f"r@{sha512(data)}")
    wrong = SmallImage(AMD.manifest, AMD.config, ARM.layers)
    manifest["layers"][0] |= {"size": len(ARM.layers[0])}
    with serve({"1": (OCI, json.dumps(manifest).encode())}, wrong) as server:
        assert failure(tmp_path / "c", server.host).code == "registry.not_found"


def test_a_label_is_checked_before_any_layer(tmp_path: Path) -> None:
    """An image without the label fails before any layer is requested."""
    puller = Puller(tmp_path)
    layers = {hashlib.sha256(layer).hexdigest() for layer in AMD.layers}
    with serve({"1": (OCI, AMD.manifest)}, AMD) as server:
        runtime = puller.runtime(tls_verify=False)
        with pytest.raises(PullFailedError) as caught:
            runtime.pull(f"{server.host}/r:1", label="absent")
        assert caught.value.facts["errors"][0].code == "label.missing"
        assert not [target for target in server.targets() if target.rpartition(":")[2] in layers]
        runtime.pull(f"{server.host}/r:1", label="seed")
    puller.assert_whole(AMD)
