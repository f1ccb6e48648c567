"""The storing of one image."""

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
from towline.image.schema1 import Schema1, manifest_digest, parse_image
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

_MOST_PROOFS = 8  # of one publish; after them an image is stored separately


class LayoutIngest:
    """The storing of one image.  It holds the store's shared lock until it is closed."""

    __slots__ = ("_blobs", "_cancel", "_manifest", "_plan", "_records", "_resources")

    def __init__(
        self, blobs: Blobs, records: RecordStore, plan: ImagePlan, cancel: CancelToken | None
    ) -> None:
        self._blobs = blobs
        self._records = records
        self._plan = plan
        self._cancel = cancel
        self._manifest = _checked(plan)
        paths = blobs.paths
        with ExitStack() as stack:
            # Waits for gc, and holds no other lock meanwhile.
            stack.enter_context(locks.acquire(paths.store_lock, shared=True, cancel=cancel))
            purpose = f"pulling {plan.names[0] if plan.names else plan.id}"
            stack.enter_context(locks.holder_file(paths.holders, purpose))
            _refuse_full_disk(blobs, self.missing())
            self._resources = stack.pop_all()

    def missing(self) -> Sequence[LayerPlan]:
        """Return the layers whose blobs are not in the store, each blob once, lowest first."""
        found: dict[Digest, LayerPlan] = {}
        for layer in self._plan.layers:
            if not self._blobs.has(layer.descriptor):
                found.setdefault(layer.descriptor.digest, layer)
        return tuple(found.values())

    def sink(self, layer: LayerPlan, cancel: CancelToken | None = None) -> LayoutSink | None:
        """Return the sink of a missing blob; wait while another task has it.

        None if the blob was stored meanwhile.  The caller must not hold another sink.

        Raises:
            PullCancelledError: the caller cancelled during the wait.
        """
        return self._blobs.sink(layer.descriptor, cancel or self._cancel)

    def publish(
        self,
        completed: ImagePlan | None = None,
        diff_ids: Mapping[Digest, Digest] | None = None,
    ) -> StoredImage:
        """Make the image and its names visible, atomically.

        Layers are decompressed only if the ID belongs to an image with other layers (STORE-004).

        Args:
            completed: the plan, completed with the ID and the config that depend on the layers.
            diff_ids: the diff IDs of layers that were decompressed during this pull, by blob.

        Raises:
            StoreError: ``store.incomplete`` if a blob is missing, ``store.id_in_use`` if a
                requested ID belongs to another image; the store is unchanged.
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
        """Store the record; layers are decompressed without holding the index lock."""
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
        # STORE-021: only the ID and the config may be new, and only if they were empty
        begun = self._plan
        if plan != replace(begun, id=begun.id or plan.id, config=begun.config or plan.config):
            raise ValueError("the completed plan is that of another image")
        if not begun.id and plan.id != sha256_of(plan.config).hex:
            raise ValueError("the ID does not follow from the config")
        self._manifest = _checked(plan)
        self._plan = plan

    def close(self) -> None:
        """Release the locks; a second call has no effect."""
        self._resources.close()

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
    """Check a plan, and return its manifest for the record.

    Raises:
        StoreError: ``store.invalid_id``.
        InvalidNameError: a name, or a digest in the manifest, is invalid.
        SourceError: the manifest is invalid.
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
    """Complete the manifest for the record of an image of schema 1 (STORE-021)."""
    if plan.config:
        diff_ids = parse_config(plan.config).diff_ids or ()
        if len(diff_ids) != len(manifest.content) or manifest.config_with(diff_ids) != plan.config:
            raise ValueError("the plan's config is not made of its manifest")
    known = manifest_digest(plan.manifest)
    return replace(
        stored,
        config=sha256_of(plan.config) if plan.config else None,
        layers=tuple(layer.digest for layer in manifest.content),
        empty=tuple(layer.digest for layer in manifest.empty),
        payload=None if known == stored.digest else known,
    )


def _refuse_full_disk(blobs: Blobs, missing: Sequence[LayerPlan]) -> None:
    """Refuse an image that is larger than the free space.

    Raises:
        StoreError: ``store.no_space``.
    """
    needed = sum(
        max(0, layer.descriptor.size - blobs.partial_usage(layer.descriptor.digest))
        for layer in missing
    )
    if needed:
        with files.using("statvfs", blobs.paths.root):
            disk = os.statvfs(blobs.paths.root)
        free = disk.f_bavail * disk.f_frsize
        if needed > free:
            raise StoreError("store.no_space", needed=needed, free=free, path=blobs.paths.root)
