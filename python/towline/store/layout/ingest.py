"""One image on its way into the store."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Self

from towline.cancel import CancelToken
from towline.errors import StoreError
from towline.image.config import parse_config
from towline.image.manifest import SCHEMA1
from towline.image.schema1 import Schema1, known_digest, parse_image
from towline.name.digest import Digest, sha256_of
from towline.name.reference import parse_reference
from towline.store.layout import files, locks
from towline.store.layout.blobs import Blobs, LayoutSink
from towline.store.layout.image import StoredImage
from towline.store.layout.paths import is_id
from towline.store.layout.proof import prove
from towline.store.layout.record_store import RecordStore
from towline.store.layout.records import Content, Proof, Record, StoredManifest
from towline.store.layout.repair import repair
from towline.store.layout.version import unrepaired
from towline.store.protocol import ImagePlan, LayerPlan

__all__ = ["LayoutIngest"]

_MOST_PROOFS = 8  # of one publish; what is open then is stored apart


class LayoutIngest:
    """An image that the store is taking.  Holds the store's shared lock until it is left."""

    __slots__ = ("_blobs", "_cancel", "_held", "_manifest", "_plan", "_records")

    def __init__(
        self, blobs: Blobs, records: RecordStore, plan: ImagePlan, cancel: CancelToken | None
    ) -> None:
        self._blobs = blobs
        self._records = records
        self._plan = plan
        self._cancel = cancel
        self._manifest = _checked(plan)
        paths = blobs.paths
        with ExitStack() as held:
            # gc may be at work; it is short, and nothing is held while it is waited for
            held.enter_context(locks.acquire(paths.store_lock, shared=True, cancel=cancel))
            purpose = f"pulling {plan.names[0] if plan.names else plan.id}"
            held.enter_context(locks.announced(paths.holders, purpose))
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
            PullCancelledError: while waiting.
        """
        return self._blobs.sink(layer.descriptor, cancel or self._cancel)

    def publish(
        self,
        completed: ImagePlan | None = None,
        diff_ids: Mapping[Digest, Digest] | None = None,
    ) -> StoredImage:
        """Make the image and its names visible, at once and for good.

        Layers are decompressed only where the ID is that of an image with other layers (STORE-004).

        Args:
            completed: the plan again, with the ID and the config that depended on the layers.
            diff_ids: of layers that were decompressed during this pull, by their blobs.

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
        if plan.listed is not None:
            self._blobs.put(plan.listed.data, plan.listed.digest)
        manifest = replace(manifest, proof=_proof(plan.config, manifest, diff_ids or {}))
        return StoredImage(self._published(plan, manifest), self._blobs, manifest)

    def _published(self, plan: ImagePlan, manifest: StoredManifest) -> Record:
        """Store the record; what it takes to decide its ID is read without the index lock."""
        cancel = self._cancel or CancelToken()
        if unrepaired(self._blobs.paths):
            repair(self._blobs, self._records, cancel)
        lists = () if plan.listed is None else (str(plan.listed.digest),)
        evidence: dict[Content, Proof] = {}
        while True:
            with self._records.locked(self._cancel):
                record = self._records.store(plan.id, manifest, lists, plan.names, evidence)
            if isinstance(record, Record):
                return record
            # Another task may have changed the record meanwhile, so the loop has a limit.
            examine = len(evidence) < _MOST_PROOFS
            found = prove(self._blobs, record, cancel) if examine else Proof.UNREADABLE
            evidence[record.content] = found

    def _complete(self, plan: ImagePlan) -> None:
        # STORE-021: only what was not known before is new
        begun = self._plan
        if plan != replace(begun, id=begun.id or plan.id, config=begun.config or plan.config):
            raise ValueError("the completed plan is that of another image")
        if not begun.id and plan.id != sha256_of(plan.config).hex:
            raise ValueError("the ID does not follow from the config")
        self._manifest = _checked(plan)
        self._plan = plan

    def close(self) -> None:
        """Let go of the store; once more changes nothing."""
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _proof(
    config: bytes, manifest: StoredManifest, diff_ids: Mapping[Digest, Digest]
) -> Proof | None:
    """The proof that follows from layers that were decompressed during the pull, if any."""
    listed = parse_config(config).diff_ids if config else None
    if not listed or not set(manifest.layers) <= diff_ids.keys():
        return None
    equal = listed == tuple(diff_ids[layer] for layer in manifest.layers)
    return Proof.PROVEN if equal else Proof.REFUTED


def _checked(plan: ImagePlan) -> StoredManifest:
    """What the record will hold of a plan that is as it must be.

    Raises:
        StoreError: ``store.invalid_id``.
        InvalidNameError: a name, or a digest in the manifest.
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
        with files.using("statvfs", blobs.paths.root):
            disk = os.statvfs(blobs.paths.root)
        free = disk.f_bavail * disk.f_frsize
        if needed > free:
            raise StoreError("store.no_space", needed=needed, free=free, path=blobs.paths.root)
