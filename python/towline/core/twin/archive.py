"""A tar, possibly compressed, once or more: its index, and its members' bytes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, final

from towline.core.failure import CoreError
from towline.core.twin.frames import FORMATS, LONGEST_MAGIC, Round, detect
from towline.core.twin.limits import Limits
from towline.core.twin.streams import (
    Ahead,
    Bounded,
    FileRange,
    Stream,
    drain,
    io_error,
    open_file,
)
from towline.core.twin.tar import Member, TarWalk

if TYPE_CHECKING:
    from towline.core.twin.writer import BlobWriter

__all__ = ["Archive", "walk"]


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
    ) -> None:
        for name in formats:
            if name not in FORMATS:
                raise CoreError("unsupported", 0, f"no compression format {name!r}")
        self._formats = tuple(name for name in FORMATS if name in formats)
        self._rounds = rounds
        self._limits = limits or Limits()
        self._path = path
        self._fd = open_file(path)
        # What index() found wrong with the compression, and how many bytes it vouched for.
        self._damage: tuple[int, CoreError] | None = None
        self._pass: Pass | None = None
        _, _, self._framing = self._open()

    @property
    def framing(self) -> tuple[str, ...]:
        """The compressions around the tar, outermost first."""
        return self._framing

    def index(self) -> tuple[list[Member], CoreError | None]:
        """The members up to the first damage, and that damage.

        None is a proper end: two zero blocks, or the end of the bytes after a whole member, with
        or without one zero block. A member that is cut short is left out; so is what stands in a
        compressed frame that is damaged.

        Raises:
            CoreError: ``io``, ``cancelled``.
        """
        self._check()
        stream, innermost, _ = self._open()
        walker = TarWalk(self._limits)
        stream_failed, failure = walk(stream, walker)
        members = walker.members
        if failure is not None and failure.code == "io":
            raise failure
        if failure is not None and stream_failed and not failure.code.startswith("limit"):
            vouched = innermost.vouched if innermost is not None and innermost.failed else 0
            members = [member for member in members if member.offset + member.size <= vouched]
            self._damage = (vouched, failure)
        return members, failure

    def read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """The bytes of some ranges (offset, size) of the tar, in the order asked.

        One pass, in the order of the offsets.

        Raises:
            CoreError: ``truncated`` for a range beyond the end; that of `index` for a range that
                it did not vouch for; without `index` before, damage that was met on the way.
        """
        self._check()
        for offset, size in ranges:
            self._check_range(offset, size)
        # Ranges may overlap, so all that begin before a slice ends grow at once.
        order = sorted(range(len(ranges)), key=lambda at: ranges[at])
        if not self._framing:
            size = os.fstat(self._fd).st_size
            for offset, length in ranges:
                if length and offset + length > size:
                    raise self._too_short(size)
            return [b"".join(self._pieces(offset, size)) for offset, size in ranges]
        answers = [bytearray() for _ in ranges]
        wanted = [at for at in order if ranges[at][1]]
        if wanted:
            end = max(sum(ranges[at]) for at in wanted)
            position = ranges[wanted[0]][0]
            for piece in self._pieces(position, end - position):
                for at in wanted:
                    offset, size = ranges[at]
                    low, high = max(offset, position), min(offset + size, position + len(piece))
                    if low < high:
                        answers[at] += piece[low - position : high - position]
                position += len(piece)
        return [bytes(answer) for answer in answers]

    def copy_to(self, offset: int, size: int, writer: BlobWriter, decompress: bool = False) -> None:
        """Append the bytes of a member to a writer; with `decompress`, decompressed once.

        Raises:
            CoreError: as `read`, and the writer's own.
        """
        self._check()
        self._check_range(offset, size)
        stream: Stream = self._member(offset, size)
        if decompress:
            stream = self._once(stream, size)
        if not self._framing and (not decompress or isinstance(stream, Ahead)):
            writer.copy_range(self._fd, offset, size)
            return
        while piece := stream.pull():
            writer.write(piece)

    def measure(self, offset: int, size: int) -> tuple[str, int]:
        """The SHA-256 digest and size of a member, after at most one round of decompression.

        Raises:
            CoreError: as `read`; of the member's own compression, with offsets in the member.
        """
        self._check()
        self._check_range(offset, size)
        stream = self._once(self._member(offset, size), size)
        digest, total = hashlib.sha256(), 0
        while piece := stream.pull():
            digest.update(piece)
            total += len(piece)
        return f"sha256:{digest.hexdigest()}", total

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

    def _too_short(self, size: int) -> CoreError:
        return CoreError("truncated", size, f"the tar in {self._path} ends at byte {size}")

    def _open(self) -> tuple[Stream, Round | None, tuple[str, ...]]:
        """A stream of the tar, its innermost round, and the framing."""
        try:
            head = os.pread(self._fd, LONGEST_MAGIC, 0)
            stored = os.fstat(self._fd).st_size
        except OSError as error:
            raise io_error(error, 0, self._path) from error
        stream: Stream = FileRange(self._fd, self._path)
        innermost: Round | None = None
        framing: tuple[str, ...] = ()
        while len(framing) < self._rounds and (form := detect(head, self._formats)):
            innermost = Round(stream, form)
            stream = ahead = Ahead(Bounded(innermost, self._limits.ceiling(stored)))
            head = ahead.peek(LONGEST_MAGIC)
            framing += (form,)
        if not framing:
            stream = Bounded(stream, self._limits.ceiling(None))
        return stream, innermost, framing

    def _pieces(self, offset: int, size: int) -> Sequence[bytes]:
        stream, pieces = self._member(offset, size), []
        while piece := stream.pull():
            pieces.append(piece)
        return pieces

    def _member(self, offset: int, size: int) -> Stream:
        """The bytes of a range of the tar."""
        if not self._framing:
            return FileRange(self._fd, self._path, offset, offset + size)
        if self._pass is None or self._pass.position > offset:
            self._pass = Pass(self._open()[0])
        return Window(self, self._pass, offset, size)

    def _once(self, stream: Stream, size: int) -> Stream:
        """A stream, decompressed if it is compressed."""
        ahead = Ahead(stream)
        form = detect(ahead.peek(LONGEST_MAGIC), self._formats)
        if form is None:
            return ahead
        return Bounded(Round(ahead, form), self._limits.ceiling(size))


class Pass:
    """A sequential pass over a compressed tar, and where it stands."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.position = 0
        self.held = b""

    def take(self, most: int) -> bytes:
        """Up to `most` next bytes; none at the end."""
        if not self.held:
            self.held = self.stream.pull()
        piece, self.held = self.held[:most], self.held[most:]
        self.position += len(piece)
        return piece


