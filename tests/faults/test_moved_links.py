"""A link that is changed while an image is pulled: the image that the policy judged is read."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import pytest

from tests.support.store_images import make, put, write_dir
from towline.errors import PullFailedError
from towline.runtime.options import Options
from towline.runtime.runtime import Runtime
from towline.store.layout.store import open_store

pytestmark = pytest.mark.clause("TRANS-043")

GOOD, BAD = make(b"good"), make(b"bad")
FORMS = ["dir", "oci", "oci-archive"]


def write(folder: Path, form: str) -> None:
    """Write both images, and a link to the good one."""
    for name, made in (("good", GOOD), ("bad", BAD)):
        path = folder / name
        if form == "dir":
            write_dir(path, made)
            continue
        put(open_store(path), made)  # a store is a layout
        if form == "oci-archive":
            with tarfile.open(folder / f"{name}.tar", "w") as archive:
                archive.add(path, ".")
            shutil.rmtree(path)
            (folder / f"{name}.tar").rename(path)
    (folder / "link").symlink_to("good")


def turn(folder: Path) -> None:
    """Let the link lead to the bad image."""
    (folder / "new").symlink_to("bad")
    (folder / "new").rename(folder / "link")


@pytest.mark.parametrize("form", FORMS)
def test_a_link_that_is_turned_after_the_reference_was_read(tmp_path: Path, form: str) -> None:
    """The policy accepts the good image only, and that is what is stored."""
    write(tmp_path, form)
    policy = tmp_path / "policy.json"
    accept = [{"type": "insecureAcceptAnything"}]
    scopes = {form: {str(tmp_path / "good"): accept}}
    policy.write_text(json.dumps({"default": [{"type": "reject"}], "transports": scopes}))
    store = open_store(tmp_path / "store")
    runtime = Runtime(store, Options(policy=policy))
    goal = runtime.resolve(f"{form}:{tmp_path / 'link'}")
    turn(tmp_path)
    runtime.pull_reference(goal.pairs[0].source)
    assert store.images()[0].manifest == GOOD.plan.manifest
    with pytest.raises(PullFailedError, match="rejected"):
        runtime.pull(f"{form}:{tmp_path / 'link'}")
    assert len(store.images()) == 1
