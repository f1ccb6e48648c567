"""Proving that the layers of a manifest are those that its config names."""

from __future__ import annotations

import os
from collections.abc import Sequence

from towline.cancel import CancelToken
from towline.core import OF_THE_MOMENT, CoreError, hash_file, layer_pass
from towline.errors import StoreError, TowlineError
from towline.image.config import parse_config
from towline.name.digest import Digest
from towline.store.layout import files
from towline.store.layout.blobs import Blobs
from towline.store.layout.records import StoredManifest

__all__ = ["named_diff_ids", "prove"]


def prove(blobs: Blobs, manifest: StoredManifest, cancel: CancelToken) -> bool | None:
    """Decompress the layers of a manifest and compare each with the diff ID in its config.

    Returns:
        True where all are as the config says; None where a blob cannot be read at this moment;
        False otherwise: a layer differs, is missing or damaged, or the config does not say.

    Raises:
        PullCancelledError: meanwhile.
    """
    if manifest.config is None:
        return False
    try:
        wanted = named_diff_ids(blobs, manifest)
    except StoreError as error:
        return None if error.code == "store.blob_closed" else False
    except TowlineError:
        return False
    if wanted is None:
        return False
    found: dict[Digest, str] = {}
    for layer, diff_id in zip(manifest.layers, wanted, strict=True):
        if layer not in found:
            got = _diff_id(blobs, layer, cancel)
            if got is None:
                return None
            found[layer] = got
        if found[layer] != str(diff_id):
            return False
    return True


def named_diff_ids(blobs: Blobs, manifest: StoredManifest) -> Sequence[Digest] | None:
    """What the config says of each layer; None where it does not say it of each.

    Raises:
        TowlineError: the config cannot be read.
    """
    if manifest.config is None:
        return None
    diff_ids = parse_config(blobs.get(manifest.config)).diff_ids
    if diff_ids is None or len(diff_ids) != len(manifest.layers):
        return None
    # the layer pass knows SHA-256 only
    return diff_ids if all(diff_id.algorithm == "sha256" for diff_id in diff_ids) else None


def _diff_id(blobs: Blobs, layer: Digest, cancel: CancelToken) -> str | None:
    """The diff ID of a layer, ``""`` where it has none, None where it cannot be read now."""
    cancel.raise_if_cancelled()
    path = blobs.paths.blob(layer)
    if files.regular_size(path) is None:
        return ""
    if not files.allows(path, os.R_OK):
        return None
    try:
        facts = layer_pass(path, stop=cancel.stop)
        got = facts.digest
        if layer.algorithm != "sha256":
            got, _ = hash_file(path, layer.algorithm, stop=cancel.stop)
    except CoreError as error:
        cancel.raise_if_cancelled()
        return None if error.code in OF_THE_MOMENT else ""
    return facts.diff_id if got == str(layer) else ""
