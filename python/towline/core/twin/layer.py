"""Computes all properties of a stored layer in one pass over it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import final

from towline.core.compression import FORMATS, detect
from towline.core.twin.drive import walk
from towline.core.twin.frames import Frames
from towline.core.twin.limits import Limits
from towline.core.twin.streams import (
    FileRange,
    LimitedStream,
    PeekStream,
    Stop,
    Stream,
    Tee,
    io_error,
    open_regular,
)
from towline.core.twin.walk import TarWalk

__all__ = ["LayerFacts", "follow", "layer_pass"]


@final
@dataclass(frozen=True, slots=True)
class LayerFacts:
    """The properties of a layer.

    Attributes:
        digest, size: digest and size of the file as it is stored.
        compression: ``none``, ``gzip``, ``bzip2``, ``xz`` or ``zstd``, detected by content.
        diff_id, tar_size: digest and size of the tar, including all bytes after its end mark.
        entries: the number of members of the tar.
    """

    digest: str
    size: int
    compression: str
    diff_id: str
    tar_size: int
    entries: int


def layer_pass(path: str, *, limits: Limits | None = None, stop: Stop | None = None) -> LayerFacts:
    """Read a layer once, to compute its digests and sizes and to check the tar and the limits.

    Raises:
        CoreError: the layer is invalid or cannot be read.
    """
    limits, stop = limits or Limits(), stop or Stop()
    fd = open_regular(path)
    try:
        try:
            stored = os.fstat(fd).st_size
            form = detect(lambda count: os.pread(fd, count, 0), FORMATS)
        except OSError as error:
            raise io_error(error, 0, path) from error
        digest, diff_id = hashlib.sha256(), hashlib.sha256()
        raw = Tee(FileRange(fd, path, stop=stop), digest.update)
        plain: Stream = raw if form is None else Frames(raw, form, limits.max_frames, stop)
        tar = Tee(LimitedStream(plain, limits.ceiling(stored if form else None)), diff_id.update)
        walker = TarWalk(limits)
        _, failure = walk(tar, walker)
        if failure is not None:
            raise failure
    finally:
        os.close(fd)
    return LayerFacts(
        digest=f"sha256:{digest.hexdigest()}",
        size=raw.size,
        compression=form or "none",
        diff_id=f"sha256:{diff_id.hexdigest()}",
        tar_size=tar.size,
        entries=walker.count,
    )


def follow(stored: Stream, size: int, limits: Limits, stop: Stop) -> str:
    """Return the diff ID of a layer that is read from a stream; `size` is the size of its blob."""
    stored = PeekStream(stored)
    form = detect(stored.peek, FORMATS)
    plain: Stream = stored
    if form is not None:
        plain = Frames(stored, form, limits.max_frames, stop)
    diff_id = hashlib.sha256()
    tar = Tee(LimitedStream(plain, limits.ceiling(size if form else None)), diff_id.update)
    _, failure = walk(tar, TarWalk(limits))
    if failure is not None:
        raise failure
    return f"sha256:{diff_id.hexdigest()}"
