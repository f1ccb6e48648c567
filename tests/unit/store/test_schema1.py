"""Images of schema 1, whose ID and config depend on their layers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.schema1 import signed
from tests.support.store_images import blob_path, layer, make, put
from towline.errors import SourceError, StoreError
from towline.frozen import replace
from towline.image.manifest import DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED, RawManifest
from towline.image.schema1 import parse_schema1
from towline.name.digest import sha256_of
from towline.store.layout.diff_ids import DiffIds
from towline.store.layout.store import LayoutStore, open_store
from towline.store.protocol import Image, ImagePlan, LayerPlan

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


def plan_of(raw: RawManifest) -> ImagePlan:
    """The plan of the image of a manifest."""
    layers = tuple(LayerPlan(each) for each in parse_schema1(raw).layers)
    return ImagePlan(id="", manifest=raw, config=b"", layers=layers, names=(HELLO,))


def made_config(plan: ImagePlan) -> bytes:
    """The config that is made of the diff IDs of the layers with content."""
    return parse_schema1(plan.manifest).config_with([BOTTOM_DIFF_ID, TOP_DIFF_ID])


def fetch(store: LayoutStore, plan: ImagePlan, *contents_of_layers: bytes) -> Image:
    """Store the layers, then publish the image."""
    contents = {str(sha256_of(data)): data for data in contents_of_layers or (TOP, EMPTY, BOTTOM)}
    with store.begin(plan) as ingest:
        for missing in ingest.missing():
            sink = ingest.sink(missing)
            assert sink is not None
            with sink:
                sink.writer.write(contents[missing.descriptor.digest_text])
                sink.commit()
        return ingest.publish()


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
    plan = plan_of(raw)
    config = made_config(plan)
    image_id = sha256_of(config).hex
    stored = fetch(store, plan)
    again = open_store(store.root)
    digest = sha256_of(document())  # without the signatures
    for name in (HELLO, "hello", image_id, image_id[:12], str(digest), f"localhost/hello@{digest}"):
        assert again.image(name) == stored
    (image,) = again.images()
    assert (image.id, image.digest, image.manifest) == (image_id, digest, raw)
    assert image.raw_config == config
    assert [each.digest_text for each in image.layers] == [
        str(sha256_of(BOTTOM)),
        str(sha256_of(TOP)),
    ]
    assert store.find_id(image_id[:5]) == image_id
    entries = json.loads(Path(store.root, "index.json").read_bytes())["manifests"]
    assert entries[0]["digest"] == str(sha256_of(raw.data))
    assert entries[0]["size"] == len(raw.data)


@pytest.mark.clause("STORE-021")
def test_verify_and_gc_include_the_empty_layer(store: LayoutStore, raw: RawManifest) -> None:
    """All blobs, including the empty layer, are kept and verified, and removed with the image."""
    plan = plan_of(raw)
    fetch(store, plan)
    assert store.gc().blobs == 0
    report = store.verify()
    assert report.clean
    assert (report.blobs, report.diff_ids) == (5, 2)
    Path(blob_path(store, sha256_of(EMPTY))).write_bytes(b"damaged")
    (fault,) = store.verify(HELLO).faults
    assert fault.code == "store.blob_damaged"
    store.remove(HELLO)
    assert store.gc().blobs == 5
    assert store.images() == ()


@pytest.mark.clause("STORE-021")
def test_wrong_diff_ids_are_found(
    store: LayoutStore, raw: RawManifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """verify reports a config with wrong diff IDs."""
    with monkeypatch.context() as patch:
        patch.setattr(DiffIds, "of", lambda *_: TOP_DIFF_ID)
        fetch(store, plan_of(raw))
    (fault,) = store.verify().faults
    assert fault.code == "verify.diff_id"


@pytest.mark.clause("STORE-021")
def test_the_config_comes_from_the_layers_only(store: LayoutStore, raw: RawManifest) -> None:
    """A plan that has a config already is refused; nothing is visible."""
    plan = plan_of(raw)
    with pytest.raises(ValueError, match="the config of schema 1"):
        store.begin(replace(plan, config=made_config(plan)))
    with pytest.raises(ValueError, match="layers"):
        store.begin(replace(plan, layers=plan.layers[1:]))
    assert store.images() == ()


@pytest.mark.clause("STORE-012", "STORE-021")
def test_an_incomplete_image_is_not_decompressed(store: LayoutStore, raw: RawManifest) -> None:
    """A missing layer is reported as such; no layer is decompressed."""
    with store.begin(plan_of(raw)) as ingest, pytest.raises(StoreError) as caught:
        ingest.publish()
    assert caught.value.code == "store.incomplete"


@pytest.mark.clause("STORE-021")
def test_a_layer_that_is_not_a_tar(store: LayoutStore) -> None:
    """The image has no config and is not published."""
    data = document().replace(str(sha256_of(TOP)).encode(), str(sha256_of(b"no tar")).encode())
    raw = RawManifest(data, DOCKER_SCHEMA1)
    with pytest.raises(SourceError) as caught:
        fetch(store, plan_of(raw), b"no tar", EMPTY, BOTTOM)
    assert caught.value.code == "core.layer"
    assert [step.name for step in caught.value.steps] == ["applying-layer"]
    assert store.images() == ()


@pytest.mark.clause("STORE-006", "STORE-021")
def test_another_id_may_be_requested(store: LayoutStore, raw: RawManifest) -> None:
    """The config is still made of the layers."""
    plan = replace(plan_of(raw), id="e" * 64)
    assert fetch(store, plan).raw_config == made_config(plan)
    assert open_store(store.root).image("e" * 12).id == "e" * 64


def test_a_plan_of_another_schema_needs_an_id(store: LayoutStore) -> None:
    """A plan without an ID is refused by `begin`."""
    made = make(b"x")
    with pytest.raises(StoreError) as caught:
        store.begin(replace(made.plan, id=""))
    assert caught.value.code == "store.invalid_id"
    assert put(store, made).id == made.plan.id
