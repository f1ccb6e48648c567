"""The embedded store: records, blobs and locks in a folder that is also an OCI layout."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, Self

from towline.cancel import CancelToken
from towline.errors import (
    InvalidNameError,
    PathError,
    StoreError,
    VerificationError,
    path_errors,
)
from towline.frozen import frozen
from towline.name.digest import Digest, is_digest, parse_digest
from towline.name.reference import parse_normalized, parse_reference
from towline.store.layout import files, locks
from towline.store.layout.blobs import Blobs
from towline.store.layout.image import StoredImage
from towline.store.layout.oci_index import EMPTY, OciIndex
from towline.store.layout.paths import StorePaths, is_id
from towline.store.layout.record_reader import RecordReader
from towline.store.layout.record_store import RecordStore
from towline.store.layout.version import read_version, write_version
from towline.transport.facts import StoreIdentity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from towline.store.layout.gc import Collected
    from towline.store.layout.records import Record
    from towline.store.layout.verify import Verification
    from towline.store.protocol import ImagePlan, Ingest, LayerReader

__all__ = ["Durability", "LayoutStore", "Removed", "open_store"]

SHORTEST_ID = 3
PRINTED_ID = 12  # digits of an ID in the output of commands
_HEX = frozenset("0123456789abcdef")
_OCI_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'

Durability = Literal["process", "power"]


@frozen
class Removed:
    """The result of `LayoutStore.remove`.

    Attributes:
        id: the ID of the image.
        names: the names that were removed.
        image: whether the image was removed; its blobs are removed by the next gc.
    """

    id: str
    names: tuple[str, ...]
    image: bool


def open_store(
    root: str | os.PathLike[str], *, create: bool = True, durability: Durability = "process"
) -> LayoutStore:
    """Open the embedded store in a folder, which may already be an OCI layout.

    Args:
        root: the folder.
        create: create the store if there is none.
        durability: stored images survive a kill of the process with ``"process"``, and also a loss
            of power with ``"power"``, which flushes every blob and folder to the disk.

    Raises:
        StoreError: ``store.missing``, ``store.newer``, ``store.not_a_folder``.
        PathError: the folder cannot be created or used.
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
    except PathError as error:
        raise error.during("opening-store", path=paths.root) from None
    power = durability == "power"
    store = LayoutStore(
        Blobs(paths, power), RecordStore(RecordReader(paths), OciIndex(paths), power)
    )
    store.recover()
    return store


def _make(paths: StorePaths) -> None:
    with path_errors("mkdir", paths.root):
        os.makedirs(paths.root, exist_ok=True)
    for folder in paths.folders():
        files.make_folder(folder)
    with locks.acquire(paths.index_lock):
        for path, content in ((paths.layout_file, _OCI_LAYOUT), (paths.index, EMPTY)):
            files.create(paths.tmp, path, content)
        write_version(paths)  # last, since it marks the folder as a store


