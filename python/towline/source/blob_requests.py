"""Requests for the blobs of one repository: whole, from an offset, or a range of bytes."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from towline.cancel import CancelToken
from towline.errors import RegistryError
from towline.image.descriptor import Descriptor
from towline.name.digest import Digest
from towline.registry.client import RegistryClient
from towline.registry.connection_slots import ConnectionSlots
from towline.registry.error_body import (
    BODY_MAX,
    parse_web_url,
    reason_phrase,
    redact_url,
    response_error,
)
from towline.registry.response import Response
from towline.rules import Rules
from towline.timeouts import Timeouts

__all__ = ["BlobRequests"]

_ADDRESSES = 8  # URLs of a foreign layer that are tried; real layers have one
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_RANGE_MAX = 80  # characters of a Content-Range; Python refuses the longest numbers with an error


class BlobRequests:
    """Requests the blobs of one repository.  Safe in any number of threads.

    Attributes:
        slots: the connections for blobs; all sources of one image share them.
    """

    def __init__(
        self,
        client: RegistryClient,
        name: str,
        repository: str,
        rules: Rules,
        timeouts: Timeouts,
        slots: ConnectionSlots,
        cancel: CancelToken,
    ) -> None:
        """Requests through a client.

        Args:
            client: of the registry.
            name: the repository as the image is named, for messages.
            repository: its path in the registry.
            rules: the edition.
            timeouts: the time limits.
            slots: the connections for blobs.
            cancel: stops what is under way.
        """
        self.rules = rules
        self.timeouts = timeouts
        self.slots = slots
        self.cancel = cancel
        self._divides = rules.parallel_ranges
        self._divided: set[str] = set()
        self._client = client
        self._name = name
        self._repository = repository

    def find(
        self, descriptor: Descriptor, offset: int, retries: int | None = None
    ) -> tuple[Response, int]:
        """The answer that brings a blob, and the offset at which its body begins.

        Raises:
            RegistryError: as `open_blob`.
        """
        digest = descriptor.digest
        if descriptor.urls and self.rules.foreign_urls == "first":  # REG-028
            return self._find_elsewhere(descriptor), 0
        answer, at = self._find_here(digest, offset, retries)
        if answer.status in (200, 206):
            return answer, at
        if answer.status == 404 and descriptor.urls:
            answer.finish()
            return self._find_elsewhere(descriptor), 0
        with answer:
            raise self._refused(digest, answer)

    @property
    def may_divide(self) -> bool:
        """Whether several ranges of one blob may be requested at once (REG-029)."""
        return self._divides

    def stop_dividing(self) -> None:
        """Request no more ranges: the registry refuses them, or sends other bytes."""
        self._divides = False

    def record_division(self, digest: str) -> None:
        """Record that ranges of a blob were requested."""
        self._divided.add(digest)

    def doubt(self, digest: str) -> bool:
        """Record that a blob had wrong bytes; whether its ranges may be the reason."""
        doubtful = self._divides and digest in self._divided
        if doubtful:
            self.stop_dividing()
        return doubtful

    def find_range(self, digest: Digest, first: int, last: int, size: int) -> Response | None:
        """The answer that brings these bytes of a blob; None from a server that gives others.

        Args:
            digest: of the blob.
            first: the number of the first byte.
            last: the number of the last byte.
            size: of the whole blob.

        Raises:
            RegistryError: the registry cannot be reached, or refuses.
        """
        wanted = {"Range": f"bytes={first}-{last}"}
        answer = self._client.get(self._repository, f"blobs/{digest}", wanted, retries=0)
        if answer.status == 206 and _is_range(answer, first, last, size):
            return answer
        with answer:
            if answer.status in (200, 206, 416):
                return None
            raise self._refused(digest, answer)

    def _find_here(self, digest: Digest, offset: int, retries: int | None) -> tuple[Response, int]:
        rest = f"blobs/{digest}"
        if offset > 0:
            ranged = {"Range": f"bytes={offset}-"}
            answer = self._client.get(self._repository, rest, ranged, retries=retries)
            if answer.status == 206 and _is_range(answer, offset):
                return answer, offset
            if answer.status not in (206, 416):
                return answer, 0
            # A range that is not the one asked for, or none at all: the whole blob, then.
            answer.close()
        answer = self._client.get(self._repository, rest, retries=retries)
        if answer.status == 206:
            with answer:
                raise self._refused(digest, answer)
        return answer, 0

    def _find_elsewhere(self, descriptor: Descriptor) -> Response:
        """The blob from one of the addresses in its descriptor, where nobody learns who we are."""
        problem: RegistryError | None = None
        for url in list(filter(parse_web_url, descriptor.urls))[:_ADDRESSES]:
            try:
                answer = self._client.get_elsewhere(url)
            except RegistryError as error:
                problem = error
                continue
            if answer.status == 200:
                return answer
            answer.finish()
            problem = RegistryError(
                "registry.foreign_blob",
                digest=descriptor.digest_text,
                url=redact_url(url),
                host=urlsplit(url).netloc,
                status=answer.status,
                reason=reason_phrase(answer.status),
            )
        raise problem or RegistryError("registry.foreign_nowhere", digest=descriptor.digest_text)

    def _refused(self, digest: Digest, answer: Response) -> RegistryError:
        return response_error(
            "blob",
            status=answer.status,
            status_line=answer.status_line,
            body=answer.read_some(BODY_MAX),
            url=answer.url,
            repository=self._name,
            reference=str(digest),
            credentials=self._client.has_credentials,
        )


def _is_range(
    answer: Response, first: int, last: int | None = None, size: int | None = None
) -> bool:
    """Whether a partial answer is what was asked for (REG-025).

    Args:
        answer: of status 206.
        first: the number of its first byte.
        last: that of its last byte; None where all from `first` on was asked for.
        size: of the whole; None where nobody knows it, so that the answer has to end with it.
    """
    match = _RANGE.fullmatch((answer.header("Content-Range") or "").strip())
    if match is None or len(match[0]) > _RANGE_MAX:
        return False
    begun, ended = int(match[1]), int(match[2])
    total = None if match[3] == "*" else int(match[3])
    return (
        begun == first
        and last in (None, ended)
        and total in (None, ended + 1 if size is None else size)
        and answer.length in (None, ended + 1 - begun)
    )
