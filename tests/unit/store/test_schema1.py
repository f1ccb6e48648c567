"""Images of schema 1, whose ID and config depend on their layers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.schema1 import signed
from tests.support.store_images import layer, make, put
from towline.errors import StoreError
from towline.image.manifest import DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED, RawManifest
from towline.image.schema1 import parse_schema1
from towline.name.digest import Digest, sha256_of
from towline.store.layout import LayoutStore, StoredImage, open_store
from towline.store.protocol import ImagePlan, LayerPlan

HELLO = "localhost/hello:latest"
BOTTOM, BOTTOM_DIFF_ID = layer(b"bottom")
EMPTY, _ = layer(b"")
TOP, TOP_DIFF_ID = layer(b"top")
IDS = ("c" * 64, "b" * 64, "a" * 64)


def document() -> bytes:
    """A manifest of three layers, of which the middle one is marked as throwaway."""
    entries = (
        {"id": IDS[0], "parent": IDS[1], "os": "linux", "architecture": "amd64"},
        {"id": IDS[1], "parent": IDS[2], "throwaway": True},
        {"id": IDS[2]},
    )
    listed = [{"blobSum": str(sha256_of(data))} for data in (TOP, EMPTY, BOTTOM)]
    history = [{"v1Compatibility": json.dumps(entry)} for entry in entries]
    return json.dumps({"schemaVersion": 1, "fsLayers": listed, "history": history}).encode()


def initial_plan(raw: RawManifest) -> ImagePlan:
    """The plan before the layers are fetched."""
    layers = tuple(LayerPlan(each) for each in parse_schema1(raw).layers)
    return ImagePlan(id="", manifest=raw, config=b"", layers=layers, names=(HELLO,))


def completed_plan(plan: ImagePlan, *diff_ids: Digest) -> ImagePlan:
    """The plan with the config that is made from these diff IDs, and its ID."""
    config = parse_schema1(plan.manifest).config_with(diff_ids)
    return replace(plan, id=sha256_of(config).hex, config=config)


def fetch(store: LayoutStore, plan: ImagePlan, end: ImagePlan | None) -> StoredImage:
    """Store the layers, then publish the completed plan."""
    contents = {str(sha256_of(data)): data for data in (TOP, EMPTY, BOTTOM)}
    with store.begin(plan) as ingest:
        for missing in ingest.missing():
            sink = ingest.sink(missing)
            assert sink is not None
            with sink:
                sink.writer.write(contents[missing.descriptor.digest_text])
                sink.commit()
        return ingest.publish(end)


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    return open_store(tmp_path / "store")


@pytest.fixture(params=["plain", "signed"])
def raw(request: pytest.FixtureRequest) -> RawManifest:
    """The manifest without and with a signature."""
    if request.param == "plain":
        return RawManifest(document(), DOCKER_SCHEMA1)
    return RawManifest(signed(document()), DOCKER_SCHEMA1_SIGNED)


@pytest.mark.clause("STORE-021", "MANIFEST-023")
def test_a_stored_image_equals_its_plan(store: LayoutStore, raw: RawManifest) -> None:
    """It has the original manifest, the config that was made, and the layers with content."""
    plan = initial_plan(raw)
    end = completed_plan(plan, BOTTOM_DIFF_ID, TOP_DIFF_ID)
    stored = fetch(store, plan, end)
    again = open_store(store.root)
    digest = sha256_of(document())  # without the signatures
    for name in (HELLO, "hello", end.id, end.id[:12], str(digest), f"localhost/hello@{digest}"):
        assert again.image(name) == stored
    (image,) = again.images()
    assert (image.id, image.digest, image.manifest) == (end.id, digest, raw)
    assert image.config == end.config
    assert [each.digest_text for each in image.layers] == [
        str(sha256_of(BOTTOM)),
        str(sha256_of(TOP)),
    ]
    assert store.find_id(end.id[:5]) == end.id
    entries = json.loads(Path(store.root, "index.json").read_bytes())["manifests"]
    assert entries[0]["digest"] == str(sha256_of(raw.data))
    assert entries[0]["size"] == len(raw.data)


@pytest.mark.clause("STORE-021")
def test_verify_and_gc_include_the_empty_layer(store: LayoutStore, raw: RawManifest) -> None:
    """All blobs, including the empty layer, are kept and verified, and removed with the image."""
    plan = initial_plan(raw)
    fetch(store, plan, completed_plan(plan, BOTTOM_DIFF_ID, TOP_DIFF_ID))
    assert store.gc().blobs == 0
    report = store.verify()
    assert report.clean
    assert (report.blobs, report.diff_ids) == (5, 2)
    Path(store.blob_path(sha256_of(EMPTY))).write_bytes(b"damaged")
    (fault,) = store.verify(HELLO).faults
    assert fault.code == "store.blob_damaged"
    store.remove(HELLO)
    assert store.gc().blobs == 5
    assert store.images() == ()


@pytest.mark.clause("STORE-021")
def test_wrong_diff_ids_are_found(store: LayoutStore, raw: RawManifest) -> None:
    """verify reports a config with wrong diff IDs."""
    plan = initial_plan(raw)
    fetch(store, plan, completed_plan(plan, TOP_DIFF_ID, TOP_DIFF_ID))
    (fault,) = store.verify().faults
    assert fault.code == "verify.diff_id"


@pytest.mark.clause("STORE-021")
def test_only_the_completed_plan_of_the_same_image_is_accepted(
    store: LayoutStore, raw: RawManifest
) -> None:
    """Another image, another config or a plan without an ID is refused; nothing is visible."""
    plan = initial_plan(raw)
    end = completed_plan(plan, BOTTOM_DIFF_ID, TOP_DIFF_ID)
    wrong = (
        replace(end, names=()),
        replace(end, config=end.config + b" "),
        replace(end, config=b"{}"),
        replace(end, id="e" * 64),
        replace(end, layers=end.layers[1:]),
        make(b"x").plan,
    )
    for other in wrong:
        with pytest.raises(ValueError, match="the"):
            fetch(store, plan, other)
        assert store.images() == ()
        for data in (BOTTOM, EMPTY, TOP):
            Path(store.blob_path(sha256_of(data))).unlink(missing_ok=True)
    for early in (plan, replace(plan, id="e" * 64)):
        with pytest.raises(ValueError, match="not completed"):
            fetch(store, early, None)
    assert store.images() == ()


@pytest.mark.clause("STORE-006", "STORE-021")
def test_another_id_may_be_requested(store: LayoutStore, raw: RawManifest) -> None:
    """The config is still made from the layers."""
    plan = replace(initial_plan(raw), id="e" * 64)
    end = replace(completed_plan(plan, BOTTOM_DIFF_ID, TOP_DIFF_ID), id=plan.id)
    assert fetch(store, plan, end).config == end.config
    assert open_store(store.root).image("e" * 12).id == "e" * 64


def test_a_plan_of_another_schema_needs_an_id(store: LayoutStore) -> None:
    """A plan without an ID is refused by `begin`."""
    made = make(b"x")
    with pytest.raises(StoreError) as caught:
        store.begin(replace(made.plan, id=""))
    assert caught.value.code == "store.invalid_id"
    assert put(store, made).id == made.plan.id