@frozen
class LayoutStore:
    """The embedded store; `towline.open_store` opens one.

    It can be used by several threads and processes at the same time.
    """

    _blobs: Blobs
    _records: RecordStore

    def __repr__(self) -> str:
        return f"<LayoutStore {self.root}>"

    @property
    def identity(self) -> StoreIdentity:
        """The driver and paths of the store, as podman prints them."""
        root = self.root
        return StoreIdentity("vfs", root, f"{root}/towline/run")

    @property
    def root(self) -> str:
        """The absolute path of the folder."""
        return self._blobs.paths.root

    def document(self, digest: Digest, limit: int, /) -> bytes | None:
        """Return a stored manifest, list or config after checking its digest.

        None if it is missing, damaged, or larger than `limit` bytes.
        """
        size = self._blobs.size(digest)
        if size is None or size > limit:
            return None
        try:
            return self._blobs.get(digest)
        except (StoreError, VerificationError, PathError):  # then a pull fetches and replaces it
            return None

    # --- storing images -----------------------------------------------------

    def begin(
        self, plan: ImagePlan, /, *, diff_ids: bool = False, cancel: CancelToken | None = None
    ) -> Ingest:
        """Begin to store an image; wait for a running gc.

        Args:
            plan: the image.
            diff_ids: decompress the layers while they are written.
            cancel: ends every wait.

        Raises:
            StoreError: ``store.no_space`` if the disk has too little space, ``store.invalid_id``.
            SourceError: the manifest is invalid.
            InvalidNameError: one of the names or digests is invalid.
            PullCancelledError: the caller cancelled during the wait.
        """
        from towline.store.layout.ingest import LayoutIngest

        token = CancelToken() if cancel is None else cancel
        return LayoutIngest(self._blobs, self._records, plan, token, diff_ids=diff_ids)

    # --- finding images -----------------------------------------------------

    def images(self) -> Sequence[StoredImage]:
        """Return all images with valid records, those with the newest names first."""
        records = self._records.reader.all()[0]
        return tuple(StoredImage(record, self._blobs, record.manifests[0]) for record in records)

    def image(self, name: str | Digest, /) -> StoredImage:
        """Return the image of a name, an ID (or a prefix of three or more digits), or a digest.

        A name is looked up as given, as completed by Docker's rules, and under ``localhost/``.
        The result has the manifest that was pulled by the name or digest; for an ID, the first.

        Raises:
            StoreError: ``store.unknown_image``, ``store.ambiguous_id``, ``store.record_damaged``,
                ``store.record_undecided``.
        """
        record, key = self._find(str(name))
        return StoredImage(record, self._blobs, record.manifest_of(key))

    def open_layer(self, digest: Digest, /) -> LayerReader:
        """Open the blob of a layer, as it was fetched; its digest is verified at the end.

        Raises:
            StoreError: ``store.blob_missing``, ``store.blob_closed``.
        """
        from towline.store.layout.layer_reader import open_layer

        return open_layer(self._blobs, digest)

    def holds(self, name: str, /) -> bool:
        """Whether an image has this full name or digest."""
        try:
            return any(True for _ in self._records.reader.with_key(name))
        except StoreError:  # a damaged, undecided or unreadable record
            return False

    def find_id(self, prefix: str, /) -> str | None:
        """Return the only ID with this prefix, else None."""
        found = self._ids(prefix)
        return found[0] if len(found) == 1 else None

    def __iter__(self) -> Iterator[StoredImage]:
        """Iterate over `images`."""
        return iter(self.images())

    def __len__(self) -> int:
        """The number of `images`."""
        return len(self.images())

    def __contains__(self, name: object, /) -> bool:
        """Whether `image` finds a name, an ID (or a prefix of one), or a digest."""
        try:
            return isinstance(name, str | Digest) and bool(self.image(name).id)
        except StoreError as error:
            if error.code in ("store.unknown_image", "store.ambiguous_id"):
                return False
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: a store holds nothing open."""

    # --- maintenance --------------------------------------------------------

    def remove(self, name: str) -> Removed:
        """Remove a name from its image, or the image if given its last name, its ID or a digest.

        Raises:
            StoreError: ``store.unknown_image``, ``store.ambiguous_id``.
        """
        with self._records.locked(freeing=True):
            try:
                record, _ = self._find(name)
            except StoreError as error:
                damaged = str(error.facts.get("id", ""))
                # Only a whole ID, or as much of it as is printed, certainly means this record.
                lost = error.code in ("store.record_damaged", "store.record_undecided")
                if lost and len(name) >= PRINTED_ID and damaged.startswith(name):
                    self._records.remove_damaged(damaged)
                    return Removed(damaged, (), image=True)
                raise
            found = next((full for full in _full_names(name) if full in record.names), None)
            if found is not None and len(record.names) > 1:
                self._records.remove(record, (found,))
                return Removed(record.id, (found,), image=False)
            self._records.remove(record, None)
            return Removed(record.id, record.names, image=True)

    def gc(self) -> Collected:
        """Remove the blobs that neither an image nor an index entry of another tool reaches.

        Raises:
            StoreError: ``store.busy`` during a pull, with the processes as ``holders``;
                ``store.record_damaged``, ``store.index_damaged``.
        """
        from towline.store.layout.gc import collect

        return collect(self._blobs, self._records)

    def verify(self, name: str | None = None, *, cancel: CancelToken | None = None) -> Verification:
        """Verify the digests of all blobs of one image, or of all images.

        Raises:
            StoreError: ``store.unknown_image``, ``store.ambiguous_id``.
        """
        from towline.store.layout.verify import verify

        self.recover()
        only = None if name is None else self._find(name)[0]
        return verify(self._blobs, self._records, only, cancel or CancelToken())

    def recover(self) -> None:
        """Finish the change of a killed task; if the store is read-only, leave it unfinished."""
        try:
            self._records.recover()
        except (PathError, StoreError):
            return  # reading is possible without it; the next change tries again

    def _find(self, name: str) -> tuple[Record, str]:
        """The record of an image, and the key by which it was found: a name, a digest or an ID."""
        if name.startswith("@") and is_id(name[1:]):  # how a pull names an image without a name
            name = name[1:]
        if is_id(name) and (record := self._records.reader.get(name)):
            return record, record.id
        # What has the length of a printed ID is first looked up as an ID: anybody can give an
        # image such a name.
        if len(name) >= PRINTED_ID and (record := self._find_id_prefix(name)):
            return record, record.id
        # "sha256:<hex>" is always a digest, never a tag of the repository "sha256"
        for key in () if is_digest(name) else _full_names(name):
            for record in self._records.reader.with_key(key):
                return record, key
        if (by_digest := self._find_digest(name)) is not None:
            return by_digest
        if len(name) >= SHORTEST_ID and (record := self._find_id_prefix(name)):
            return record, record.id
        raise StoreError("store.unknown_image", name=name, path=self.root)

    def _find_id_prefix(self, prefix: str) -> Record | None:
        if is_id(prefix):
            return None
        found = self._ids(prefix)
        if len(found) > 1:
            raise StoreError("store.ambiguous_id", id=prefix, ids=tuple(found))
        return self._records.reader.get(found[0]) if found else None

    def _find_digest(self, name: str) -> tuple[Record, str] | None:
        repository, at, text = name.rpartition("@")
        try:
            digest = str(parse_digest(text))
            wanted = {repository}
            if at:
                wanted = {parse_normalized(repository).name, parse_reference(repository).name}
            for record in self._records.reader.with_key(digest):
                names = [name for name in record.names if parse_reference(name).name in wanted]
                exact = [
                    name for name in names if str(record.manifest_of(name).lookup_digest) == digest
                ]
                if names or not at:
                    return record, (exact or [digest])[0]
        except InvalidNameError:
            pass
        return None

    def _ids(self, prefix: str) -> list[str]:
        if not prefix or not _HEX.issuperset(prefix):
            return []
        return [image_id for image_id in self._records.reader.ids() if image_id.startswith(prefix)]


def _full_names(name: str) -> list[str]:
    """The full names that a name may stand for, in the order of the lookups."""
    names = [name]
    try:
        names.append(str(parse_normalized(name).tagged()))
        local = parse_normalized(f"localhost/{name}").tagged()
        names.append(str(local))
    except InvalidNameError:
        pass  # not a name, or not valid under localhost/
    return list(dict.fromkeys(names))
