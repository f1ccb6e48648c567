"""A tar, possibly compressed, once or more: its index, and its members' bytes."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import final

from towline.core.failure import TRANSIENT, CoreError
from towline.core.twin.frames import FORMATS, LONGEST_MAGIC, Frames, detect
from towline.core.twin.limits import Limits
from towline.core.twin.member_cache import MemberCache
from towline.core.twin.passes import Pass, PassRange, too_short
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
from towline.core.twin.walk import TarWalk, finish, walk
from towline.core.twin.writer import BlobWriter

__all__ = ["Archive"]


@final
class Archive:
    """A tar in a file, compressed up to `rounds` times.

    Attributes:
        framing: the compressions, outermost first; empty for a plain tar.
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
        # What index() found wrong with the compression, and how many bytes it verified for.
        self._damage: tuple[int, CoreError] | None = None
        self._turn = threading.Lock()  # one pass at a time
        self._notes = MemberCache()  # what index() noted of the members
        self._inflated = [0]  # by all passes together
        stream, innermost, self._framing = self._open()
        # It has read a little to find the framing, which is not read again.
        self._pass = Pass(stream, innermost, self._inflated) if self._framing else None

    @property
    def framing(self) -> tuple[str, ...]:
        """The compressions around the tar, outermost first."""
        return self._framing

    @property
    def inflated(self) -> int:
        """Bytes of the tar that were decompressed so far, over all passes; 0 for a plain tar."""
        return self._inflated[0]

    def index(self, *, keep: int = 0, sizes: bool = False) -> tuple[list[Member], CoreError | None]:
        """The members up to the first damage, and that damage.

        None is a proper end: two zero blocks, or the end of the bytes after a whole member, with
        or without one zero block. A member that is cut short is left out; so is what stands in a
        compressed frame that is damaged.

        Args:
            keep: of a compressed archive, so many bytes of files are kept in memory, the smallest
                first, and the first six bytes of all others: what lies in them is read without a
                further pass. 0: neither.
            sizes: and compressed files are measured on the way, as far as together they do not
                grow beyond what the archive itself may grow to.

        Raises:
            CoreError: ``io``, ``cancelled``.
        """
        self._check()
        walker = TarWalk(self._limits)
        if not self._framing:
            _, failure = walk(self._open()[0], walker)
            if failure is not None and failure.code in TRANSIENT:
                raise failure
            return walker.members, failure
        with self._turn:
            running, self._pass = self._pass, None
            if running is None or running.position or running.failure:
                running = self._new_pass()
            ceiling = self._limits.ceiling(os.fstat(self._fd).st_size)
            notes = MemberCache(keep, sizes, ceiling.size)
            stream_failed, failure = self._survey(running, walker, notes)
            self._notes = notes
        members = walker.members
        if failure is None:
            return members, None
        if failure.code in TRANSIENT:
            raise failure
        if stream_failed and not failure.code.startswith("limit"):
            members = [each for each in members if each.offset + each.size <= running.verified]
            self._damage = (running.verified, failure)
        return members, failure

    def read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """The bytes of some ranges (offset, size) of the tar, in the order asked.

        One pass, or none where `index` kept it all.

        Raises:
            CoreError: ``truncated`` for a range beyond the end; that of `index` for a range that
                it did not vouch for; without `index` before, damage that was met on the way.
        """
        self._check()
        for offset, size in ranges:
            self._check_range(offset, size)
        if not self._framing:
            size = os.fstat(self._fd).st_size
            for offset, length in ranges:
                if length and offset + length > size:
                    raise too_short(self._path, size)
            streams = (self._range(at, size) for at, size in ranges)
            return [b"".join(iter(stream.next_slice, b"")) for stream in streams]
        with self._turn:
            noted = [self._notes.bytes(*each) if each[1] else b"" for each in ranges]
            found = [data for data in noted if data is not None]
            return found if len(found) == len(ranges) else self._collect(ranges)

    def copy_to(self, offset: int, size: int, writer: BlobWriter, decompress: bool = False) -> None:
        """Append the bytes of a member to a writer; with `decompress`, decompressed once.

        Raises:
            CoreError: as `read`, and the writer's own.
        """
        self._check()
        self._check_range(offset, size)
        with self._turn:
            stream = self._member(offset, size)
            if decompress:
                stream = self._once(stream, size)
            if self._framing or (decompress and not isinstance(stream, PeekStream)):
                while piece := stream.next_slice():
                    writer.write(piece)
                return
        # Nothing of the archive's own is used any more, so others need not wait.
        writer.copy_range(self._fd, offset, size)

    def measure(self, offset: int, size: int) -> int:
        """The size of a member after at most one round of decompression.

        Raises:
            CoreError: as `read`; of the member's own compression, with offsets in the member.
        """
        self._check()
        self._check_range(offset, size)
        with self._turn:
            noted = self._notes.size(offset, size)
            if isinstance(noted, CoreError):
                raise noted
            if noted is not None:
                return noted
            stream, total = self._once(self._member(offset, size), size), 0
            while piece := stream.next_slice():
                total += len(piece)
            return total

    def close(self) -> None:
        """Close the file; once more changes nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        if hasattr(self, "_fd"):
            self.close()

    def _check(self) -> None:
        if self._fd < 0:
            raise CoreError("cancelled", 0, "the archive is closed")

    def _check_range(self, offset: int, size: int) -> None:
        if offset < 0 or size < 0:
            raise OverflowError("a range has no negative numbers")
        if size and self._damage is not None and offset + size > self._damage[0]:
            raise self._damage[1]

    def _open(self) -> tuple[Stream, Frames | None, tuple[str, ...]]:
        """A stream of the tar, its innermost round, and the framing."""
        try:
            head = os.pread(self._fd, LONGEST_MAGIC, 0)
            stored = os.fstat(self._fd).st_size
        except OSError as error:
            raise io_error(error, 0, self._path) from error
        stream: Stream = FileRange(self._fd, self._path, stop=self._stop)
        innermost: Frames | None = None
        framing: tuple[str, ...] = ()
        while len(framing) < self._rounds and (form := detect(head, self._formats)):
            innermost = Frames(stream, form)
            stream = ahead = PeekStream(LimitedStream(innermost, self._limits.ceiling(stored)))
            head = ahead.peek(LONGEST_MAGIC)
            framing += (form,)
        if not framing:
            stream = LimitedStream(stream, self._limits.ceiling(None))
        return stream, innermost, framing

    def _collect(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """The bytes of some ranges, in one pass."""
        answers = [bytearray() for _ in ranges]
        wanted = [at for at in range(len(ranges)) if ranges[at][1]]
        position = min(ranges[at][0] for at in wanted)
        window = self._window(position, max(sum(ranges[at]) for at in wanted) - position)
        while piece := window.next_slice():
            for at in wanted:
                offset, size = ranges[at]
                low, high = max(offset, position), min(offset + size, position + len(piece))
                if low < high:
                    answers[at] += piece[low - position : high - position]
            position += len(piece)
        return [bytes(answer) for answer in answers]

    def _new_pass(self) -> Pass:
        stream, innermost, _ = self._open()
        return Pass(stream, innermost, self._inflated)

    def _range(self, offset: int, size: int) -> FileRange:
        return FileRange(self._fd, self._path, offset, offset + size, stop=self._stop)

    def _member(self, offset: int, size: int) -> Stream:
        """A range of the tar: in the file, among what was noted, or in a pass."""
        if not self._framing:
            return self._range(offset, size)
        noted = self._notes.bytes(offset, size)
        return self._window(offset, size) if noted is None else MemoryStream(noted)

    def _window(self, offset: int, size: int) -> PassRange:
        """A range of the running pass, or of a new one if that is past it."""
        if self._pass is None or self._pass.failure or self._pass.position > offset:
            self._pass = self._new_pass()
        return PassRange(self._path, self._pass, offset, size)

    def _once(self, stream: Stream, size: int) -> Stream:
        """A stream, decompressed if it is compressed."""
        ahead = PeekStream(stream)
        form = detect(ahead.peek(LONGEST_MAGIC), self._formats)
        if form is None:
            return ahead
        return LimitedStream(Frames(ahead, form), self._limits.ceiling(size))

    def _survey(
        self, running: Pass, walker: TarWalk, notes: MemberCache
    ) -> tuple[bool, CoreError | None]:
        """Walk a pass to its end, as `walk` does, and note what is wanted of the files."""
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
                if size and notes.wants_anything:
                    offset = running.position
                    self._look(running, offset, size, notes)
                    walker.skip(running.position - offset)
        except CoreError as failure:
            return True, failure
        return False, finish(walker)

    def _look(self, running: Pass, offset: int, size: int, notes: MemberCache) -> None:
        """Note what is wanted of the file that begins here; a pass that fails says so again."""
        ahead = PeekStream(PassRange(self._path, running, offset, size))
        head = ahead.peek(LONGEST_MAGIC)
        notes.note_head(offset, head)
        source: Stream = ahead
        if notes.make_room(size):
            try:
                data = b"".join(iter(ahead.next_slice, b""))
            except CoreError:
                return
            notes.keep(offset, data)
            source = MemoryStream(data)
        if detect(head, self._formats) and notes.wants_sizes:
            found = self._inflated_size(source, size, notes)
            if found is not None and not running.failure:
                notes.note_size(offset, size, found)

    def _inflated_size(
        self, source: Stream, size: int, notes: MemberCache
    ) -> int | CoreError | None:
        """The size of a decompressed member, or what is wrong; None if that takes too long."""
        plain, total = self._once(source, size), 0
        try:
            while piece := plain.next_slice():
                total += len(piece)
                notes.budget -= len(piece)
                if notes.budget <= 0:
                    return None
        except CoreError as failure:
            return failure
        return total
