"""Another tool, which takes no lock, writes images into the layout between the steps of towline.

It writes the blobs first, then truncates index.json and writes it in two parts, as skopeo does.  It
may be killed at any step.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.store_images import Made, blob_path, make, put
from towline.errors import StoreError
from towline.image.oci_layout import REF_NAME
from towline.name.digest import parse_digest
from towline.store.layout import oci_index
from towline.store.layout.store import open_store

pytestmark = pytest.mark.timeout(3600)  # for the slow profile

OURS = [make(bytes([n]), b"shared", names=[f"localhost/ours-{n}:1"]) for n in range(3)]
THEIRS = [make(b"other", bytes([n]), names=[f"theirs-{n}"]) for n in range(3)]


def blobs_of(made: Made) -> dict[str, bytes]:
    """All blobs of an image."""
    manifest, config = made.plan.manifest, f"sha256:{made.plan.id}"
    return {str(manifest.digest): manifest.data, config: made.plan.config, **made.blobs}


class SharedLayout(RuleBasedStateMachine):
    """Every entry that the other tool has finished stays, with all its blobs."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="towline-machine-"))
        self.ours: set[int] = set()
        self.theirs: set[int] = set()
        self.copied: int | None = None  # its blobs are there, its entry is not
        self.rest: bytes | None = None  # of index.json, which is half written
        self.broken = False  # index.json is half written, and nobody will write the rest
        self.lost: set[int] = set()  # entries in an index.json that was damaged

    @initialize()
    def begin(self) -> None:
        self.store = open_store(self.root / "store")
        self.index = self.root / "store/index.json"
        self.patch = pytest.MonkeyPatch()
        # No clock: a file is in the middle of being written exactly if the other tool says so.
        self.patch.setattr(oci_index, "is_settled", lambda found: self.rest is None)
        self.patch.setattr(oci_index, "_LONGEST_WAIT", 0.0)

    def teardown(self) -> None:
        self.patch.undo()
        shutil.rmtree(self.root)

    def path(self, digest: str) -> Path:
        return Path(blob_path(self.store, parse_digest(digest)))

    def attempt(self, call: Any) -> bool:
        """Whether a change of towline succeeded; it may fail only while the index is written."""
        code = ""
        try:
            call()
        except StoreError as error:
            code = error.code
        busy = code == "store.index_busy" and self.rest is not None
        damaged = code == "store.index_damaged" and self.broken
        assert not code or busy or damaged
        return not code

    def changed(self) -> None:
        """The index was written again, without the entries that were damaged."""
        if self.broken:
            self.broken = False
            self.lost |= self.theirs
            self.theirs = set()

    # --- towline ------------------------------------------------------------

    @rule(number=st.integers(0, 2))
    def pull(self, number: int) -> None:
        if self.attempt(lambda: put(self.store, OURS[number])):
            self.ours.add(number)
            self.changed()

    @precondition(lambda self: self.ours)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.ours)))
        if self.attempt(lambda: self.store.remove(OURS[number].plan.id)):
            self.ours.remove(number)
            self.changed()

    @rule()
    def collect(self) -> None:
        self.attempt(self.store.gc)

    @rule()
    def open_again(self) -> None:
        self.store = open_store(self.root / "store")

    # --- the other tool -----------------------------------------------------

    @precondition(lambda self: self.copied is None)
    @rule(number=st.integers(0, 2))
    def copy_blobs(self, number: int) -> None:
        for digest, data in blobs_of(THEIRS[number]).items():
            if not self.path(digest).exists():
                self.path(digest).write_bytes(data)
        self.copied = number

    @precondition(lambda self: self.copied is not None and self.rest is None and not self.broken)
    @rule(share=st.floats(0, 1))
    def write_half_of_the_index(self, share: float) -> None:
        assert self.copied is not None
        made = THEIRS[self.copied]
        document = json.loads(self.index.read_bytes())
        name = made.plan.names[0]
        kept = [
            entry
            for entry in document["manifests"]
            if entry.get("annotations", {}).get(REF_NAME) != name
        ]
        entry = {
            "mediaType": made.plan.manifest.media_type,
            "digest": str(made.plan.manifest.digest),
            "size": len(made.plan.manifest.data),
            "annotations": {REF_NAME: name},
        }
        data = json.dumps({**document, "manifests": [*kept, entry]}).encode()
        half = int(share * (len(data) - 1))
        self.index.write_bytes(data[:half])
        self.rest = data[half:]

    @precondition(lambda self: self.rest is not None)
    @rule()
    def write_the_rest(self) -> None:
        assert self.rest is not None
        assert self.copied is not None
        with self.index.open("ab") as file:
            file.write(self.rest)
        self.theirs.add(self.copied)
        self.copied = self.rest = None

    @precondition(lambda self: self.rest is not None)
    @rule()
    def die_while_writing(self) -> None:
        self.broken = True
        self.copied = self.rest = None

    @precondition(lambda self: self.copied is not None and self.rest is None)
    @rule()
    def give_up(self) -> None:
        self.copied = None

    # --- what holds ---------------------------------------------------------

    @invariant()
    def finished_entries_stay(self) -> None:
        if self.rest is None and not self.broken and hasattr(self, "index"):
            entries = json.loads(self.index.read_bytes())["manifests"]
            named = {entry.get("annotations", {}).get(REF_NAME) for entry in entries}
            assert {THEIRS[number].plan.names[0] for number in self.theirs} <= named

    @invariant()
    def their_blobs_stay(self) -> None:
        for number in self.theirs | self.lost:
            for digest, data in blobs_of(THEIRS[number]).items():
                assert self.path(digest).read_bytes() == data

    @invariant()
    def our_images_stay(self) -> None:
        if hasattr(self, "store"):
            names = {name for image in self.store.images() for name in image.names}
            assert names == {OURS[number].plan.names[0] for number in self.ours}


TestSharedLayout = SharedLayout.TestCase
