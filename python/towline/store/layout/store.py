"""The embedded store: records, blobs and locks below one folder that other tools read as well."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from towline.cancel import CancelToken
from towline.errors import InvalidNameError, PathError, StoreError, VerificationError, step
from towline.name.digest import Digest, is_digest, parse_digest
from towline.name.reference import parse_normalized, parse_reference
from towline.store.layout import files, locks
from towline.store.layout.blobs import Blobs
from towline.store.layout.gc import Collected, sweep
from towline.store.layout.image import StoredImage
from towline.store.layout.ingest import LayoutIngest
from towline.store.layout.oci_index import EMPTY, OciIndex
from towline.store.layout.paths import StorePaths, is_id
from towline.store.layout.record_reader import RecordReader
from towline.store.layout.record_store import RecordStore
from towline.store.layout.records import Record
from towline.store.layout.verify import Verification, verify
from towline.store.layout.version import read_version, write_version
from towline.store.protocol import ImagePlan
from towline.transport.facts import StoreIdentity

__all__ = ["Durability", "LayoutStore", "Removed", "open_store"]

SHORTEST_ID = 3
_HEX = frozenset("0123456789abcdef")
_OCI_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'

Durability = Literal["process", "power"]


@dataclass(frozen=True, slots=True)
class Removed:
    """What `LayoutStore.remove` took away.

    Attributes:
        id: of the image.
        names: those that it lost.
        image: whether the image itself is gone; its blobs go with the next gc.
    """

    id: str
    names: tuple[str, ...]
    image: bool


def open_store(
    root: str | os.PathLike[str], *, create: bool = True, durability: Durability = "process"
) -> LayoutStore:
    """The embedded store in a folder, which may be an OCI layout already.

    Args:
        root: the folder.
        create: make the store where there is none.
        durability: what a stored image survives: the death of the process at any moment, or a
            loss of power too, for which blobs and folders are flushed as well.

    Raises:
        StoreError: ``store.missing``, ``store.newer``, ``store.not_a_folder``.
        PathError: the folder cannot be made or used.
    """
    paths = StorePaths.below(os.path.abspath(root))
    try:
        if read_version(paths) is not None:
            for folder in paths.folders():
                files.make_folder(folder)
        elif create:
            _make(paths)
        else:
            raise StoreError("store.missing", path=paths.root)
    except PathError:
        with step("opening-store", path=paths.root):
            raise
    power = durability == "power"
    store = LayoutStore(
        Blobs(paths, power), RecordStore(RecordReader(paths), OciIndex(paths), power)
    )
    store.recover()
    return store


def _make(paths: StorePaths) -> None:
    with files.using("mkdir", paths.root):
        os.makedirs(paths.root, exist_ok=True)
    for folder in paths.folders():
        files.make_folder(folder)
    with locks.acquire(paths.index_lock):
        for path, content in ((paths.layout_file, _OCI_LAYOUT), (paths.index, EMPTY)):
            if not os.path.lexists(path):
                files.write(paths.tmp, path, content, sync=True)
        write_version(paths)  # last: from here on it is one


@dataclass(frozen=True, slots=True)
class LayoutStore:
    """The embedded store.  Safe to share between threads, and with other processes."""

    _blobs: Blobs
    _records: RecordStore

    @property
    def identity(self) -> StoreIdentity:
        """As podman prints a store of plain folders."""
        root = self.root
        return StoreIdentity("vfs", root, f"{root}/towline/run")

    @property
    def root(self) -> str:
        """The absolute path of its folder."""
        return self._blobs.paths.root

    def blob_path(self, digest: Digest) -> str:
        """Where a blob lies, or would lie; for reading."""
        return self._blobs.paths.blob(digest)

    def document(self, digest: Digest, limit: int) -> bytes | None:
        """A manifest, list or config that is here, its digest checked.

        None where it is not here, is damaged, or has more than `limit` bytes.
        """
        size = self._blobs.size(digest)
        if size is None or size > limit:
            return None
        try:
            return self._blobs.get(digest)
        except (StoreError, VerificationError, PathError):  # then it is fetched, and put right
            return None

    # --- taking images ------------------------------------------------------

    def begin(self, plan: ImagePlan, *, cancel: CancelToken | None = None) -> LayoutIngest:
        """Begin to take an image; waits for a gc that is at work.

        Raises:
            StoreError: ``store.no_space`` where its layers cannot fit, ``store.invalid_id``.
            SourceError: its manifest cannot be read.
            InvalidNameError: one of its names or digests.
            PullCancelledError: while waiting.
        """
        return LayoutIngest(self._blobs, self._records, plan, cancel)

    # --- finding images -----------------------------------------------------

    def images(self) -> Sequence[StoredImage]:
        """All images whose records can be read, those with the newest names first."""
        records = self._records.reader.all()[0]
        return tuple(StoredImage(record, self._blobs, record.manifests[0]) for record in records)

    def image(self, name: str) -> StoredImage:
        """The image of a name, an ID (or the start of one, from three digits on), or a digest.

        A name is looked for as given, as Docker completes it, and below ``localhost/``.  A name or
        digest leads to the manifest that was pulled by it, an ID to the image's first one.

        Raises:
            StoreError: ``store.unknown_image``, ``store.ambiguous_id``, ``store.record_damaged``,
                ``store.record_undecided``.
        """
        record, key = self._find(name)
        return StoredImage(record, self._blobs, record.manifest_of(key))

    def holds(self, name: str) -> bool:
        """Whether an image has this full name, or is known by this digest."""
        try:
            return any(True for _ in self._records.reader.holding(name))
        except StoreError:  # of a record that cannot be read
            return False

    def find_id(self, prefix: str) -> str | None:
        """The ID that begins so, where exactly one does."""
        found = self._ids(prefix)
        return found[0] if len(found) == 1 else None

    # --- keeping the store --------------------------------------------------

    def remove(self, name: str) -> Removed:
        """Take a name from its image, or remove the image: by its last name, ID or digest.

        Raises:
            StoreError: ``store.unknown_image``, ``store.ambiguous_id``.
        """
        with self._records.locked():
            try:
                record, _ = self._find(name)
            except StoreError as error:
                damaged = str(error.facts.get("id", ""))
                if error.code.startswith("store.record_") and damaged.startswith(name):
                    self._records.forget_damaged(damaged)
                    return Removed(damaged, (), image=True)
                raise
            meant = next((known for known in _readings(name) if known in record.names), None)
            if meant is not None and len(record.names) > 1:
                self._records.forget(record, (meant,))
                return Removed(record.id, (meant,), image=False)
            self._records.forget(record, None)
            return Removed(record.id, record.names, image=True)

    def gc(self) -> Collected:
        """Remove the blobs that no image needs and no entry of other tools reaches.

        Raises:
            StoreError: ``store.busy`` where images are being taken: ``holders`` says by whom;
                ``store.record_damaged``, ``store.index_damaged``.
        """
        return sweep(self._blobs, self._records)

    def verify(self, name: str | None = None, *, cancel: CancelToken | None = None) -> Verification:
        """Read every byte that one image or all of them need, and compare with their digests.

        Raises:
            StoreError: ``store.unknown_image``, ``store.ambiguous_id``.
        """
        self.recover()
        only = None if name is None else self._find(name)[0]
        return verify(self._blobs, self._records, only, cancel or CancelToken())

    def recover(self) -> None:
        """Finish what a killed task left undone.  Where that may not be written, it is read on."""
        try:
            self._records.recover()
        except (PathError, StoreError):
            return  # the store can be read without it; the next change tries again

    def _find(self, name: str) -> tuple[Record, str]:
        """The record of an image, and what of it was meant: a name, a digest, or an ID."""
        if is_id(name) and (record := self._records.reader.get(name)):
            return record, record.id
        # "sha256:<hex>" is always a digest, never the tag of an image called sha256
        for key in () if is_digest(name) else _readings(name):
            for record in self._records.reader.holding(key):
                return record, key
        if (of_digest := self._of_digest(name)) is not None:
            return of_digest
        if len(name) >= SHORTEST_ID and not is_id(name):
            found = self._ids(name)
            if len(found) > 1:
                raise StoreError("store.ambiguous_id", id=name, ids=tuple(found))
            if found and (record := self._records.reader.get(found[0])):
                return record, record.id
        raise StoreError("store.unknown_image", name=name, path=self.root)

    def _of_digest(self, name: str) -> tuple[Record, str] | None:
        repository, at, text = name.rpartition("@")
        try:
            digest = str(parse_digest(text))
            wanted = {repository}
            if at:
                wanted = {parse_normalized(repository).name, parse_reference(repository).name}
            for record in self._records.reader.holding(digest):
                mine = [name for name in record.names if parse_reference(name).name in wanted]
                exact = [name for name in mine if str(record.manifest_of(name).known) == digest]
                if mine or not at:
                    return record, (exact or [digest])[0]
        except InvalidNameError:
            pass
        return None

    def _ids(self, prefix: str) -> list[str]:
        if not prefix or not _HEX.issuperset(prefix):
            return []
        return [image_id for image_id in self._records.reader.ids() if image_id.startswith(prefix)]


def _readings(name: str) -> list[str]:
    """The full names that a name may mean, the likeliest first."""
    readings = [name]
    try:
        readings.append(str(parse_normalized(name).tagged()))
        local = parse_normalized(f"localhost/{name}").tagged()
        readings.append(str(local))
    except InvalidNameError:
        pass  # then it is no name, or a full one already
    return list(dict.fromkeys(readings))
