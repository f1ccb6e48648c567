"""Pulls that verify diff IDs: no listed diff ID is left out of the comparison."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import towline
from tests.support import skopeo
from tests.support.store_images import Made, layer, make, write_dir
from towline.name.digest import Digest, sha256_of

CONTENTS = (b"lowest", b"middle", b"middle", b"upper")
RIGHT = tuple(layer(content)[1] for content in CONTENTS)
WRONG = sha256_of(b"another layer")


def pulled(folders: pytest.TempPathFactory, made: Made, *, verify: bool) -> towline.PullResult:
    """The result of a pull into a new store."""
    folder = folders.mktemp("pull")
    source = write_dir(folder / "source", made)
    policy = folder / "policy.json"
    policy.write_text(json.dumps(skopeo.POLICY))
    return towline.pull(f"dir:{source}", folder / "store", policy=policy, verify_diff_ids=verify)


changes = st.lists(
    st.tuples(
        st.sampled_from(["drop", "add", "swap", "replace"]),
        st.integers(0, len(RIGHT) - 1),
        st.sampled_from([WRONG, *RIGHT]),
    ),
    max_size=2,
)


def changed(edits: list[tuple[str, int, Digest]]) -> list[Digest]:
    """The right diff IDs after some changes."""
    listed = list(RIGHT)
    for kind, index, digest in edits:
        match kind:
            case "drop" if index < len(listed):
                del listed[index]
            case "add":
                listed.insert(index, digest)
            case "swap":
                listed.reverse()
            case "replace" if index < len(listed):
                listed[index] = digest
    return listed


@pytest.mark.clause("PULL-025", "MANIFEST-010")
@given(edits=changes)
def test_the_check_passes_only_for_the_right_diff_ids(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[str, int, Digest]]
) -> None:
    """Each listing of a layer is compared; without the check every pull succeeds."""
    listed = changed(edits)
    made = make(*CONTENTS, diff_ids=listed)
    assert pulled(tmp_path_factory, made, verify=False).verified == ("blobs",)
    if tuple(listed) == RIGHT:
        assert pulled(tmp_path_factory, made, verify=True).verified == ("blobs", "diff-ids")
        return
    with pytest.raises(towline.VerificationError) as caught:
        pulled(tmp_path_factory, made, verify=True)
    counted = "verify.diff_id" if len(listed) == len(RIGHT) else "verify.diff_id_count"
    counted = counted if listed else "verify.no_diff_ids"
    assert [error.code for error in caught.value.errors] == [counted]


@pytest.mark.clause("PULL-025")
def test_a_config_without_diff_ids_cannot_be_verified(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """As that of an artifact; the pull fails before a layer is fetched."""
    made = make(b"1", config=b"{}")
    assert pulled(tmp_path_factory, made, verify=False).verified == ("blobs",)
    with pytest.raises(towline.VerificationError, match="no list of valid diff IDs"):
        pulled(tmp_path_factory, made, verify=True)
