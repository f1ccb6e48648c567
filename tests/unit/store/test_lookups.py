"""Lookups by name, ID and digest if images share configs, lists or digests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.store_images import make, put
from towline.errors import StoreError
from towline.frozen import replace
from towline.image.manifest import DOCKER_SCHEMA2, OCI_INDEX, OCI_MANIFEST, RawManifest
from towline.store.layout.store import LayoutStore, open_store

TRUSTED = "docker.io/library/trusted:1"
ENEMY = "evil.example.com/x:1"
GOOD = make(b"trusted", names=[TRUSTED])


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    return open_store(tmp_path / "store")


@pytest.mark.clause("STORE-010")
def test_a_list_resolves_to_the_manifest_selected_from_it(store: LayoutStore) -> None:
    """Of several images of one list, the one in the given repository is found, else the newest."""
    listed = RawManifest(b'{"schemaVersion":2,"manifests":[]}', OCI_INDEX)
    amd64 = make(b"amd64", names=[TRUSTED], listed=listed)
    arm64 = make(b"arm64", names=[ENEMY], listed=listed)
    put(store, amd64)
    put(store, arm64)
    assert store.image(str(listed.digest)).digest == arm64.plan.manifest.digest
    for made in (amd64, arm64):
        repository = made.plan.names[0].rpartition(":")[0]
        assert store.image(f"{repository}@{listed.digest}").digest == made.plan.manifest.digest


@pytest.mark.clause("STORE-010")
def test_a_digest_is_never_a_name(store: LayoutStore) -> None:
    """A digest does not match a tag of "sha256", and an ID does not match a longer ID."""
    digest = str(GOOD.plan.manifest.digest)
    put(store, make(b"enemy", names=[f"localhost/{digest}"]))
    put(store, make(b"long", names=[ENEMY]).under(GOOD.plan.id + "0" * 32))
    for key in (digest, GOOD.plan.id):
        with pytest.raises(StoreError) as caught:
            store.image(key)
        assert caught.value.code == "store.unknown_image"


@pytest.mark.clause("STORE-010")
def test_a_digest_in_a_repository_has_the_media_type_of_that_repository(store: LayoutStore) -> None:
    """For the same bytes with two media types, each repository has its own."""
    document = json.loads(GOOD.plan.manifest.data)
    del document["mediaType"]
    plain = RawManifest(json.dumps(document).encode(), OCI_MANIFEST)
    docker = replace(plain, media_type=DOCKER_SCHEMA2)
    put(store, replace(GOOD, plan=replace(GOOD.plan, manifest=docker, names=(ENEMY,))))
    put(store, replace(GOOD, plan=replace(GOOD.plan, manifest=plain)))
    exact = f"docker.io/library/trusted@{plain.digest}"
    assert store.image(exact).manifest.media_type == OCI_MANIFEST
    assert store.image(f"evil.example.com/x@{plain.digest}").manifest == docker


@pytest.mark.clause("STORE-010")
def test_the_printed_part_of_an_id_comes_before_a_name(store: LayoutStore) -> None:
    """An image that is named like the short ID of another one does not answer for it."""
    put(store, GOOD)
    short = GOOD.plan.id[:12]
    put(store, make(b"enemy", names=[f"docker.io/library/{short}:latest"]))
    assert store.image(short).names == (TRUSTED,)
    assert store.image(f"{short}:latest").raw_config != GOOD.plan.config


@pytest.mark.clause("STORE-001", "STORE-010")
def test_the_image_of_a_list_survives_a_rebuild(store: LayoutStore) -> None:
    """The newest pull through a list decides, also after all lookup files were rebuilt."""
    listed = RawManifest(b'{"schemaVersion":2,"manifests":[]}', OCI_INDEX)
    first = make(b"first", names=["localhost/a:1"], listed=listed)
    second = make(b"second", names=["localhost/b:1"], listed=listed)
    for made in (first, second, first):
        put(store, made)
    for _ in range(2):
        assert store.image(str(listed.digest)).digest == first.plan.manifest.digest
        Path(store.root, "towline/unfinished").touch()
        store = open_store(store.root)
