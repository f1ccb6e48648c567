"""The sink of one missing blob: a partial blob, which becomes a blob once it is verified."""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from towline.core import BlobWriter, CoreError
from towline.errors import (
    LimitExceededError,
    RegistryError,
    StoreError,
    VerificationError,
    path_errors,
)
from towline.frozen import field, frozen
from towline.name.digest import Digest, parse_digest
from towline.store.layout import files, locks
from towline.store.layout.diff_ids import DiffIds, Follower

if TYPE_CHECKING:
    from towline.cancel import CancelToken
    from towline.image.descriptor import Descriptor
    from towline.store.layout.blobs import Blobs

__all__ = ["LayoutBlob", "LayoutSink", "open_sink"]

_COMMITTED = object()


@frozen
class LayoutBlob:
    """The stored blob of a layout; only `LayoutSink.commit` makes one.

    Attributes:
        digest: of the blob.
        size: in bytes.
        diff_id: of the layer; None if it was not computed, or the blob is not a layer.
    """

    digest: Digest
    size: int
    diff_id: Digest | None
    _proof: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self._proof is not _COMMITTED:
            raise TypeError("a LayoutBlob is made by the commit of a sink, and by nothing else")


def open_sink(
    blobs: Blobs,
    descriptor: Descriptor,
    cancel: CancelToken,
    diff_ids: DiffIds,
    hashed: dict[Digest, os.stat_result],
    *,
    follow: bool,
) -> LayoutSink | None:
    """Return the sink of a missing blob, or None if it is stored; wait for other tasks.

    Args:
        blobs: the blobs of the store.
        descriptor: of the blob.
        cancel: ends the wait, and every operation on the writer.
        diff_ids: receives the diff ID of the committed blob.
        hashed: receives the status of the file of a blob that was hashed.
        follow: decompress the layer while it is written.

    Raises:
        PullCancelledError: the caller cancelled during the wait.
        StoreError: ``store.write_failed``.
    """
    digest = descriptor.digest
    with ExitStack() as stack:
        lock = locks.acquire(
            blobs.paths.blob_lock(digest),
            temporary=True,
            cancel=cancel,
            log=locks.WaitLog(f"the blob {digest}", blobs.paths.holders),
        )
        stack.enter_context(lock)
        if (found := blobs.verify_existing(descriptor, cancel)) is not None:
            hashed[digest] = found
            return None
        blobs.make_folders(digest)
        sink = LayoutSink(blobs, descriptor, lock, cancel, hashed, diff_ids if follow else None)
        stack.pop_all()  # now the sink releases the lock
        return sink


