"""The embedded store compared with a small model, over random sequences of steps."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tests.support.store_images import make, put, state
from towline.store.layout.store import open_store

pytestmark = pytest.mark.timeout(3600)  # for the slow profile

NAMES = ["localhost/a:1", "localhost/a:2", "docker.io/library/b:latest", "localhost/c__d:1"]
# One image with two manifests; images that share a layer; one image without layers.
IMAGES = [
    make(b"1", b"shared"),
    make(b"1", b"shared", annotation="another manifest"),
    make(b"2", b"shared"),
    make(b"3").under("f" * 64),
    make(),
]
names = st.lists(st.sampled_from(NAMES), unique=True, max_size=3)
images = st.sampled_from(IMAGES)


class StoreMachine(RuleBasedStateMachine):
    """The store lists the images of the model after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.root = tempfile.mkdtemp(prefix="towline-machine-")
        self.model: dict[str, list[str]] = {}
        self.first: dict[str, str] = {}

    @initialize()
    def begin(self) -> None:
        self.store = open_store(self.root)

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    @rule(made=images, given=names)
    def pull(self, made: object, given: list[str]) -> None:
        assert made in IMAGES
        chosen = IMAGES[IMAGES.index(made)].named(*given)
        put(self.store, chosen)
        for stored in self.model.values():
            stored[:] = [name for name in stored if name not in given]
        stored = self.model.setdefault(chosen.plan.id, [])
        stored[:0] = given
        self.first.setdefault(chosen.plan.id, str(chosen.plan.manifest.digest))

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        image_id = data.draw(st.sampled_from(sorted(self.model)))
        name = data.draw(st.sampled_from([image_id, *self.model[image_id]]))
        removed = self.store.remove(name)
        if name != image_id and len(self.model[image_id]) > 1:
            self.model[image_id].remove(name)
            assert (removed.names, removed.image) == ((name,), False)
        else:
            assert (removed.names, removed.image) == (tuple(self.model.pop(image_id)), True)
            del self.first[image_id]

    @rule(made=images, share=st.floats(0, 1))
    def abort_a_pull(self, made: object, share: float) -> None:
        chosen = IMAGES[IMAGES.index(made)] if made in IMAGES else IMAGES[0]
        with self.store.begin(chosen.plan) as ingest:
            for missing in ingest.missing()[:1]:
                sink = ingest.sink(missing)
                assert sink is not None
                with sink:
                    data = chosen.blobs[missing.descriptor.digest_text]
                    sink.writer.write(data[sink.writer.offset : int(share * len(data))])

    @rule()
    def collect(self) -> None:
        self.store.gc()
        assert self.store.gc().bytes == 0
        assert (len(list(Path(self.root, "blobs/sha256").iterdir())) > 0) == bool(self.model)

    @rule()
    def reopen(self) -> None:
        self.store = open_store(self.root)

    @rule()
    def rewritten_by_another_tool(self) -> None:
        index = Path(self.root, "index.json")
        index.write_text(json.dumps(json.loads(index.read_bytes()), indent=2))

    @rule()
    def change_is_left_unfinished(self) -> None:
        Path(self.root, "towline/unfinished").touch()

    @invariant()
    def the_images_are_those_of_the_model(self) -> None:
        assert state(self.store) == {key: tuple(names) for key, names in self.model.items()}
        for image in self.store.images():
            assert str(image.digest) == self.first[image.id]

    @invariant()
    def names_and_digests_resolve_to_their_image(self) -> None:
        holders = {name: key for key, stored in self.model.items() for name in stored}
        for name in NAMES:
            if name in holders:
                assert self.store.image(name).id == holders[name]
        for key, digest in self.first.items():
            assert self.store.image(digest).id == key
            assert self.store.image(key).names == tuple(self.model[key])

    @invariant()
    def it_verifies(self) -> None:
        report = self.store.verify()
        assert report.clean, report.faults


TestStore = StoreMachine.TestCase
