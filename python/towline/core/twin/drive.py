"""Walks a tar to the end of its stream."""

from __future__ import annotations

from towline.core.failure import CoreError
from towline.core.twin.streams import LimitedStream, Stream, drain
from towline.core.twin.walk import TarWalk

__all__ = ["finish", "walk"]


def walk(stream: Stream, walker: TarWalk) -> tuple[bool, CoreError | None]:
    """Walk a tar to the end of its stream; return whether the stream failed, and the error.

    An error of the stream has precedence over an error of the tar in it.
    """
    found: CoreError | None = None
    try:
        while piece := stream.next_slice():
            found = _fed(walker, piece)
            if isinstance(stream, LimitedStream) and found is None and walker.skippable:
                walker.skip(stream.skip(walker.skippable))
            if found is not None:
                break
        else:
            found = finish(walker)
        if found is not None and not found.code.startswith("limit"):
            if isinstance(stream, LimitedStream):
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


def finish(walker: TarWalk) -> CoreError | None:
    """End a walk; return the error if the tar is not complete."""
    try:
        walker.finish()
    except CoreError as failure:
        return failure
    return None