class Window:
    """A range of a pass."""

    def __init__(self, archive: Archive, running: Pass, offset: int, size: int) -> None:
        self.archive = archive
        self.running = running
        self.offset = offset
        self.left = size

    def pull(self) -> bytes:
        if not self.left:
            return b""
        try:
            while self.running.position < self.offset:
                if not self.running.take(self.offset - self.running.position):
                    raise self.archive._too_short(self.running.position)
            piece = self.running.take(self.left)
            if not piece:
                raise self.archive._too_short(self.running.position)
        except CoreError:
            self.archive._pass = None
            raise
        self.offset += len(piece)
        self.left -= len(piece)
        return piece


def walk(stream: Stream, walker: TarWalk) -> tuple[bool, CoreError | None]:
    """Walk a tar to the end of its stream; what is wrong, and whether the stream is.

    Damage of the stream has precedence over damage of the tar in it.
    """
    found: CoreError | None = None
    try:
        while piece := stream.pull():
            found = _fed(walker, piece)
            if isinstance(stream, Bounded) and found is None and walker.skippable:
                walker.skip(stream.skip(walker.skippable))
            if found is not None:
                break
        else:
            found = _finished(walker)
        if found is not None and not found.code.startswith("limit"):
            if isinstance(stream, Bounded):
                stream.skip(1 << 62)
            drain(stream)
    except CoreError as failure:
        return True, failure
    return False, found


def _fed(walker: TarWalk, piece: bytes) -> CoreError | None:
    try:
        walker.feed(piece)
    except CoreError as failure:
        return failure
    return None


def _finished(walker: TarWalk) -> CoreError | None:
    try:
        walker.finish()
    except CoreError as failure:
        return failure
    return None
