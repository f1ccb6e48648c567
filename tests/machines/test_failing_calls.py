"""A system call fails once: nothing but the change of that moment is affected, and nothing is lost.

The calls include every read of a record, of a lookup file and of index.json.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.support.store_images import Made, blob_path, make, put
from towline.errors import TowlineError
from towline.image.oci_layout import REF_NAME
from towline.name.digest import parse_digest
from towline.store.layout.store import open_store

NAMES = [f"localhost/{letter}:1" for letter in "abc"]
IMAGES = [make(b"base", text, names=[]) for text in (b"one", b"two", b"three")]
THEIRS = make(b"theirs", names=["theirs"])
CALLS = ("open", "read", "lstat", "stat", "fstat", "listdir", "replace", "unlink", "write")

faults = st.tuples(
    st.sampled_from(CALLS),
    st.integers(1, 40),
    st.sampled_from([errno.EIO, errno.EMFILE, errno.EACCES, errno.ENOSPC]),
)


@contextmanager
def one_failure(call: str, at: int, number: int) -> Iterator[None]:
    """Make one system call fail, the one with this number."""
    real, count = getattr(os, call), 0

    def failing(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        if count == at:
            raise OSError(number, os.strerror(number))
        return real(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, call, failing)
        yield


class FailingCalls(RuleBasedStateMachine):
    """Pulls, removals and collections with one failing call each, beside another tool's image."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = open_store(Path(self.folder.name, "store"))
        self.names: dict[str, Made] = {}
        put(self.store, IMAGES[0].named(NAMES[0]))
        self.names[NAMES[0]] = IMAGES[0]
        self._copy_theirs()

    def _copy_theirs(self) -> None:
        manifest = THEIRS.plan.manifest
        blobs = {str(manifest.digest): manifest.data, **THEIRS.blobs}
        blobs[f"sha256:{THEIRS.plan.id}"] = THEIRS.plan.config
        self.theirs = [Path(blob_path(self.store, parse_digest(digest))) for digest in blobs]
        for path, data in zip(self.theirs, blobs.values(), strict=True):
            path.write_bytes(data)
        index = Path(self.store.root, "index.json")
        document = json.loads(index.read_bytes())
        self.entry = {
            "mediaType": manifest.media_type,
            "digest": str(manifest.digest),
            "size": len(manifest.data),
            "annotations": {REF_NAME: "theirs"},
        }
        document["manifests"].append(self.entry)
        index.write_text(json.dumps(document))

    def teardown(self) -> None:
        """Every blob of every image is there."""
        with self.folder:
            assert self.store.verify().clean

    @rule(image=st.sampled_from(IMAGES), name=st.sampled_from(NAMES), fault=faults)
    def pull(self, image: Made, name: str, fault: tuple[str, int, int]) -> None:
        """The name leads to the new image, or after an error still to the old one."""
        old = self.names.get(name)
        try:
            with one_failure(*fault):
                put(self.store, image.named(name))
        except TowlineError:
            now = self.found(name)
            assert now in (old, image)
            put(self.store, image.named(name))
        self.names[name] = image

    @rule(name=st.sampled_from(NAMES), fault=faults)
    def remove(self, name: str, fault: tuple[str, int, int]) -> None:
        """The name is removed, or after an error it may still be there."""
        if name not in self.names:
            return
        try:
            with one_failure(*fault):
                self.store.remove(name)
        except TowlineError:
            if self.found(name) is not None:
                self.store.remove(name)
        del self.names[name]

    @rule(fault=faults)
    def collect(self, fault: tuple[str, int, int]) -> None:
        """Reachable blobs stay."""
        try:
            with one_failure(*fault):
                self.store.gc()
        except TowlineError:
            self.store.gc()

    @rule(fault=faults)
    def open_again(self, fault: tuple[str, int, int]) -> None:
        """An error leaves the store as it was."""
        try:
            with one_failure(*fault):
                open_store(self.store.root).images()
        except TowlineError:
            pass
        self.store = open_store(self.store.root)

    def found(self, name: str) -> Made | None:
        """The image to which a name leads; None if the name is unknown."""
        if not self.store.holds(name):
            return None
        manifest = self.store.image(name).manifest
        return next(each for each in IMAGES if each.plan.manifest == manifest)

    @invariant()
    def every_name_leads_to_its_image(self) -> None:
        """No name leads to another image, in records and in index.json."""
        assert {name: self.found(name) for name in NAMES if self.found(name)} == self.names
        listed = [name for image in self.store.images() for name in image.names]
        assert sorted(listed) == sorted(self.names)

    @invariant()
    def the_image_of_the_other_tool_is_kept(self) -> None:
        """Its entry and its blobs."""
        index = json.loads(Path(self.store.root, "index.json").read_bytes())
        assert self.entry in index["manifests"]
        assert all(path.is_file() for path in self.theirs)


TestFailingCalls = pytest.mark.clause("STORE-008", "STORE-015")(FailingCalls.TestCase)
TestFailingCalls.settings = settings(
    max_examples=max(20, settings().max_examples // 5), stateful_step_count=8
)
