"""Diff IDs that are computed while a layer is fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.store_images import layer
from towline.copying.diff_ids import DiffIds
from towline.core import BlobWriter, CoreError, Stop
from towline.image.descriptor import Descriptor
from towline.name.digest import sha256_of
from towline.store.protocol import LayerPlan


@pytest.mark.clause("STORE-004")
def test_a_diff_id_of_an_earlier_attempt_is_dropped(tmp_path: Path) -> None:
    """The bytes of a rejected attempt prove nothing about the bytes of the next one."""
    trusted, trusted_id = layer(b"trusted", 0)
    enemy, enemy_id = layer(b"enemy!!", 0)
    plan = LayerPlan(Descriptor("", str(sha256_of(enemy)), len(trusted)))
    assert len(enemy) == len(trusted)
    diff_ids = DiffIds()
    first = BlobWriter(str(tmp_path / "first"))
    with diff_ids.alongside(plan, first):
        first.write(trusted)
    first.abort()
    second = BlobWriter(str(tmp_path / "second"))
    with diff_ids.alongside(plan, second):
        second.write(enemy[:40])  # the connection breaks off here
    with diff_ids.alongside(plan, second):
        second.write(enemy[40:])
    second.finish()
    path = str(tmp_path / "second")
    assert diff_ids.of(plan.descriptor.digest, path, Stop()) == enemy_id != trusted_id


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_blob_with_other_bytes_has_no_diff_id(tmp_path: Path, algorithm: str) -> None:
    """A damaged blob is an error, whatever the algorithm of its digest is."""
    data, _ = layer(b"stored")
    path = tmp_path / "blob"
    path.write_bytes(data)
    digest = Descriptor("", f"{algorithm}:{'0' * (64 if algorithm == 'sha256' else 128)}", -1)
    with pytest.raises(CoreError) as caught:
        DiffIds().of(digest.digest, str(path), Stop())
    assert caught.value.code == "changed"
