"""One image on its way into the store."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Self

from towline.cancel import CancelToken
from towline.digest import Digest, sha256_of
from towline.errors import StoreError, TowlineError
from towline.image_config import parse_config
from towline.reference import parse_reference
from towline.schema1 import SCHEMA1, Schema1, known_digest, parse_image
from towline.store.layout import files, locks
from towline.store.layout.blobs import Blobs, LayoutSink
from towline.store.layout.changes import Records
from towline.store.layout.image import StoredImage
from towline.store.layout.places import is_id
from towline.store.layout.records import Record, StoredManifest
from towline.store.protocol import ImagePlan, LayerPlan

__all__ = ["LayoutIngest"]


class LayoutIngest:
    """An image that the store is taking.  Holds the store's shared lock until it is left."""

    __slots__ = ("_blobs", "_cancel", "_held", "_manifest", "_plan", "_records")

    def __init__(
        self, blobs: Blobs, records: Records, plan: ImagePlan, cancel: CancelToken | None
    ) -> None:
        self._blobs = blobs
        self._records = records
        self._plan = plan
        self._cancel = cancel
        self._manifest = _checked(plan)
        places = blobs.places
        with ExitStack() as held:
            # gc may be at work; it is short, and nothing is held while it is waited for
            held.enter_context(locks.acquire(places.store_lock, shared=True, cancel=cancel))
            purpose = f"pulling {plan.names[0] if plan.names else plan.id}"
            held.enter_context(locks.announced(places.holders, purpose))
            _refuse_full_disk(blobs, self.missing())
            self._held = held.pop_all()

    def missing(self) -> Sequence[LayerPlan]:
        """The layers whose blobs are not here, each blob once, lowest first."""
        found: dict[Digest, LayerPlan] = {}
        for layer in self._plan.layers:
            if not self._blobs.has(layer.descriptor):
                found.setdefault(layer.descriptor.digest, layer)
        return tuple(found.values())

    def sink(self, layer: LayerPlan, cancel: CancelToken | None = None) -> LayoutSink | None:
        """A sink for a missing blob, alone among all tasks; None where it arrived meanwhile.

        Waits while another task fetches the blob, so the caller holds no other sink then.

        Raises:
            Cancelled: while waiting.
        """
        return self._blobs.sink(layer.descriptor, cancel or self._cancel)

    def publish(self, completed: ImagePlan | None = None) -> StoredImage:
        """Make the image and its names visible, at once and for good.

        Args:
            completed: the plan again, with the ID and the config that depended on the layers.

        Raises:
            StoreError: ``store.incomplete`` where a blob is missing, ``store.id_in_use`` where the
                ID is that of another image; nothing has changed then.
        """
        if completed is not None and completed != self._plan:
            self._complete(completed)
        plan, manifest = self._plan, self._manifest
        if not plan.id or (manifest.config is None and plan.manifest.media_type in SCHEMA1):
            raise ValueError("the plan was not completed")
        for layer in plan.layers:
            if not self._blobs.has(layer.descriptor):
                raise StoreError("store.incomplete", id=plan.id, digest=layer.descriptor.digest)
        self._blobs.put(plan.manifest.data, manifest.digest)
        if manifest.config is not None:
            self._blobs.put(plan.config, manifest.config)
        lists = () if plan.listed is None else (plan.listed.digest,)
        if plan.listed is not None:
            self._blobs.put(plan.listed.data, plan.listed.digest)
        with self._records.locked(self._cancel):
            record = self._records.store(plan.id, manifest, lists, plan.names, self._accept)
        return StoredImage(record, self._blobs)

    def _complete(self, plan: ImagePlan) -> None:
        # STORE-021: only what was not known before is new
        begun = self._plan
        if plan != replace(begun, id=begun.id or plan.id, config=begun.config or plan.config):
            raise ValueError("the completed plan is that of another image")
        if not begun.id and plan.id != sha256_of(plan.config).hex:
            raise ValueError("the ID does not follow from the config")
        self._manifest = _checked(plan)
        self._plan = plan

    def _accept(self, record: Record) -> None:
        # STORE-006: an ID that was asked for may be that of an image of the same layers only
        if any(stored.config == self._manifest.config for stored in record.manifests):
            return
        stored = StoredImage(record, self._blobs)
        try:
            same = _diff_ids(stored.config) == _diff_ids(self._plan.config)
        except TowlineError:  # what is here cannot be read any more, so nothing is lost with it
            return
        if not same:
            raise StoreError("store.id_in_use", id=record.id, names=record.names)

    def close(self) -> None:
        """Let go of the store; once more changes nothing."""
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _diff_ids(config: bytes) -> tuple[str, ...]:
    return parse_config(config).diff_id_texts


def _checked(plan: ImagePlan) -> StoredManifest:
    """What the record will hold of a plan that is as it must be.

    Raises:
        StoreError: ``store.invalid_id``.
        InvalidName: a name, or a digest in the manifest.
        SourceError: the manifest cannot be read.
    """
    if plan.id and not is_id(plan.id):
        raise StoreError("store.invalid_id", id=plan.id)
    for name in plan.names:
        parse_reference(name)
    manifest = parse_image(plan.manifest)
    layers = tuple(layer.digest for layer in manifest.layers)
    if layers != tuple(layer.descriptor.digest for layer in plan.layers):
        raise ValueError("the plan's layers are not those of its manifest")
    stored = StoredManifest(
        media_type=plan.manifest.media_type,
        digest=plan.manifest.digest,
        size=len(plan.manifest.data),
        config=None,
        layers=layers,
    )
    if isinstance(manifest, Schema1):
        return _with_history(stored, plan, manifest)
    if not plan.id:
        raise StoreError("store.invalid_id", id=plan.id)
    named = manifest.config.digest if manifest.config.digest_text else None
    return replace(stored, config=named)


def _with_history(stored: StoredManifest, plan: ImagePlan, manifest: Schema1) -> StoredManifest:
    """What the record will hold of an image of schema 1 (STORE-021)."""
    if plan.config:
        diff_ids = parse_config(plan.config).diff_ids or ()
        if len(diff_ids) != len(manifest.content) or manifest.config_with(diff_ids) != plan.config:
            raise ValueError("the plan's config is not made of its manifest")
    known = known_digest(plan.manifest)
    return replace(
        stored,
        config=sha256_of(plan.config) if plan.config else None,
        layers=tuple(layer.digest for layer in manifest.content),
        empty=tuple(layer.digest for layer in manifest.empty),
        payload=None if known == stored.digest else known,
    )


def _refuse_full_disk(blobs: Blobs, missing: Sequence[LayerPlan]) -> None:
    """Say before the first byte that the image cannot fit.

    Raises:
        StoreError: ``store.no_space``.
    """
    needed = sum(
        max(0, layer.descriptor.size - blobs.held(layer.descriptor.digest)) for layer in missing
    )
    if needed:
        with files.using("statvfs", blobs.places.root):
            disk = os.statvfs(blobs.places.root)
        free = disk.f_bavail * disk.f_frsize
        if needed > free:
            raise StoreError("store.no_space", needed=needed, free=free, path=blobs.places.root)
