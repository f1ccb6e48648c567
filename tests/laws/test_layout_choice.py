"""The choice of an image in generated layouts of images, names and attachments."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.archives import (
    CONTAINERD_NAME,
    REF_NAME,
    config,
    descriptor,
    layout,
    sha256_hex,
    write_files,
)
from towline.errors import SourceError
from towline.image.manifest import OCI_CONFIG, OCI_MANIFEST
from towline.rules import Rules
from towline.source.layout_choice import Choice, choose
from towline.source.oci import FolderFiles

ATTACHMENTS = [
    "artifact-entry",
    "artifact-type",
    "attestation",
    "cosign-kind",
    "cosign-tag",
    "config",
    "media-type",
    "subject",
]
KINDS = st.sampled_from(["image", "image", "image", "unreadable", *ATTACHMENTS])
NAMES = st.sampled_from(["", "1.0", "latest", "docker.io/library/x:1.0", "quay.io/y:1.0"])
# Kind and number of a manifest (an equal pair is one manifest), its name, and containerd's.
ENTRIES = st.lists(st.tuples(KINDS, st.integers(0, 2), NAMES, NAMES), max_size=6)


def manifest(kind: str, number: int) -> bytes:
    """The manifest of an image or an attachment."""
    document = config([], created=f"2026-01-0{number + 1}T00:00:00Z")
    listed = descriptor("text/plain" if kind == "config" else OCI_CONFIG, document)
    made: dict[str, Any] = {"schemaVersion": 2, "config": listed, "layers": [], "kind": kind}
    if kind == "subject":
        made["subject"] = descriptor(OCI_MANIFEST, b"subject")
    if kind == "artifact-type":
        made["artifactType"] = "application/x-sbom"
    return json.dumps(made).encode()


def entry(kind: str, number: int, name: str, containerd_name: str) -> dict[str, Any]:
    """The entry of index.json for it."""
    made = descriptor(OCI_MANIFEST, manifest(kind, number))
    annotations = {REF_NAME: name, CONTAINERD_NAME: containerd_name}
    if kind == "cosign-kind":
        annotations["kind"] = "dev.cosignproject.cosign/sigs"
    if kind == "cosign-tag":
        annotations = {REF_NAME: f"quay.io/x:sha256-{str(number) * 64}.att"}
    if kind == "attestation":
        made["platform"] = {"os": "unknown", "architecture": "unknown"}
    if kind == "artifact-entry":
        made["artifactType"] = "application/vnd.dev.cosign.artifact.sig.v1+json"
    if kind == "media-type":
        made["mediaType"] = "application/vnd.oci.artifact.manifest.v1+json"
    return {**made, "annotations": {key: text for key, text in annotations.items() if text}}


def choice(folder: str, entries: list[tuple[str, int, str, str]], image: str) -> Choice:
    blobs = {
        f"blobs/sha256/{sha256_hex(data)}": b"{" if kind == "unreadable" else data
        for kind, number, _, _ in entries
        for data in [manifest(kind, number)]
    }
    write_files(Path(folder), layout([entry(*each) for each in entries], blobs))
    rules = Rules.CURRENT
    return choose(FolderFiles(folder, folder, rules.limits.document_size), image, rules.archives)


@pytest.mark.clause("LAYOUT-005", "LAYOUT-006", "LAYOUT-009", "TRANS-036")
@given(ENTRIES, NAMES)
def test_one_image_is_chosen_or_the_entries_are_listed(
    entries: list[tuple[str, int, str, str]], image: str
) -> None:
    """Nothing is chosen by its place; what is listed can be chosen by its number."""
    matching = [
        each
        for each in entries
        if not image or (image in each[2:] and each[0] != "media-type" and each[0] != "cosign-tag")
    ]
    distinct = {each[:2] for each in matching}
    images = {each for each in distinct if each[0] not in ATTACHMENTS}
    wanted = distinct if len(distinct) == 1 else images or distinct
    with tempfile.TemporaryDirectory() as folder:
        if len(wanted) == 1:
            (one,) = wanted
            chosen = choice(folder, entries, image)
            assert chosen.descriptor is not None
            assert chosen.descriptor.digest_text == f"sha256:{sha256_hex(manifest(*one))}"
            # Each name of its entries is kept, once; containerd's comes first.
            names = [each[3] or each[2] for each in matching if each[:2] == one]
            if one[0] != "cosign-tag":
                assert chosen.names == tuple(dict.fromkeys(filter(None, names)))
            return
        with pytest.raises(SourceError) as caught:
            choice(folder, entries, image)
        listed = caught.value.facts["entries"]
        if not wanted and image:
            assert caught.value.code == "layout.no_such_image"
            assert len(listed) == len(entries)
            return
        assert caught.value.code == ("layout.ambiguous" if image else "layout.choose_image")
        for shown in listed:
            chosen = choice(folder, entries, f"@{shown['number']}")
            assert chosen.descriptor is not None
            assert chosen.descriptor.digest_text == shown["digest"]
            assert f"@{shown['number']} " in str(caught.value)
