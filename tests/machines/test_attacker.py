"""A store shared with an attacker: names and digests resolve to the manifests pulled by them.

The attacker can read every trusted image, pull any image under the attacker's names, request
trusted IDs, and remove images.  The model is a table of names.
"""

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

from tests.support.store_images import Made, layer, make, put
from towline.errors import StoreError
from towline.image.manifest import OCI_INDEX, RawManifest
from towline.name.digest import sha256_of
from towline.store.layout.store import open_store
from towline.store.protocol import Image

pytestmark = [pytest.mark.timeout(3600), pytest.mark.clause("STORE-024", "STORE-004", "STORE-006")]

LOWER, UPPER = (layer(content)[1] for content in (b"lower", b"upper"))
LIST = RawManifest(b'{"schemaVersion":2,"manifests":[]}', OCI_INDEX)
TRUSTED_NAMES = ["docker.io/library/app:1", "docker.io/library/app:2", "quay.io/app:1"]
ENEMY_NAMES = ["evil.example.com/app:1", "evil.example.com/app:2", "localhost/app:1"]

# One image in three forms: other blobs, another manifest over the same blobs.
APP = make(b"lower", b"upper", listed=LIST)
FORMS = [APP, make(b"lower", b"upper", level=1), make(b"lower", b"upper", annotation="note")]
SECOND = make(b"second")
TRUSTED = [*FORMS, SECOND]

CONFIG = APP.plan.config
MANIFEST = APP.plan.manifest
CLAIMS = [
    make(b"enemy", b"upper", config=CONFIG),
    make(b"upper", b"lower", config=CONFIG),
    make(b"lower", b"lower", config=CONFIG),
    make(b"lower", config=CONFIG, listed=LIST),
    make(b"enemy", b"upper", config=CONFIG, annotation="once more"),
]
OTHERS = [
    make(b"enemy", config=b"{}"),
    make(b"another enemy", config=b"{}"),
    make(b"enemy", config=MANIFEST.data),  # its ID is the digest of a trusted manifest
    make(b"lower", b"upper", config=CONFIG.replace(b"amd64", b"enemy")),
]
ENEMY = [
    *CLAIMS,
    *OTHERS,
    *(
        made.under(wanted)
        for made in (OTHERS[0], OTHERS[3])
        for wanted in (
            APP.plan.id,
            SECOND.plan.id,
            MANIFEST.digest.hex,
            FORMS[1].plan.manifest.digest.hex,
            CLAIMS[0].plan.manifest.digest.hex,
            OTHERS[3].plan.manifest.digest.hex,
        )
    ),
    # Trusted images under requested IDs.
    APP.under(MANIFEST.digest.hex),
    FORMS[1].under(MANIFEST.digest.hex),
    APP.under(FORMS[1].plan.manifest.digest.hex),
    SECOND.under(APP.plan.id),
]


