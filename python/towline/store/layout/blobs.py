"""Blobs: content-addressed files, which are verified before they are renamed into place."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Self

from towline.cancel import CancelToken
from towline.core import BlobWriter, CoreError, Stop
from towline.errors import InvalidNameError, PathError, StoreError, VerificationError
from towline.image.descriptor import Descriptor
from towline.name.digest import HEX_LENGTH, Digest, digest_of, parse_digest
from towline.store.layout import files, locks
from towline.store.layout.paths import StorePaths

__all__ = ["BlobFile", "Blobs", "LayoutSink", "VerifiedBlob"]

_COMMITTED = object()


@dataclass(frozen=True, slots=True)
class VerifiedBlob:
    """A blob whose digest and size were verified.  Only the commit of a sink creates one."""

    digest: Digest
    size: int
    _proof: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self._proof is not _COMMITTED:
            raise TypeError("a VerifiedBlob is made by the commit of a sink, and by nothing else")


@dataclass(frozen=True, slots=True)
class BlobFile:
    """The file of a blob or of a partial blob."""

    digest: Digest
    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Blobs:
    """The blobs of one store.

    Attributes:
        power: flush blobs and their folders, so that they survive a loss of power.
    """

    paths: StorePaths
    power: bool

    def has(self, descriptor: Descriptor) -> bool:
        """Whether the blob is stored, has the size in the descriptor, and is readable."""
        size = self.size(descriptor.digest)
        if size is None or descriptor.size not in (size, -1):
            return False
        return files.allows(self.paths.blob(descriptor.digest), os.R_OK)  # STORE-022

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
        if files.regular_size(path) == len(data):
            with suppress(PathError):
                if files.read(path) == data:
                    return
        self._make_folder(self.paths.blobs, digest)
        files.write(self.paths.tmp, path, data, sync=self.power)
        self.sync_folder(digest)

    def get(self, digest: Digest) -> bytes:
        """Return the bytes of a small blob.

        Raises:
            StoreError: ``store.blob_missing``, ``store.blob_closed``.
            VerificationError: ``verify.digest``.
        """
        path = self.paths.blob(digest)
        try:
            data = files.read(path)
        except PathError as error:
            reason = os.strerror(error.facts["errno"]).lower()
            raise StoreError(
                "store.blob_closed", digest=digest, path=path, reason=reason
            ) from error
        if data is None:
            raise StoreError("store.blob_missing", digest=digest)
        got = digest_of(data, digest.algorithm)
        if got != digest:
            raise VerificationError("verify.digest", want=digest, got=got, size=len(data))
        return data

    def partial_usage(self, digest: Digest) -> int:
        """How many bytes of the disk a partial blob uses, written or preallocated."""
        return files.disk_usage(self.paths.partial(digest))

    def sink(self, descriptor: Descriptor, cancel: CancelToken | None) -> LayoutSink | None:
        """Return the sink of a missing blob, or None if it is stored; wait for other tasks."""
        digest = descriptor.digest
        with ExitStack() as stack:
            lock = locks.acquire(self.paths.blob_lock(digest), temporary=True, cancel=cancel)
            stack.enter_context(lock)
            if self.has(descriptor):
                return None
            self._make_folder(self.paths.blobs, digest)
            self._make_folder(self.paths.partials, digest)
            stop = None if cancel is None else cancel.stop
            sink = LayoutSink(self, descriptor, lock, stop)
            stack.pop_all()  # now the sink releases the lock
            return sink

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

    def _make_folder(self, parent: str, digest: Digest) -> None:
        files.make_folder(f"{parent}/{digest.algorithm}")


def _listed(folder: str, path_of: Callable[[Digest], str]) -> Iterator[BlobFile]:
    for algorithm in HEX_LENGTH:
        if os.path.islink(f"{folder}/{algorithm}"):  # its files are outside the store
            continue
        with files.using("readdir", f"{folder}/{algorithm}"):
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


class LayoutSink:
    """Takes the bytes of one missing blob; holds the lock of the blob until it is closed."""

    __slots__ = ("_blobs", "_descriptor", "_lock", "_offset", "_path", "_stop", "_writer")

    def __init__(
        self, blobs: Blobs, descriptor: Descriptor, lock: locks.Lock, stop: Stop | None
    ) -> None:
        self._blobs = blobs
        self._stop = stop
        self._descriptor = descriptor
        self._path = blobs.paths.partial(descriptor.digest)
        self._writer = self._open(resume=_resumable(self._path, descriptor.size))
        self._offset = self._writer.offset
        self._lock = lock

    @property
    def offset(self) -> int:
        """How many bytes an earlier attempt has stored; 0 after a restart."""
        return self._offset

    @property
    def writer(self) -> BlobWriter:
        """The writer, which takes the bytes from its ``offset`` on; replaced by a restart."""
        return self._writer

    def restart(self) -> None:
        """Drop the stored bytes, and start at offset 0."""
        self._drop()
        self._writer = self._open(resume=False)
        self._offset = 0

    def commit(self) -> VerifiedBlob:
        """Verify the digest and size, and store the blob; `restart` is possible after a failure.

        Raises:
            VerificationError: ``verify.digest``, ``verify.size``; the bytes are dropped.
            StoreError: ``store.write_failed``; the written bytes are kept.
        """
        want = self._descriptor.digest
        try:
            text, size = self._writer.finish(self._blobs.power)
        except CoreError as error:
            raise StoreError("store.write_failed", path=self._path, reason=error.detail) from None
        got = parse_digest(text)
        if got != want:
            self._drop()
            raise VerificationError("verify.digest", want=want, got=got, size=size)
        if self._descriptor.size not in (size, -1):
            self._drop()
            raise VerificationError("verify.size", want=self._descriptor.size, got=size, size=size)
        with files.using("rename", self._path):
            os.replace(self._path, self._blobs.paths.blob(want))
        self._blobs.sync_folder(want)
        return VerifiedBlob(want, size, _COMMITTED)

    def close(self) -> None:
        """Close it; bytes that were not committed are kept for the next attempt."""
        self._writer.abort()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, *, resume: bool) -> BlobWriter:
        algorithm = self._descriptor.digest.algorithm
        try:
            return BlobWriter(self._path, resume=resume, algorithm=algorithm, stop=self._stop)
        except CoreError as error:
            raise StoreError("store.write_failed", path=self._path, reason=error.detail) from None

    def _drop(self) -> None:
        self._writer.abort()
        files.remove(self._path)


def _resumable(path: str, size: int) -> bool:
    """Whether a partial blob can be resumed; if not, it is removed.

    The writer opens the path by its name and follows links.  So the path must be a regular file
    with a single name, not a symbolic or hard link, and must be readable and writable.
    """
    with files.using("lstat", path):
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            return False
    unshared = stat.S_ISREG(found.st_mode) and found.st_nlink == 1
    if unshared and files.allows(path, os.R_OK | os.W_OK) and (size < 0 or found.st_size <= size):
        return True
    files.remove(path)
    return False
