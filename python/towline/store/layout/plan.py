"""Checks a plan, and makes the manifest of its record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.errors import StoreError
from towline.frozen import replace
from towline.image.schema1 import Schema1, manifest_digest, parse_image
from towline.name.digest import sha256_of
from towline.name.reference import parse_reference
from towline.store.layout.paths import is_id
from towline.store.layout.records import StoredManifest

if TYPE_CHECKING:
    from towline.image.manifest import Manifest
    from towline.store.protocol import ImagePlan

__all__ = ["check_plan", "manifest_of"]


def check_plan(plan: ImagePlan) -> Manifest | Schema1:
    """Check a plan, and return its parsed manifest.

    Raises:
        StoreError: ``store.invalid_id``.
        InvalidNameError: a name, or a digest in the manifest, is invalid.
        SourceError: the manifest is invalid.
        ValueError: the plan contradicts its manifest.
    """
    if plan.id and not is_id(plan.id):
        raise StoreError("store.invalid_id", id=plan.id)
    for name in plan.names:
        parse_reference(name)
    manifest = parse_image(plan.manifest)
    layers = tuple(layer.digest for layer in manifest.layers)
    if layers != tuple(layer.descriptor.digest for layer in plan.layers):
        raise ValueError("the plan's layers are not those of its manifest")
    if isinstance(manifest, Schema1):
        if plan.config:
            raise ValueError("the config of schema 1 is made when the image is published")
    elif not plan.id:
        raise StoreError("store.invalid_id", id=plan.id)
    manifest_of(plan, manifest)  # raises for an invalid digest, before a layer is fetched
    return manifest


def manifest_of(plan: ImagePlan, manifest: Manifest | Schema1) -> StoredManifest:
    """Return the manifest of a plan for the record; for schema 1 see STORE-021.

    Raises:
        InvalidNameError: the digest of the config is invalid.
        SourceError: the signatures of schema 1 are invalid.
    """
    stored = StoredManifest(
        media_type=plan.manifest.media_type,
        digest=plan.manifest.digest,
        size=len(plan.manifest.data),
        config=None,
        layers=tuple(layer.digest for layer in manifest.layers),
    )
    if isinstance(manifest, Schema1):
        known = manifest_digest(plan.manifest)
        return replace(
            stored,
            config=sha256_of(plan.config) if plan.config else None,
            layers=tuple(layer.digest for layer in manifest.content),
            empty=tuple(layer.digest for layer in manifest.empty),
            payload=None if known == stored.digest else known,
        )
    named = manifest.config.digest if manifest.config.digest_text else None
    return replace(stored, config=named)
