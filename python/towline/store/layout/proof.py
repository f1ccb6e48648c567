"""Compares the layers of a manifest with the diff IDs in its config."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from towline.core import TRANSIENT, CoreError, diff_id_of, hash_file
from towline.errors import StoreError, TowlineError, VerificationError
from towline.image.config import parse_config
from towline.store.layout import files
from towline.store.layout.records import Proof, StoredManifest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.cancel import CancelToken
    from towline.name.digest import Digest
    from towline.store.layout.blobs import Blobs

__all__ = ["named_diff_ids", "prove"]


def prove(blobs: Blobs, manifest: StoredManifest, cancel: CancelToken) -> Proof:
    """Decompress the layers of a manifest and compare each with the diff ID in its config.

    Raises:
        PullCancelledError: the caller cancelled.
    """
    try:
        config = b"" if manifest.config is None else blobs.get(manifest.config)
        diff_ids = parse_config(config).diff_ids if config else ()
    except StoreError as error:
        unreadable = error.code == "store.blob_closed"
        return Proof.UNREADABLE if unreadable else Proof.INCOMPLETE
    except VerificationError:
        return Proof.INCOMPLETE
    except TowlineError:  # an artifact's config has its own format
        return Proof.UNPROVABLE
    if not diff_ids or any(diff_id.algorithm != "sha256" for diff_id in diff_ids):
        # Without layers and diff IDs the config is the whole image.
        return Proof.UNPROVABLE if diff_ids or manifest.layers else Proof.PROVEN
    if len(diff_ids) != len(manifest.layers):
        return Proof.REFUTED
    found: dict[Digest, str | Proof] = {}
    for layer, diff_id in zip(manifest.layers, diff_ids, strict=True):
        if layer not in found:
            found[layer] = _diff_id(blobs, layer, cancel)
        got = found[layer]
        if isinstance(got, Proof):
            return got
        if got != str(diff_id):
            return Proof.REFUTED
    return Proof.PROVEN


def named_diff_ids(blobs: Blobs, manifest: StoredManifest) -> Sequence[Digest] | None:
    """Return the diff IDs in the config; None if it has none, as that of an artifact.

    Raises:
        TowlineError: the config is missing or invalid.
    """
    if manifest.config is None:
        return None
    return parse_config(blobs.get(manifest.config)).diff_ids or None


def _diff_id(blobs: Blobs, layer: Digest, cancel: CancelToken) -> str | Proof:
    """The diff ID of a layer, or the proof that results from its absence."""
    cancel.raise_if_cancelled()
    path = blobs.paths.blob(layer)
    if files.regular_size(path) is None:
        return Proof.INCOMPLETE
    if not files.allows(path, os.R_OK):
        return Proof.UNREADABLE
    try:
        return diff_id_of(path, str(layer), cancel.stop)
    except CoreError as error:
        cancel.raise_if_cancelled()
        if error.code in TRANSIENT:
            return Proof.UNREADABLE
        if error.code == "changed":
            return Proof.INCOMPLETE
        return _without_diff_id(path, layer, cancel)


def _without_diff_id(path: str, layer: Digest, cancel: CancelToken) -> Proof:
    """The proof for a layer without a diff ID: refuted, unless its blob is damaged."""
    try:
        got, _ = hash_file(path, layer.algorithm, stop=cancel.stop)
    except CoreError:
        cancel.raise_if_cancelled()
        return Proof.UNREADABLE
    return Proof.REFUTED if got == str(layer) else Proof.INCOMPLETE
