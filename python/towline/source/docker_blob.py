"""A blob that comes from a registry, and the sending of it that may break off (REG-024)."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from towline.descriptor import Descriptor
from towline.errors import RegistryError
from towline.registry.answers import shown
from towline.registry.retry import delay, passes
from towline.registry.web import Answer

if TYPE_CHECKING:
    from towline.core import BlobWriter
    from towline.source.docker import DockerSource

__all__ = ["DockerBlob"]

_PIECE = 1 << 20
_PROGRESS = 1 << 20  # bytes after which a repetition counts as the first one again


class DockerBlob:
    """A blob that a registry began to send.  Where the sending breaks off, it is taken up again."""

    def __init__(
        self, source: DockerSource, descriptor: Descriptor, answer: Answer, offset: int
    ) -> None:
        self._source = source
        self._descriptor = descriptor
        self._answer = answer
        self.offset = offset
        length = answer.length
        self.size: int | None = None if length is None else length + offset
        by_manifest = descriptor.size if descriptor.size >= 0 else None
        if source.rules.blob_size == "answer":  # REG-027
            self._end = self.size
            return
        self._end = by_manifest if by_manifest is not None else self.size
        if self.size is not None and by_manifest is not None and self.size != by_manifest:
            answer.close()
            raise self._wrong_size(self.size)

    def deliver(self, writer: BlobWriter) -> None:
        """Write the blob's bytes from `offset` on; the caller checks the digest.

        Raises:
            RegistryError: ``registry.broken``, ``registry.stalled``, ``registry.wrong_size``, or
                what asking again brought; what was written is a prefix.
            Cancelled: the caller cancelled.
        """
        source = self._source
        position = since = self.offset
        start = writer.offset - position
        failures = 0
        while True:
            try:
                if failures:
                    self._resume(position)
                self._pour(writer, start)
            except RegistryError as error:
                position = writer.offset - start
                if position - since >= _PROGRESS:
                    failures = 0
                if failures >= source.rules.retries or not passes(error):
                    raise
            else:
                return
            source.cancel.wait(delay(failures, None, source.patience))
            since = position
            failures += 1

    def close(self) -> None:
        """Let go of the connection."""
        self._answer.close()

    def _pour(self, writer: BlobWriter, start: int) -> None:
        """Write what comes of the body, up to the end of the blob, which begins at `start`."""
        end = self._end
        while end is None or writer.offset - start < end:
            most = _PIECE if end is None else end - (writer.offset - start)
            if not self._answer.pour(writer, most):
                if end is None:
                    break
                raise self._short()
        # One read more: it takes the end of a chunked body, so that the connection can be kept.
        if self._answer.length is None and end is not None and self._answer.read1(1):
            raise self._wrong_size(end + 1)
        self._answer.close()

    def _resume(self, position: int) -> None:
        """Ask for the rest of the blob, and pass over what of it is here already (REG-024)."""
        self._answer.close()
        self._answer, at = self._source.find(self._descriptor, position, retries=0)
        length = self._answer.length
        if length is not None and self._end is not None and length + at != self._end:
            self._answer.close()
            raise self._wrong_size(length + at)
        while at < position:
            data = self._answer.read1(min(_PIECE, position - at))
            if not data:
                raise self._short()
            at += len(data)

    def _short(self) -> RegistryError:
        return RegistryError(
            "registry.broken",
            cause="short",
            reason="unexpected EOF",
            url=shown(self._answer.url),
            host=urlsplit(self._answer.url).netloc,
        )

    def _wrong_size(self, got: int) -> RegistryError:
        return RegistryError(
            "registry.wrong_size",
            digest=self._descriptor.digest_text,
            want=self._descriptor.size,
            got=got,
            url=shown(self._answer.url),
            host=urlsplit(self._answer.url).netloc,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
