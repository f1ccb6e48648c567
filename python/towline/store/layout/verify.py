"""Verification: every byte of what the images need, and whether lookups and view say the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from towline.cancel import CancelToken
from towline.core import CoreError, hash_file, layer_pass
from towline.errors import PathError, StoreError, TowlineError, VerificationError
from towline.name.digest import Digest
from towline.store.layout import files, name_index
from towline.store.layout.blobs import Blobs
from towline.store.layout.oci_index import NAMELESS, entry_line, is_legal_name, shown_names
from towline.store.layout.proof import named_diff_ids
from towline.store.layout.record_store import RecordStore
from towline.store.layout.records import Record, StoredManifest

__all__ = ["Verification", "verify"]


@dataclass(frozen=True, slots=True)
class Verification:
    """What was checked, and what is wrong.

    Attributes:
        images, blobs, bytes: how many were read; each blob once.
        diff_ids: layers that were decompressed and compared with their config.
        faults: errors that were found, each with its code and facts; none was raised.
    """

    images: int
    blobs: int
    bytes: int
    diff_ids: int
    faults: tuple[TowlineError, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


def verify(
    blobs: Blobs, records: RecordStore, only: Record | None, cancel: CancelToken
) -> Verification:
    """Verify one image, or all of them and what binds them together."""
    check = _Check(blobs, cancel)
    if only is not None:
        check.image(only)
        return check.report(images=1)
    found, damaged = records.reader.all()
    check.faults.extend(damaged)
    for record in found:
        before = len(check.faults)
        check.image(record)
        if len(check.faults) > before and not _still_so(records, record):
            del check.faults[before:]  # it was removed while it was read
    check.faults.extend(_view_faults(records, cancel))
    return check.report(images=len(found))


def _still_so(records: RecordStore, record: Record) -> bool:
    now = records.reader.get(record.id)
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
        for manifest in record.manifests:
            for digest in (*manifest.documents(), *manifest.empty):
                self.blob(record, digest)
            wanted = self._diff_ids(manifest)
            for place, layer in enumerate(manifest.layers):
                if wanted is None:
                    self.blob(record, layer)
                else:
                    self.layer(record, layer, wanted[place])

    def blob(self, record: Record, digest: Digest) -> None:
        """Hash a blob, once."""
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
            self.faults.append(
                StoreError("store.blob_damaged", digest=digest, got=got, size=size, path=path)
            )

    def layer(self, record: Record, digest: Digest, wanted: Digest) -> None:
        """Hash a layer and what it is uncompressed, in one pass where that can be."""
        if digest not in self.diff_ids and digest not in self.failed:
            self._pass(record, digest)
        got = self.diff_ids.get(digest)
        if got is not None and got != str(wanted):
            self.faults.append(
                VerificationError("verify.diff_id", want=wanted, got=got, layer=digest)
            )

    def _pass(self, record: Record, digest: Digest) -> None:
        self.cancel.raise_if_cancelled()
        path = self.store.paths.blob(digest)
        try:
            facts = layer_pass(path, stop=self.cancel.stop)
        except CoreError as error:
            self.cancel.raise_if_cancelled()
            self.blob(record, digest)  # a damaged blob is told as one
            if digest not in self.failed:
                self.failed.add(digest)
                self.faults.append(_unreadable(digest, path, error))
            return
        if facts.digest == str(digest):
            self.sizes[digest] = facts.size
        else:  # damaged, or named by another algorithm than the pass knows
            self.blob(record, digest)
        if digest in self.sizes:
            self.diff_ids[digest] = facts.diff_id

    def _diff_ids(self, manifest: StoredManifest) -> Sequence[Digest] | None:
        """What the config says of each layer; None where it does not say it of each."""
        if manifest.config is None or manifest.config in self.failed:
            return None
        try:
            return named_diff_ids(self.store, manifest)
        except TowlineError:  # a config of another kind, as artifacts have
            return None


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


def _view_faults(records: RecordStore, cancel: CancelToken) -> Sequence[TowlineError]:
    """What lookups and index.json say wrongly."""
    faults = (*_lookup_faults(records), *_index_faults(records))
    if not faults:
        return ()
    try:
        with records.locked(cancel):  # perhaps they were being changed just now
            return (*_lookup_faults(records), *_index_faults(records))
    except PathError:  # in a store that may only be read nobody is changing them
        return faults


def _lookup_faults(records: RecordStore) -> Iterator[TowlineError]:
    for record in records.reader.all()[0]:
        for key in record.handles():
            if record.id not in (name_index.ids(records.paths, key) or ()):
                yield StoreError("store.lookup_wrong", key=key, id=record.id)


def _index_faults(records: RecordStore) -> Iterator[TowlineError]:
    path = records.paths.index
    try:
        lines = records.view.names()
        nameless = records.view.nameless()
        foreign = records.view.foreign_names()
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
            if name in foreign or not is_legal_name(name):
                continue
            if line != entry_line(record, name):
                yield StoreError("store.index_differs", path=path, name=name)
    stray = [name for name in lines if name not in foreign] + ["<none>"] * len(nameless)
    for name in stray:
        yield StoreError("store.index_differs", path=path, name=name)
