"""The storing of one image."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from towline.errors import SourceError, StoreError, path_errors, step
from towline.frozen import replace
from towline.image.config import parse_config
from towline.image.schema1 import Schema1
from towline.name.digest import Digest, sha256_of
from towline.store.layout import locks
from towline.store.layout.blobs import is_same_file
from towline.store.layout.diff_ids import DiffIds
from towline.store.layout.image import StoredImage
from towline.store.layout.plan import check_plan, manifest_of
from towline.store.layout.records import Content, Proof, Record, StoredManifest
from towline.store.layout.version import unrepaired

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towline.cancel import CancelToken
    from towline.image.descriptor import Descriptor
    from towline.store.layout.blobs import Blobs
    from towline.store.layout.record_store import RecordStore
    from towline.store.layout.sink import LayoutSink
    from towline.store.protocol import ImagePlan, LayerPlan

__all__ = ["LayoutIngest"]

_MOST_PROOFS = 8  # of one publish; after them an image is stored separately


class LayoutIngest:
    """The storing of one image.  It holds the store's shared lock until it is closed."""

    __slots__ = (
        "_blobs",
        "_cancel",
        "_diff_ids",
        "_follow",
        "_hashed",
        "_manifest",
        "_plan",
        "_records",
        "_resources",
    )

    def __init__(
        self,
        blobs: Blobs,
        records: RecordStore,
        plan: ImagePlan,
        cancel: CancelToken,
        *,
        diff_ids: bool,
    ) -> None:
        self._blobs = blobs
        self._records = records
        self._plan = plan
        self._cancel = cancel
        self._diff_ids = DiffIds(blobs, cancel)
        self._hashed: dict[Digest, os.stat_result] = {}  # the files whose bytes were hashed
        self._manifest = check_plan(plan)
        # the config of schema 1 is made of the diff IDs
        self._follow = diff_ids or isinstance(self._manifest, Schema1)
        paths = blobs.paths
        with ExitStack() as stack:
            # Waits for gc, and holds no other lock meanwhile.
            log = locks.WaitLog("the store", paths.holders)
            lock = locks.acquire(paths.store_lock, shared=True, cancel=cancel, log=log)
            stack.enter_context(lock)
            purpose = f"pulling {plan.names[0] if plan.names else plan.id}"
            stack.enter_context(locks.holder_file(paths.holders, purpose))
            _refuse_full_disk(blobs, self.missing())
            self._resources = stack.pop_all()

    def missing(self) -> Sequence[LayerPlan]:
        """Return the layers whose blobs are not stored or not hashed, each once, lowest first."""
        found: dict[Digest, LayerPlan] = {}
        for layer in self._plan.layers:
            if not self._was_hashed(layer):
                found.setdefault(layer.descriptor.digest, layer)
        return tuple(found.values())

    def sink(self, layer: LayerPlan, /) -> LayoutSink | None:
        """Return the sink of a missing blob; wait while another task has it.

        None if the blob was stored meanwhile.  The caller must not hold another sink.

        Raises:
            PullCancelledError: the caller cancelled during the wait.
        """
        from towline.store.layout.sink import open_sink  # not needed if every blob is stored

        return open_sink(
            self._blobs,
            layer.descriptor,
            self._cancel,
            self._diff_ids,
            self._hashed,
            follow=self._follow,
        )

    def _was_hashed(self, layer: LayerPlan) -> bool:
        found = self._blobs.candidate(layer.descriptor.digest)
        known = self._hashed.get(layer.descriptor.digest)
        # A backup with hard links changes the ctime of the file, and so its stamp is not valid.
        if found is not None and known is not None and is_same_file(known, found):
            return True
        return self._blobs.has(layer.descriptor)

    def _is_stored(self, layer: LayerPlan) -> bool:
        if self._was_hashed(layer):
            return True
        return self._blobs.verify_existing(layer.descriptor, self._cancel) is not None

    def diff_id(self, layer: LayerPlan, /) -> Digest:
        """Return the diff ID of a stored layer; it is decompressed if that was not done yet.

        Raises:
            StoreError: ``store.blob_missing``.
            SourceError: ``core.layer``: the layer cannot be decompressed, or is not a tar.
            PullCancelledError: the caller cancelled.
        """
        return self._diff_ids.of(layer.descriptor.digest)

    def publish(self) -> StoredImage:
        """Make the image and its names visible, atomically.

        Layers are decompressed only if the image is of schema 1, or if the ID belongs to an image
        with other layers (STORE-004).

        Raises:
            StoreError: ``store.incomplete`` if a blob is missing, ``store.id_in_use`` if a
                requested ID belongs to another image; the store is unchanged.
            SourceError: a layer of schema 1 is not a layer; within the step ``applying-layer``.
        """
        plan, parsed = self._plan, self._manifest
        for layer in plan.layers:
            if not self._is_stored(layer):
                raise StoreError("store.incomplete", id=plan.id, digest=layer.descriptor.digest)
        if isinstance(parsed, Schema1):
            plan = self._with_made_config(plan, parsed)
        manifest = manifest_of(plan, parsed)
        self._blobs.put(plan.manifest.data, manifest.digest)
        if manifest.config is not None:
            self._blobs.put(plan.config, manifest.config)
        if plan.listed is not None:
            self._blobs.put(plan.listed.data, plan.listed.digest)
        manifest = replace(manifest, proof=_proof(plan.config, manifest, self._diff_ids.known()))
        self._cancel.raise_if_cancelled()
        return StoredImage(self._published(plan, manifest), self._blobs, manifest)

    def _with_made_config(self, plan: ImagePlan, manifest: Schema1) -> ImagePlan:
        """The plan with the config that is made of the layers, and its ID (MANIFEST-024)."""
        diff_ids = []
        for layer in manifest.content:
            with step("applying-layer", digest=layer.digest):
                diff_ids.append(self._diff_ids.of(layer.digest))
        config = manifest.config_with(diff_ids)
        return replace(plan, id=plan.id or sha256_of(config).hex, config=config)

    def _published(self, plan: ImagePlan, manifest: StoredManifest) -> Record:
        """Store the record; layers are decompressed without holding the index lock."""
        if unrepaired(self._blobs.paths):
            from towline.store.layout.repair import repair  # of a store of an older version

            repair(self._blobs, self._records, self._cancel)
        lists = () if plan.listed is None else (str(plan.listed.digest),)
        evidence: dict[Content, Proof] = {}
        while True:
            with self._records.locked(self._cancel):
                record = self._records.store(
                    plan.id, manifest, lists, plan.names, evidence, cancel=self._cancel
                )
            if isinstance(record, Record):
                return record
            # Another task may have changed the record meanwhile, so the loop has a limit.
            examine = len(evidence) < _MOST_PROOFS
            evidence[record.content] = self._prove(record) if examine else Proof.UNREADABLE

    def _prove(self, manifest: StoredManifest) -> Proof:
        from towline.store.layout.proof import prove  # rarely needed

        return prove(self._blobs, manifest, self._cancel)

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
    if not config or not set(manifest.layers) <= diff_ids.keys():
        return None
    try:
        listed = parse_config(config).diff_ids
    except SourceError:  # the config of an artifact is another document
        return None
    if not listed:
        return None
    equal = listed == tuple(diff_ids[layer] for layer in manifest.layers)
    return Proof.PROVEN if equal else Proof.REFUTED


def _refuse_full_disk(blobs: Blobs, missing: Sequence[LayerPlan]) -> None:
    """Refuse an image that is larger than the free space.

    Raises:
        StoreError: ``store.no_space``.
    """
    needed = sum(_needed(blobs, layer.descriptor) for layer in missing)
    if needed:
        with path_errors("statvfs", blobs.paths.root):
            disk = os.statvfs(blobs.paths.root)
        free = disk.f_bavail * disk.f_frsize
        if needed > free:
            raise StoreError("store.no_space", needed=needed, free=free, path=blobs.paths.root)


def _needed(blobs: Blobs, listed: Descriptor) -> int:
    """How many bytes of the disk a missing blob needs."""
    found = blobs.candidate(listed.digest)
    if found is not None and found.st_size == listed.size:
        return 0
    return max(0, listed.size - blobs.partial_usage(listed.digest))
