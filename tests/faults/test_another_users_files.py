"""Files of another user in a store: gc and rm do what is possible, and report the rest."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faults.test_full_disk import KEPT, OLD, full_store
from tests.support.privileges import bound_by_file_modes
from tests.support.store_images import state
from towline.errors import PathError
from towline.name.digest import sha256_of
from towline.store.layout import files
from towline.store.layout.store import open_store


@pytest.mark.clause("STORE-017")
@given(refused=st.sets(st.integers(0, 5)))
def test_files_that_cannot_be_removed_do_not_keep_the_others(
    tmp_path_factory: pytest.TempPathFactory, refused: set[int]
) -> None:
    """Whichever of the files are of another user in a folder with a sticky bit."""
    store = full_store(tmp_path_factory.mktemp("sticky"))
    store.remove(store.image(OLD).id)
    before = state(store)
    real, removed = files.remove, 0

    def remove(path: str) -> bool:
        nonlocal removed
        if "/blobs/" not in path and "/partial" not in path and not path.endswith("/tmp/left"):
            return real(path)
        removed += 1
        if removed - 1 in refused:
            raise PathError.of("unlink", path, PermissionError(errno.EPERM, ""))
        return real(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "remove", remove)
        collected = store.gc()
    assert removed == 5  # three blobs, a partial blob and the file of a killed task
    kept = {number for number in refused if number < removed}
    assert len(collected.failures) == len(kept)
    assert state(store) == before
    again = store.gc()
    assert again.failures == ()
    assert collected.blobs + again.blobs == 3
    assert collected.partials + again.partials == 1
    assert store.verify().clean


@pytest.mark.clause("STORE-017")
def test_a_folder_of_another_user(tmp_path: Path) -> None:
    """Its blobs stay, and are removed when that is possible."""
    store = full_store(tmp_path / "store")
    store.remove(store.image(OLD).id)
    folder = Path(store.root, "blobs/sha256")
    folder.chmod(0o555)
    try:
        with bound_by_file_modes():
            collected = open_store(store.root).gc()
    finally:
        folder.chmod(0o755)
    assert (collected.blobs, collected.partials) == (0, 1)
    assert [failure.facts["errno"] for failure in collected.failures] == [errno.EACCES] * 3
    assert store.gc().blobs == 3


@pytest.mark.clause("STORE-017")
def test_an_unreadable_manifest_of_another_tool(tmp_path: Path) -> None:
    """It may list any blob, so all are kept; partial blobs are removed."""
    store = full_store(tmp_path / "store")
    store.remove(store.image(OLD).id)
    manifest = b'{"schemaVersion": 2, "layers": []}'
    digest = sha256_of(manifest)
    path = Path(store.root, "blobs/sha256", digest.hex)
    path.write_bytes(manifest)
    index = Path(store.root, "index.json")
    entry = f'{{"mediaType": "x", "digest": "{digest}", "size": {len(manifest)}}}'
    text = index.read_text()
    index.write_text(text.replace('"manifests":[', f'"manifests":[{entry},', 1))
    assert index.read_text() != text
    path.chmod(0)
    with bound_by_file_modes():
        collected = open_store(store.root).gc()
    assert (collected.blobs, collected.partials) == (0, 1)
    (failure,) = collected.failures
    assert failure.facts["path"] == os.fspath(path)
    assert store.image(KEPT).names == (KEPT,)
    path.chmod(0o600)
    assert store.gc().blobs == 3


@pytest.mark.clause("STORE-016")
@pytest.mark.parametrize("folder", ["towline/images", "towline/tmp", "."])
def test_an_image_in_a_folder_of_another_user(tmp_path: Path, folder: str) -> None:
    """rm reports the folder and changes nothing, or removes all but the entry in index.json."""
    store = full_store(tmp_path / "store")
    before, image = state(store), store.image(OLD)
    path = Path(store.root, folder)
    path.chmod(0o555)
    try:
        with bound_by_file_modes(), pytest.raises(PathError) as caught:
            open_store(store.root).remove(image.id)
    finally:
        path.chmod(0o755)
    assert caught.value.facts["errno"] == errno.EACCES
    store = open_store(store.root)
    if caught.value.facts["path"] == f"{store.root}/index.json":
        assert [each.names for each in store.images()] == [(KEPT,)]
    else:
        assert state(store) == before
    assert store.verify().clean
