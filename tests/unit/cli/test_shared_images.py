"""Commands on images with one config and different layers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.store_images import layer, make, put
from tests.support.towline_cli import CommandLine
from towline.store.layout.store import open_store

_, DIFF_ID = layer(b"trusted")
GOOD = make(b"trusted", names=["localhost/good:1"])
RECOMPRESSED = make(b"trusted", names=["localhost/again:1"], level=1)
EVIL = make(b"enemy", names=["localhost/evil:1"], diff_ids=[DIFF_ID])

pytestmark = pytest.mark.clause("STORE-024")


@pytest.fixture
def towline(tmp_path: Path) -> CommandLine:
    """A store with two forms of one image, and an image with the same config and other layers."""
    command = CommandLine.below(tmp_path)
    store = open_store(command.root)
    for made in (GOOD, RECOMPRESSED, EVIL):
        put(store, made)
    return command


def test_images_shows_the_digest_of_each_name(towline: CommandLine) -> None:
    """The table and the JSON list have the manifest that each name was pulled by."""
    rows = towline("images").lines[1:]
    shown = {row.split()[0]: row.split()[1:3] for row in rows}
    for made in (GOOD, RECOMPRESSED, EVIL):
        (name,) = made.plan.names
        assert shown[name][1] == made.plan.manifest.digest.hex[:12]
    assert shown["localhost/good:1"][0] == shown["localhost/again:1"][0] == GOOD.plan.id[:12]
    assert shown["localhost/evil:1"][0] == EVIL.plan.manifest.digest.hex[:12]
    output = towline("images", "--format", "json").json()
    listed = {entry["names"][0]: entry for entry in output}
    for made in (GOOD, RECOMPRESSED, EVIL):
        entry = listed[made.plan.names[0]]
        assert entry["digest"] == str(made.plan.manifest.digest)
        assert [each["digest"] for each in entry["layers"]] == list(made.blobs)


def test_verify_names_the_image_whose_config_does_not_match(towline: CommandLine) -> None:
    """The fault starts with the name of the image."""
    result = towline("verify")
    assert result.status == 1
    assert "localhost/evil:1: layer sha256:" in result.stderr
    assert "localhost/good:1" not in result.stderr
