"""Artifacts: manifests whose config is not that of an image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.archives import descriptor, layer, layout, sha256_hex, write_files
from tests.support.layouts import open_layout
from tests.support.pushing import Puller
from towline.copying.reading import Reading
from towline.errors import PullFailedError, SourceError
from towline.image.manifest import DOCKER_CONFIG, OCI_CONFIG, OCI_MANIFEST
from towline.image.platform import Platform
from towline.rules import Rules
from towline.transport.oci import OciReference

HELM = "application/vnd.cncf.helm.config.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
CONFIGS = [
    (EMPTY, b"{}"),
    (EMPTY, b""),
    (HELM, b'{"name": "chart", "version": "1.0.0"}'),
    ("text/plain", b"hello"),
    ("application/json", b"[1, 2]"),
    ("application/json", b'"text"'),
    ("application/vnd.docker.plugin.v1+json", b'{"rootfs": {"diff_ids": 7}}'),
    ("application/octet-stream+x", b"\xff\x00"),
]


def artifact(folder: Path, media_type: str, config: bytes, **more: Any) -> str:
    """A layout with one artifact; returns its name for a pull."""
    data = layer("content")
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(media_type, config),
            "layers": [descriptor("application/x-content", data)],
            **more,
        }
    ).encode()
    blobs = {f"blobs/sha256/{sha256_hex(each)}": each for each in (data, config, manifest)}
    return f"oci:{write_files(folder, layout([descriptor(OCI_MANIFEST, manifest)], blobs))}:"


@pytest.mark.clause("MANIFEST-013")
@pytest.mark.parametrize(("media_type", "config"), CONFIGS)
def test_the_config_of_an_artifact_is_kept(tmp_path: Path, media_type: str, config: bytes) -> None:
    """It is stored and returned unchanged; values of an image config are a typed error."""
    runtime = Puller(tmp_path).runtime()
    name = artifact(tmp_path / "artifact", media_type, config)
    image = runtime.pull(name).image
    assert image.raw_config == config
    for value in ("config", "labels", "platform", "created"):
        with pytest.raises(SourceError, match=media_type.replace("+", r"\+")) as caught:
            getattr(image, value)
        assert caught.value.code == "config.artifact"
    assert Puller(tmp_path).store.verify().clean
    assert runtime.pull(name).image.id == image.id


@pytest.mark.clause("MANIFEST-013")
@pytest.mark.parametrize(("media_type", "config"), CONFIGS)
def test_what_needs_the_config_of_an_image_refuses_an_artifact(
    tmp_path: Path, media_type: str, config: bytes
) -> None:
    """The check for a label, and the comparison of diff IDs."""
    name = artifact(tmp_path / "artifact", media_type, config)
    for options, label in (({}, "version"), ({"verify_diff_ids": True}, None)):
        runtime = Puller(tmp_path).runtime(**options)
        with pytest.raises(PullFailedError) as caught:
            runtime.pull(name, label=label)
        assert [error.code for error in caught.value.errors] == ["config.artifact"]
        assert not runtime.store.images()


@pytest.mark.clause("MANIFEST-013")
def test_an_artifact_type_makes_an_artifact(tmp_path: Path) -> None:
    """Its config may be another document under the media type of an image config."""
    name = artifact(tmp_path / "artifact", OCI_CONFIG, b"text", artifactType="application/x-sbom")
    image = Puller(tmp_path).runtime().pull(name).image
    with pytest.raises(SourceError, match="application/x-sbom"):
        _ = image.labels


@pytest.mark.clause("MANIFEST-013")
@pytest.mark.parametrize("media_type", [OCI_CONFIG, DOCKER_CONFIG, "application/octet-stream", ""])
def test_a_broken_config_of_an_image_is_an_error(tmp_path: Path, media_type: str) -> None:
    """A config without a media type is that of an image too."""
    for number, config in enumerate((b"", b"text", b"[]", b'{"rootfs": 1}')):
        name = artifact(tmp_path / str(number), media_type, config)
        with pytest.raises(PullFailedError) as caught:
            Puller(tmp_path).runtime().pull(name)
        assert caught.value.errors[0].code == "config.not_json"


@pytest.mark.clause("MANIFEST-013")
def test_libpod_reads_every_config(tmp_path: Path) -> None:
    """Under libpod-1.3 an artifact cannot be pulled."""
    artifact(tmp_path / "artifact", "text/plain", b"hello")
    path, rules = str(tmp_path / "artifact"), Rules.LIBPOD_1_3
    source = open_layout(OciReference(path, "", path), rules)
    reading = Reading(rules.copying, rules.limits, Platform("linux", "amd64"))
    with pytest.raises(SourceError) as caught:
        reading.config(source, reading.parsed(source, source.manifest()))
    assert caught.value.code == "config.not_json"