class AttackedStore(RuleBasedStateMachine):
    """Names resolve to the manifests of the model, and a trusted ID to trusted layers."""

    def __init__(self) -> None:
        super().__init__()
        self.root = tempfile.mkdtemp(prefix="towline-machine-")
        self.model: dict[str, Made] = {}
        self.attacked = False

    @initialize()
    def begin(self) -> None:
        self.store = open_store(self.root)

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    def pull(self, made: Made, name: str, *, decompress: bool) -> None:
        try:
            image = put(self.store, made.named(name), diff_ids=decompress)
        except StoreError as error:
            if made in TRUSTED or error.code != "store.id_in_use":
                raise
            return
        self.model[name] = made
        assert same(image, made)

    @rule(
        made=st.sampled_from(TRUSTED), name=st.sampled_from(TRUSTED_NAMES), decompress=st.booleans()
    )
    def user_pulls(self, made: Made, name: str, decompress: bool) -> None:
        self.pull(made, name, decompress=decompress)
        # While it is stored, no other image has its ID.
        assert self.store.image(name).id == made.plan.id

    @rule(made=st.sampled_from(ENEMY), name=st.sampled_from(ENEMY_NAMES), decompress=st.booleans())
    def attacker_pulls(self, made: Made, name: str, decompress: bool) -> None:
        self.attacked = True
        self.pull(made, name, decompress=decompress)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), way=st.sampled_from(["name", "id", "digest"]))
    def name_or_image_is_removed(self, data: st.DataObject, way: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.model)))
        image = self.store.image(name)
        wanted = {"name": name, "id": image.id, "digest": str(image.digest)}[way]
        image = self.store.image(wanted)
        removed = self.store.remove(wanted)
        assert set(removed.names) <= set(image.names)
        for lost in removed.names:
            del self.model[lost]

    @rule()
    def collect(self) -> None:
        self.store.gc()

    @rule()
    def reopen(self) -> None:
        self.store = open_store(self.root)

    @rule()
    def change_is_left_unfinished(self) -> None:
        Path(self.root, "towline/unfinished").touch()

    @rule()
    def rewritten_by_another_tool(self) -> None:
        index = Path(self.root, "index.json")
        index.write_text(json.dumps(json.loads(index.read_bytes()), indent=2))

    @invariant()
    def names_and_digests_resolve_to_the_pulled_manifests(self) -> None:
        for name, made in self.model.items():
            assert same(self.store.image(name), made)
            assert same(self.store.image(str(made.plan.manifest.digest)), made)

    @invariant()
    def index_json_has_the_same_names(self) -> None:
        index = json.loads(Path(self.root, "index.json").read_bytes())
        entries = {}
        for entry in index["manifests"]:
            name = entry["annotations"].get("org.opencontainers.image.ref.name")
            if name is not None:
                assert name not in entries
                entries[name] = entry["digest"], entry["mediaType"]
        assert entries == {
            name: (str(made.plan.manifest.digest), made.plan.manifest.media_type)
            for name, made in self.model.items()
        }

    @invariant()
    def each_image_has_one_content(self) -> None:
        images = self.store.images()
        assert len({image.id for image in images}) == len(images)
        names = [name for image in images for name in image.names]
        assert sorted(names) == sorted(self.model)
        for image in images:
            contents = {str(uncompressed(self.model[name])) for name in image.names}
            assert len(contents) <= 1

    @invariant()
    def trusted_ids_belong_to_trusted_images(self) -> None:
        for name, made in self.model.items():
            if made in TRUSTED:
                image = self.store.image(made.plan.id)
                assert name in image.names
                assert image.raw_config == made.plan.config
                layers = [LAYERS[each.digest_text][1] for each in image.layers]
                assert layers == uncompressed(made)[1]

    @invariant()
    def verify_reports_only_images_of_the_attacker(self) -> None:
        faults = {fault.code for fault in self.store.verify().faults}
        assert faults <= ({"verify.diff_id", "store.diff_id_count"} if self.attacked else set())


def same(image: Image, made: Made) -> bool:
    """Whether a stored image has the manifest, config and layers that were pulled."""
    return (
        image.manifest == made.plan.manifest
        and image.raw_config == made.plan.config
        and image.layers == tuple(planned.descriptor for planned in made.plan.layers)
    )


def uncompressed(made: Made) -> tuple[bytes, list[object]]:
    """The config of an image and the real diff IDs of its layers."""
    layers = [LAYERS[planned.descriptor.digest_text][1] for planned in made.plan.layers]
    return made.plan.config, list(layers)


LAYERS = {
    str(sha256_of(data)): (data, diff_id)
    for content in (b"lower", b"upper", b"enemy", b"another enemy", b"second")
    for data, diff_id in (layer(content), layer(content, 1))
}


def test_the_attacker_has_trusted_configs() -> None:
    """The attacker's images have trusted configs and other layers, or request trusted IDs."""
    assert all(made.plan.config == CONFIG for made in CLAIMS)
    assert all(uncompressed(made) != uncompressed(APP) for made in CLAIMS)
    assert OTHERS[2].plan.id == MANIFEST.digest.hex


TestAttackedStore = AttackedStore.TestCase
