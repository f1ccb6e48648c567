"""A tar, possibly compressed once or more: its index, and the bytes of its members."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import final

from towline.core.byte_writer import ByteWriter
from towline.core.compression import FORMATS, LONGEST_MAGIC, detect
from towline.core.failure import TRANSIENT, CoreError
from towline.core.twin.drive import finish, walk
from towline.core.twin.frames import Frames
from towline.core.twin.limits import Limits
from towline.core.twin.member_cache import MemberCache
from towline.core.twin.passes import Pass, PassLock, PassRange, too_short
from towline.core.twin.sparse import ExpandedStream, SparseFiles
from towline.core.twin.streams import (
    FileRange,
    LimitedStream,
    MemoryStream,
    PeekStream,
    Stop,
    Stream,
    drain,
    io_error,
    open_file,
)
from towline.core.twin.tar import Member
from towline.core.twin.walk import TarWalk

__all__ = ["Archive"]


@final
class Archive:
    """A tar in a file, compressed up to `rounds` times.

    Attributes:
        framing: the compression formats, outermost first; empty for a plain tar.
    """

    def __init__(
        self,
        path: str,
        *,
        formats: Sequence[str] = FORMATS,
        rounds: int = 2,
        limits: Limits | None = None,
        stop: Stop | None = None,
    ) -> None:
        for name in formats:
            if name not in FORMATS:
                raise CoreError("unsupported", 0, f"no compression format {name!r}")
        self._formats = tuple(name for name in FORMATS if name in formats)
        self._rounds = rounds
        self._limits = limits or Limits()
        self._stop = stop or Stop()
        self._path = path
        self._fd = open_file(path)
        # The number of tar bytes that index() verified, and the error of the compression.
        self._damage: tuple[int, CoreError] | None = None
        self._pass_lock = PassLock()  # one pass at a time
        self._cache = MemberCache()  # filled by index()
        self._sparse = SparseFiles()  # found by index()
        self._inflated = [0]  # by all passes together
        stream, innermost, self._framing = self._open()
        # Its first bytes were read to detect the framing, and are not read again.
        self._pass = Pass(stream, innermost, self._inflated) if self._framing else None

    @property
    def framing(self) -> tuple[str, ...]:
        """The compression formats around the tar, outermost first."""
        return self._framing

    @property
    def inflated(self) -> int:
        """The number of tar bytes decompressed so far, over all passes; 0 for a plain tar."""
        return self._inflated[0]

    def index(self, *, keep: int = 0, sizes: bool = False) -> tuple[list[Member], CoreError | None]:
        """Return the members up to the first error, and that error.

        The error is None if the tar ends properly: with two zero blocks, or after a complete
        member, with or without one zero block. An incomplete member is left out; so is every
        member in a damaged compressed frame.

        Args:
            keep: maximum number of bytes of files of a compressed archive to keep in memory, the
                smallest files first, with the first six bytes of all other files; they are then
                read without another pass. 0 keeps none.
            sizes: also measure the decompressed size of compressed files, as long as they do not
                together exceed the size limit of the archive.

        Raises:
            CoreError: ``io``, ``cancelled``.
        """
        self._check()
        ceiling = self._limits.ceiling(os.fstat(self._fd).st_size)
        walker = TarWalk(self._limits, ceiling)
        if not self._framing:
            _, failure = walk(self._open()[0], walker)
            self._sparse = walker.sparse
            if failure is not None and failure.code in TRANSIENT:
                raise failure
            return walker.members, failure
        with self._pass_lock:
            running, self._pass = self._pass, None
            if running is None or running.position or running.failure:
                running = self._new_pass()
            cache = MemberCache(keep, sizes, ceiling.size, self._limits.max_frames)
            stream_failed, failure = self._survey(running, walker, cache)
            self._cache = cache
            self._sparse = walker.sparse
        members = walker.members
        if failure is None:
            return members, None
        if failure.code in TRANSIENT:
            raise failure
        if stream_failed and not failure.code.startswith("limit"):
            ends = [self._sparse.end_of_data(each.offset, each.size) for each in members]
            members = [
                each for each, end in zip(members, ends, strict=True) if end <= running.verified
            ]
            self._damage = (running.verified, failure)
        return members, failure

    def read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of some ranges (offset, size) of the tar, in the given order.

        Takes one pass, or none if `index` kept all the ranges.

        Raises:
            CoreError: ``truncated`` for a range beyond the end; the error of `index` for a range
                beyond the bytes that `index` verified; if `index` was not called, an error before
                the end of the ranges.
        """
        self._check()
        for offset, size in ranges:
            self._check_range(offset, size)
        if any(self._sparse.at(offset) for offset, _ in ranges):
            with self._pass_lock:
                each = (self._member(offset, size) for offset, size in ranges)
                return [b"".join(iter(stream.next_slice, b"")) for stream in each]
        if not self._framing:
            size = os.fstat(self._fd).st_size
            for offset, length in ranges:
                if length and offset + length > size:
                    raise too_short(self._path, size)
            streams = (self._range(at, size) for at, size in ranges)
            return [b"".join(iter(stream.next_slice, b"")) for stream in streams]
        with self._pass_lock:
            cached = [self._cache.bytes(*each) if each[1] else b"" for each in ranges]
            found = [data for data in cached if data is not None]
            return found if len(found) == len(ranges) else self._collect(ranges)

    def copy_to(self, offset: int, size: int, writer: ByteWriter, decompress: bool = False) -> None:
        """Append the bytes of a member to a writer; with `decompress`, decompressed once.

        The stored bytes of a plain archive are passed to `copy_range` of the writer, all other
        bytes to `write`. During `write` the archive is locked, so the writer must not use it.

        Raises:
            CoreError: as `read`.
            RuntimeError: this thread is already in a call that has locked the archive.
            Exception: the error of the writer, unchanged; the archive can still be used.
        """
        self._check()
        self._check_range(offset, size)
        with self._pass_lock:
            stream = self._member(offset, size)
            if decompress:
                stream = self._decompressed(stream, size)
            sparse = self._sparse.at(offset) is not None
            if self._framing or sparse or (decompress and not isinstance(stream, PeekStream)):
                while piece := stream.next_slice():
                    writer.write(piece)
                return
        # Outside the lock: copying from the file does not use the running pass.
        writer.copy_range(self._fd, offset, size)

    def measure(self, offset: int, size: int) -> int:
        """Return the size of a member after at most one round of decompression.

        Raises:
            CoreError: as `read`; errors in the member's own compression, with offsets in the
                member.
        """
        self._check()
        self._check_range(offset, size)
        with self._pass_lock:
            cached = self._cache.size(offset, size)
            if isinstance(cached, CoreError):
                raise cached
            if cached is not None:
                return cached
            stream, total = self._decompressed(self._member(offset, size), size), 0
            while piece := stream.next_slice():
                total += len(piece)
            return total

    def close(self) -> None:
        """Close the file; a second call has no effect."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        if hasattr(self, "_fd"):
            self.close()

    def _check(self) -> None:
        if self._fd < 0:
            raise CoreError("cancelled", 0, "the archive is closed")
        if self._pass_lock.held:
            # The call would wait for itself.
            raise RuntimeError("the archive is in use by an outer call of this thread")

    def _check_range(self, offset: int, size: int) -> None:
        if offset < 0 or size < 0:
            raise OverflowError("a range has no negative numbers")
        end = self._sparse.end_of_data(offset, size)
        if size and self._damage is not None and end > self._damage[0]:
            raise self._damage[1]

    def _open(self) -> tuple[Stream, Frames | None, tuple[str, ...]]:
        """Open a stream of the tar; also return its innermost round, and the framing."""
        try:
            form = detect(lambda count: os.pread(self._fd, count, 0), self._formats)
            stored = os.fstat(self._fd).st_size
        except OSError as error:
            raise io_error(error, 0, self._path) from error
        stream: Stream = FileRange(self._fd, self._path, stop=self._stop)
        innermost: Frames | None = None
        framing: tuple[str, ...] = ()
        while form is not None and len(framing) < self._rounds:
            innermost = Frames(stream, form, self._limits.max_frames, self._stop)
            stream = ahead = PeekStream(LimitedStream(innermost, self._limits.ceiling(stored)))
            framing += (form,)
            form = detect(ahead.peek, self._formats)
        if not framing:
            stream = LimitedStream(stream, self._limits.ceiling(None))
        return stream, innermost, framing

    def _collect(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read the bytes of some ranges, in one pass."""
        found = [bytearray() for _ in ranges]
        wanted = [at for at in range(len(ranges)) if ranges[at][1]]
        position = min(ranges[at][0] for at in wanted)
        window = self._window(position, max(sum(ranges[at]) for at in wanted) - position)
        while piece := window.next_slice():
            for at in wanted:
                offset, size = ranges[at]
                low, high = max(offset, position), min(offset + size, position + len(piece))
                if low < high:
                    found[at] += piece[low - position : high - position]
            position += len(piece)
        return [bytes(each) for each in found]

    def _new_pass(self) -> Pass:
        stream, innermost, _ = self._open()
        return Pass(stream, innermost, self._inflated)

    def _range(self, offset: int, size: int) -> FileRange:
        return FileRange(self._fd, self._path, offset, offset + size, stop=self._stop)

    def _member(self, offset: int, size: int) -> Stream:
        """A range of the tar or of a sparse file."""
        found = self._sparse.at(offset)
        if found is None:
            return self._stored(offset, size)
        if offset + size > found.start + found.map.size:
            raise too_short(self._path, found.start + found.map.size)
        start = offset - found.start
        data, count, parts = found.parts(start, start + size)
        return ExpandedStream(self._stored(data, count), parts)

    def _stored(self, offset: int, size: int) -> Stream:
        """A range of the tar, from the file, the cache or a pass."""
        if not self._framing:
            return self._range(offset, size)
        cached = self._cache.bytes(offset, size)
        return self._window(offset, size) if cached is None else MemoryStream(cached)

    def _window(self, offset: int, size: int) -> PassRange:
        """A range of the running pass, or of a new pass if the running one is beyond it."""
        if self._pass is None or self._pass.failure or self._pass.position > offset:
            self._pass = self._new_pass()
        return PassRange(self._path, self._pass, offset, size)

    def _decompressed(self, stream: Stream, size: int, frames: int | None = None) -> Stream:
        """A stream after one round of decompression, or as it is if it is not compressed."""
        frames = self._limits.max_frames if frames is None else frames
        ahead = PeekStream(stream)
        form = detect(ahead.peek, self._formats)
        if form is None:
            return ahead
        return LimitedStream(Frames(ahead, form, frames, self._stop), self._limits.ceiling(size))

    def _survey(
        self, running: Pass, walker: TarWalk, cache: MemberCache
    ) -> tuple[bool, CoreError | None]:
        """Walk a pass to its end, as `walk` does, and fill the cache."""
        try:
            while piece := running.peek():
                try:
                    count = walker.take(piece)
                except CoreError as failure:
                    if not failure.code.startswith("limit"):
                        drain(running)
                    return False, failure
                running.take(count)
                size = walker.file_ahead
                if size and cache.wants_anything:
                    offset = running.position
                    self._cache_member(running, offset, size, cache)
                    walker.skip(running.position - offset)
        except CoreError as failure:
            return True, failure
        return False, finish(walker)

    def _cache_member(self, running: Pass, offset: int, size: int, cache: MemberCache) -> None:
        """Cache the file that begins here; an error of the pass is raised by its next read."""
        ahead = PeekStream(PassRange(self._path, running, offset, size))
        head = ahead.peek(LONGEST_MAGIC)
        cache.note_head(offset, head)
        compressed = cache.wants_sizes and detect(ahead.peek, self._formats) is not None
        source: Stream = ahead
        if cache.make_room(size):
            try:
                data = b"".join(iter(ahead.next_slice, b""))
            except CoreError:
                return
            cache.keep(offset, data)
            source = MemoryStream(data)
        if compressed:
            found = self._inflated_size(source, size, cache)
            if found is not None and not running.failure:
                cache.note_size(offset, size, found)

    def _inflated_size(
        self, source: Stream, size: int, cache: MemberCache
    ) -> int | CoreError | None:
        """The size of a decompressed member, or its error; None if a limit is reached."""
        plain, total = self._decompressed(source, size, cache.frames_left), 0
        assert isinstance(plain, LimitedStream)
        assert isinstance(plain.source, Frames)
        whole = cache.frames_left == self._limits.max_frames
        found: int | CoreError
        try:
            while piece := plain.next_slice():
                total += len(piece)
                cache.bytes_left -= len(piece)
                if cache.bytes_left <= 0:
                    return None
            found = total
        except CoreError as failure:
            found = failure
        cache.frames_left -= plain.source.cost
        if isinstance(found, CoreError) and found.code == "limit_frames" and not whole:
            return None
        return found
