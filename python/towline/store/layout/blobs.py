"""Blobs: content-addressed files, which are verified before they are renamed into place."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from towline.core import CoreError, hash_file
from towline.errors import InvalidNameError, PathError, StoreError, VerificationError, path_errors
from towline.frozen import frozen
from towline.name.digest import HEX_LENGTH, Digest, digest_of, parse_digest
from towline.store.layout import files
from towline.store.layout.stamps import Stamps, is_settled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from towline.cancel import CancelToken
    from towline.image.descriptor import Descriptor
    from towline.store.layout.paths import StorePaths

__all__ = ["BlobFile", "Blobs", "is_same_file"]

T = TypeVar("T")
_LARGEST_UNKNOWN = 4 << 30  # bytes of a file that is hashed if another size was listed


@frozen
class BlobFile:
    """The file of a blob or of a partial blob."""

    digest: Digest
    path: str
    size: int


@frozen
class Blobs:
    """The blobs of one store.

    Attributes:
        power: flush blobs and their folders, so that they survive a loss of power.
    """

    paths: StorePaths
    power: bool

    @property
    def stamps(self) -> Stamps:
        """The stamps of the store."""
        return Stamps(self.paths)

    def has(self, descriptor: Descriptor) -> bool:
        """Whether the blob is stored, was hashed (STORE-025), and is readable (STORE-022)."""
        found = self.candidate(descriptor.digest)
        return found is not None and self.stamps.matches(descriptor.digest, found)

    def candidate(self, digest: Digest) -> os.stat_result | None:
        """Return the readable file at the path of the blob; its bytes may be others."""
        path = self.paths.blob(digest)
        found = files.regular(path)
        return found if found is not None and files.allows(path, os.R_OK) else None

    def verify_existing(self, descriptor: Descriptor, cancel: CancelToken) -> os.stat_result | None:
        """Hash the file at the path of the blob, unless its stamp is valid (STORE-025).

        Returns:
            The status of the file; None if it is not the blob.

        Raises:
            PullCancelledError: the caller cancelled.
        """
        digest = descriptor.digest
        found = self.candidate(descriptor.digest)
        if found is None:
            return None
        if self.stamps.matches(digest, found):
            return found
        if _LARGEST_UNKNOWN < found.st_size != descriptor.size:
            return None
        try:
            got, _ = hash_file(self.paths.blob(digest), digest.algorithm, stop=cancel.stop)
        except CoreError:  # it cannot be read now, so it is fetched and replaced
            cancel.raise_if_cancelled()
            return None
        after = self.candidate(descriptor.digest)
        if got != str(digest) or after is None or not is_same_file(found, after):
            return None
        if is_settled(after):
            self.stamps.write(digest, after)
        return after

    def place(self, partial: str, digest: Digest) -> os.stat_result | None:
        """Rename a partial blob, whose bytes were just hashed, to the path of the blob.

        Returns:
            The status of the file; None if it was replaced meanwhile.
        """
        path = self.paths.blob(digest)
        before = files.regular(partial)
        with path_errors("rename", partial):
            os.replace(partial, path)
        with suppress(PathError):  # without a stamp it is hashed again
            after = files.regular(path)
            if before is not None and after is not None and is_same_file(before, after):
                self.stamps.write(digest, after)
                return after
        return None

    def size(self, digest: Digest) -> int | None:
        """Return the size of a stored blob; None if it is missing."""
        return files.regular_size(self.paths.blob(digest))

    def put(self, data: bytes, digest: Digest) -> None:
        """Store bytes as a blob; a damaged blob is replaced (STORE-022).

        Raises:
            VerificationError: ``verify.digest``.
        """
        got = digest_of(data, digest.algorithm)
        if got != digest:
            raise VerificationError("verify.digest", want=digest, got=got, size=len(data))
        path = self.paths.blob(digest)
        if (found := files.regular(path)) is not None and found.st_size == len(data):
            with suppress(PathError):
                if files.read(path) == data:
                    if is_settled(found) and not self.stamps.is_known(digest):
                        self.stamps.write(digest, found)
                    return
        self.make_folders(digest)
        files.write(self.paths.tmp, path, data, sync=self.power)
        with suppress(PathError):  # the stamp shows gc that the file is not of another tool
            if (written := files.regular(path)) is not None:
                self.stamps.write(digest, written)
        self.sync_folder(digest)

    def get(self, digest: Digest) -> bytes:
        """Return the bytes of a small blob.

        Raises:
            StoreError: ``store.blob_missing``, ``store.blob_closed``.
            VerificationError: ``verify.digest``.
        """
        data = self.opened(digest, files.read)
        got = digest_of(data, digest.algorithm)
        if got != digest:
            raise VerificationError("verify.digest", want=digest, got=got, size=len(data))
        return data

    def opened(self, digest: Digest, open_path: Callable[[str], T | None]) -> T:
        """Return what `open_path` returns for the path of a stored blob.

        Args:
            digest: of the blob.
            open_path: such as `files.read`; returns None if there is no regular file.

        Raises:
            StoreError: ``store.blob_missing``, ``store.blob_closed``.
        """
        path = self.paths.blob(digest)
        try:
            found = open_path(path)
        except PathError as error:
            reason = os.strerror(error.facts["errno"]).lower()
            raise StoreError(
                "store.blob_closed", digest=digest, path=path, reason=reason
            ) from error
        if found is None:
            raise StoreError("store.blob_missing", digest=digest)
        return found

    def partial_usage(self, digest: Digest) -> int:
        """How many bytes of the disk a partial blob uses, written or preallocated."""
        return files.disk_usage(self.paths.partial(digest))

    def sync_folder(self, digest: Digest) -> None:
        """Flush the folder of a blob that was just stored, if required by `power`."""
        if self.power:
            files.sync_folder(os.path.dirname(self.paths.blob(digest)))

    def stored(self) -> Iterator[BlobFile]:
        """Every stored blob; files with other names are ignored."""
        return _listed(self.paths.blobs, self.paths.blob)

    def partial(self) -> Iterator[BlobFile]:
        """Every partial blob."""
        return _listed(self.paths.partials, self.paths.partial)

    def make_folders(self, digest: Digest) -> None:
        """Create the folders of a blob and of its partial blob."""
        for parent in (self.paths.blobs, self.paths.partials):
            files.make_folder(f"{parent}/{digest.algorithm}")


def _listed(folder: str, path_of: Callable[[Digest], str]) -> Iterator[BlobFile]:
    for algorithm in HEX_LENGTH:
        if os.path.islink(f"{folder}/{algorithm}"):  # its files are outside the store
            continue
        with path_errors("readdir", f"{folder}/{algorithm}"):
            try:
                names = sorted(os.listdir(f"{folder}/{algorithm}"))
            except FileNotFoundError:
                continue
        for name in names:
            try:
                digest = parse_digest(f"{algorithm}:{name}")
            except InvalidNameError:
                continue
            size = files.regular_size(path_of(digest))
            if size is not None:
                yield BlobFile(digest, path_of(digest), size)


def is_same_file(before: os.stat_result, after: os.stat_result) -> bool:
    """Whether a file has the same inode, size and time of the last change of its content."""
    # Without ctime, which a rename or a hard link changes too.
    parts = (before.st_ino, before.st_size, before.st_mtime_ns)
    return parts == (after.st_ino, after.st_size, after.st_mtime_ns)
