"""Verifies all blobs of images, and the lookup files and index.json against the records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from towline.core import CoreError, hash_file, layer_pass
from towline.errors import PathError, StoreError, TowlineError, VerificationError
from towline.frozen import frozen
from towline.image.oci_layout import is_layout_name
from towline.store.layout import files, name_index
from towline.store.layout.oci_index import NAMELESS, entry_line, shown_names
from towline.store.layout.proof import named_diff_ids

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from towline.cancel import CancelToken
    from towline.name.digest import Digest
    from towline.store.layout.blobs import Blobs
    from towline.store.layout.record_store import RecordStore
    from towline.store.layout.records import Record, StoredManifest

__all__ = ["Verification", "verify"]


@frozen
class Verification:
    """The result of a verification.

    Attributes:
        images, blobs, bytes: how many were verified; each blob is counted once.
        diff_ids: how many layers were decompressed to compare them with their config.
        faults: the errors that were found, each with its code and facts.
    """

    images: int
    blobs: int
    bytes: int
    diff_ids: int
    faults: tuple[TowlineError, ...]

    @property
    def clean(self) -> bool:
        """Whether no error was found."""
        return not self.faults


def verify(
    blobs: Blobs, records: RecordStore, only: Record | None, cancel: CancelToken
) -> Verification:
    """Verify one image; or all images, the lookup files and index.json."""
    check = _Check(blobs, cancel)
    if only is not None:
        check.image(only)
        return check.report(images=1)
    found, damaged = records.reader.all()
    check.faults.extend(damaged)
    for record in found:
        before = len(check.faults)
        check.image(record)
        if len(check.faults) > before and not _is_current(records, record):
            del check.faults[before:]  # it was removed or changed meanwhile
    check.faults.extend(_index_and_lookup_faults(records, cancel))
    return check.report(images=len(found))


def _is_current(records: RecordStore, record: Record) -> bool:
    try:
        now = records.reader.get(record.id)
    except StoreError:  # reported with the damaged records of the next verify
        return False
    return now is not None and now.blobs() >= record.blobs()


@dataclass(slots=True)
class _Check:
    store: Blobs
    cancel: CancelToken
    faults: list[TowlineError] = field(default_factory=list)
    sizes: dict[Digest, int] = field(default_factory=dict)
    diff_ids: dict[Digest, str] = field(default_factory=dict)
    failed: set[Digest] = field(default_factory=set)

    def report(self, images: int) -> Verification:
        return Verification(
            images=images,
            blobs=len(self.sizes),
            bytes=sum(self.sizes.values()),
            diff_ids=len(self.diff_ids),
            faults=tuple(self.faults),
        )

    def image(self, record: Record) -> None:
        self.cancel.raise_if_cancelled()
        for manifest in record.manifests:
            for digest in (*manifest.documents(), *manifest.empty):
                self.blob(record, digest)
            wanted = self._diff_ids(record, manifest)
            for index, layer in enumerate(manifest.layers):
                if wanted is None:
                    self.blob(record, layer)
                else:
                    self.layer(record, layer, wanted[index])

    def blob(self, record: Record, digest: Digest) -> None:
        """Hash a blob, unless it was hashed before."""
        if digest in self.sizes or digest in self.failed:
            return
        self.cancel.raise_if_cancelled()
        path = self.store.paths.blob(digest)
        if files.regular_size(path) is None:
            self.failed.add(digest)
            self.faults.append(StoreError("store.blob_missing", digest=digest, image=record.id))
            return
        try:
            got, size = hash_file(path, digest.algorithm, stop=self.cancel.stop)
        except CoreError as error:
            self.cancel.raise_if_cancelled()
            self.failed.add(digest)
            self.faults.append(_unreadable(digest, path, error))
            return
        if got == str(digest):
            self.sizes[digest] = size
        else:
            self.failed.add(digest)
            self.store.stamps.invalidate(digest)  # so that the next pull replaces it
            self.faults.append(
                StoreError("store.blob_damaged", digest=digest, got=got, size=size, path=path)
            )

    def layer(self, record: Record, digest: Digest, wanted: Digest) -> None:
        """Verify the digest and the diff ID of a layer, in one pass if possible."""
        if digest not in self.diff_ids and digest not in self.failed:
            self._pass(record, digest)
        got = self.diff_ids.get(digest)
        if got is not None and got != str(wanted):
            image = record.names[0] if record.names else record.id
            self.faults.append(
                VerificationError("verify.diff_id", want=wanted, got=got, layer=digest, image=image)
            )

    def _pass(self, record: Record, digest: Digest) -> None:
        self.cancel.raise_if_cancelled()
        path = self.store.paths.blob(digest)
        try:
            facts = layer_pass(path, stop=self.cancel.stop)
        except CoreError as error:
            self.cancel.raise_if_cancelled()
            self.blob(record, digest)  # adds its own fault if the blob is damaged
            if digest not in self.failed:
                self.failed.add(digest)
                self.faults.append(_unreadable(digest, path, error))
            return
        if facts.digest == str(digest):
            self.sizes[digest] = facts.size
        else:  # damaged, or its algorithm is not SHA-256
            self.blob(record, digest)
        if digest in self.sizes:
            self.diff_ids[digest] = facts.diff_id

    def _diff_ids(self, record: Record, manifest: StoredManifest) -> Sequence[Digest] | None:
        """The diff ID of each layer in the config; None if it does not have one for each."""
        if manifest.config is None or manifest.config in self.failed:
            return None
        try:
            listed = named_diff_ids(self.store, manifest)
        except TowlineError:  # the config of an artifact, or an unreadable one
            return None
        if listed is not None and len(listed) != len(manifest.layers):
            image = record.names[0] if record.names else record.id
            counts = {"layers": len(manifest.layers), "diff_ids": len(listed)}
            self.faults.append(StoreError("store.diff_id_count", image=image, **counts))
            return None
        # the layer pass supports SHA-256 only
        compared = listed is not None and all(each.algorithm == "sha256" for each in listed)
        return listed if compared else None


def _unreadable(digest: Digest, path: str, error: CoreError) -> StoreError:
    if error.code == "io":
        reason = error.detail.removeprefix(f"{path}: ").lower()
        return StoreError("store.blob_closed", digest=digest, path=path, reason=reason)
    return StoreError(
        "store.blob_unreadable",
        digest=digest,
        code=error.code,
        offset=error.offset,
        detail=error.detail,
    )


def _index_and_lookup_faults(records: RecordStore, cancel: CancelToken) -> Sequence[TowlineError]:
    """The errors in lookup files and index.json."""
    faults = (*_lookup_faults(records, cancel), *_index_faults(records))
    if not faults:
        return ()
    try:
        with records.locked(cancel):  # a change may have been in progress
            return (*_lookup_faults(records, cancel), *_index_faults(records))
    except PathError:  # a read-only store, which has no changes in progress
        return faults


def _lookup_faults(records: RecordStore, cancel: CancelToken) -> Iterator[TowlineError]:
    for record in records.reader.all()[0]:
        cancel.raise_if_cancelled()
        for key in record.lookup_keys():
            if record.id not in (name_index.ids(records.paths, key) or ()):
                yield StoreError("store.lookup_wrong", key=key, id=record.id)


def _index_faults(records: RecordStore) -> Iterator[TowlineError]:
    path = records.paths.index
    try:
        lines = records.oci_index.names()
        nameless = records.oci_index.nameless()
        foreign = records.oci_index.foreign_names()
    except StoreError as error:
        yield error
        return
    for record in records.reader.all()[0]:
        if shown_names(record) == (NAMELESS,):
            entry = entry_line(record, NAMELESS)
            if entry not in nameless:
                yield StoreError("store.index_differs", path=path, name=record.id)
            nameless.discard(entry)
        for name in record.names:
            line = lines.pop(name, None)
            if name in foreign or not is_layout_name(name):
                continue
            if line != entry_line(record, name):
                yield StoreError("store.index_differs", path=path, name=name)
    stray = [name for name in lines if name not in foreign] + ["<none>"] * len(nameless)
    for name in stray:
        yield StoreError("store.index_differs", path=path, name=name)