class LayoutSink:
    """Takes the bytes of one missing blob; holds the lock of the blob until it is closed."""

    __slots__ = (
        "_blobs",
        "_cancel",
        "_committed",
        "_descriptor",
        "_diff_ids",
        "_follower",
        "_hashed",
        "_lock",
        "_path",
        "_pid",
        "_writer",
    )

    def __init__(
        self,
        blobs: Blobs,
        descriptor: Descriptor,
        lock: locks.Lock,
        cancel: CancelToken,
        hashed: dict[Digest, os.stat_result],
        diff_ids: DiffIds | None,
    ) -> None:
        self._blobs = blobs
        self._hashed = hashed
        self._cancel = cancel
        self._descriptor = descriptor
        self._diff_ids = diff_ids
        self._lock = lock
        self._path = blobs.paths.partial(descriptor.digest)
        self._follower: Follower | None = None
        self._committed = False
        self._pid = os.getpid()
        self._open(resume=_resumable(self._path))

    @property
    def writer(self) -> BlobWriter:
        """The writer, which takes the bytes from its ``offset`` on; replaced by a restart."""
        return self._writer

    def restart(self) -> None:
        """Drop the stored bytes, and start at offset 0."""
        self._drop()
        self._open(resume=False)

    def commit(self, *, any_size: bool = False) -> LayoutBlob:
        """Verify the digest and size, and store the blob; `restart` is possible after a failure.

        Args:
            any_size: the size may differ from that in the descriptor.

        Raises:
            VerificationError: ``verify.digest``, ``verify.size``; the bytes are dropped.
            StoreError: ``store.write_failed``; the written bytes are kept.
        """
        want = self._descriptor.digest
        found = self._end_following()
        try:
            text, size = self._writer.finish(self._blobs.power)
        except CoreError as error:
            raise self._failed(error) from None
        got = parse_digest(text)
        if got != want:
            self._drop()
            raise VerificationError("verify.digest", want=want, got=got, size=size)
        listed = self._descriptor.size
        if listed not in (size, -1):
            found = None  # of a part of the blob
            if not any_size:
                self._drop()
                raise VerificationError("verify.size", want=listed, got=size, size=size)
        placed = self._blobs.place(self._path, want)
        self._committed = True
        if placed is not None:
            self._hashed[want] = placed
        self._blobs.sync_folder(want)
        if self._diff_ids is not None and found is not None:
            self._diff_ids.add(want, found)
        return LayoutBlob(want, size, found if isinstance(found, Digest) else None, _COMMITTED)

    def close(self) -> None:
        """Close it; bytes that were not committed are kept for the next attempt."""
        try:
            if self._pid == os.getpid():  # a forked process has the sink of its parent
                self._writer.abort()
                self._end_following()  # an aborted writer ends it at once
        finally:
            self._lock.release()

    def __del__(self) -> None:
        if hasattr(self, "_writer"):
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        failed = None
        if isinstance(error, CoreError) and self._has_failed():
            failed = self._failed(error)
        # REG-054: the rest of these bytes may never come, and they would fill the disk
        endless = failed is not None and self._descriptor.size < 0
        too_long = isinstance(error, LimitExceededError) or (
            isinstance(error, RegistryError) and error.code == "registry.wrong_size"
        )
        listed = self._descriptor.size
        if not self._committed and 0 <= listed < self._writer.offset:
            too_long = True  # more than is listed is hardly the beginning of the blob
        if (endless or too_long) and self._pid == os.getpid():
            self._drop()
        self.close()
        if failed is not None:
            raise failed from None

    def _has_failed(self) -> bool:
        """Whether the writer failed, and not a source or a caller that uses the core."""
        if self._committed:
            return False
        try:
            self._writer.write(b"")
        except CoreError:
            return True
        return False

    def _open(self, *, resume: bool) -> None:
        algorithm = self._descriptor.digest.algorithm
        stop = self._cancel.stop
        try:
            self._writer = BlobWriter(self._path, resume=resume, algorithm=algorithm, stop=stop)
        except CoreError as error:
            raise self._failed(error) from None
        # The end of a blob of unknown size is known only after the commit.
        if self._diff_ids is not None and self._descriptor.size >= 0:
            self._follower = Follower(self._writer, self._descriptor.size)

    def _end_following(self) -> Digest | CoreError | None:
        if self._follower is None:
            return None
        found = self._follower.end()
        self._follower = None  # not before: Ctrl-C may interrupt the wait
        return found

    def _drop(self) -> None:
        self._writer.abort()
        self._end_following()  # what it read proves nothing about the bytes of the next attempt
        files.remove(self._path)

    def _failed(self, error: CoreError) -> StoreError:
        return StoreError("store.write_failed", path=self._path, reason=error.detail)


def _resumable(path: str) -> bool:
    """Whether a partial blob can be resumed; if not, it is removed.

    The writer opens the path by its name and follows links.  So the path must be a regular file
    with a single name, not a symbolic or hard link, and must be readable and writable.
    """
    with path_errors("lstat", path):
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            return False
    unshared = stat.S_ISREG(found.st_mode) and found.st_nlink == 1
    if unshared and files.allows(path, os.R_OK | os.W_OK):
        return True
    files.remove(path)
    return False
