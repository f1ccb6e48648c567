"""Requests for the blobs of one repository: whole, from an offset, or a range."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from towline.errors import LimitExceededError, RegistryError
from towline.registry.error_body import (
    parse_web_url,
    reason_phrase,
    redact_url,
)

if TYPE_CHECKING:
    from towline.cancel import CancelToken
    from towline.image.descriptor import Descriptor
    from towline.name.digest import Digest
    from towline.registry.client import RegistryClient
    from towline.registry.connection_slots import ConnectionSlots
    from towline.registry.response import Response
    from towline.rules.limits import TransferLimits
    from towline.rules.registry import RegistryRules
    from towline.timeouts import Timeouts

__all__ = ["BlobRequests"]

_URLS_MAX = 8  # URLs of a foreign layer that are tried; real layers have one
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_RANGE_MAX = 80  # characters of a Content-Range; int() raises for very long numbers


class BlobRequests:
    """Requests the blobs of one repository.  Safe in any number of threads.

    Attributes:
        slots: limits the connections for blobs; shared by all sources of one image.
        unsized_max: the most bytes of all blobs whose sizes the manifest does not state
            (REG-054); Docker Hub and ghcr.io accept no larger layer.
    """

    unsized_max: ClassVar[int] = 10 << 30

    def __init__(
        self,
        client: RegistryClient,
        name: str,
        repository: str,
        rules: RegistryRules,
        limits: TransferLimits,
        timeouts: Timeouts,
        slots: ConnectionSlots,
        cancel: CancelToken,
    ) -> None:
        """Initialize.

        Args:
            client: of the registry.
            name: the repository in the name of the image, for messages.
            repository: its path in the registry.
            rules: the protocol of the edition.
            limits: of retries.
            timeouts: the time limits.
            slots: limits the connections for blobs.
            cancel: cancels all requests.
        """
        self.rules = rules
        self.limits = limits
        self.timeouts = timeouts
        self.slots = slots
        self.cancel = cancel
        self._divides = rules.parallel_ranges
        self._divided: set[str] = set()
        self._unsized: dict[str, int] = {}
        self._lock = threading.Lock()
        self._client = client
        self._name = name
        self._repository = repository

    def request(
        self, descriptor: Descriptor, offset: int, retries: int | None = None
    ) -> tuple[Response, int]:
        """Request a blob; returns the response and the offset at which its body begins.

        Raises:
            RegistryError: as `open_blob`.
        """
        digest = descriptor.digest
        if descriptor.urls and self.rules.foreign_urls == "first":  # REG-028
            return self._request_foreign(descriptor), 0
        response, at = self._request_blob(digest, offset, retries)
        if response.status in (200, 206):
            return response, at
        if response.status == 404 and descriptor.urls:
            response.finish()
            return self._request_foreign(descriptor), 0
        with response:
            raise self._refusal(digest, response)

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

    def record_wrong_bytes(self, digest: str) -> bool:
        """Record that a blob had wrong bytes; returns whether its ranges may be the cause."""
        suspect = self._divides and digest in self._divided
        if suspect:
            self.stop_dividing()
        return suspect

    def count_unsized(self, digest: str, size: int) -> None:
        """Count the bytes of a blob whose size the manifest does not state (REG-054).

        Raises:
            LimitExceededError: ``limit.unsized_blobs``.
        """
        with self._lock:
            self._unsized[digest] = max(size, self._unsized.get(digest, 0))
            total = sum(self._unsized.values())
        if total > self.unsized_max:
            raise LimitExceededError("limit.unsized_blobs", digest=digest, limit=self.unsized_max)

    def request_range(self, digest: Digest, first: int, last: int, size: int) -> Response | None:
        """Request a range of a blob; None if the server sends something else.

        Args:
            digest: of the blob.
            first: the number of the first byte.
            last: the number of the last byte.
            size: of the whole blob.

        Raises:
            RegistryError: the registry cannot be reached, or refuses.
        """
        headers = {"Range": f"bytes={first}-{last}"}
        response = self._client.get(self._repository, f"blobs/{digest}", headers, retries=0)
        if response.status == 206 and _is_range(response, first, last, size):
            return response
        with response:
            if response.status in (200, 206, 416):
                return None
            raise self._refusal(digest, response)

    def _request_blob(
        self, digest: Digest, offset: int, retries: int | None
    ) -> tuple[Response, int]:
        path = f"blobs/{digest}"
        if offset > 0:
            headers = {"Range": f"bytes={offset}-"}
            response = self._client.get(self._repository, path, headers, retries=retries)
            if response.status == 206 and _is_range(response, offset):
                return response, offset
            if response.status not in (206, 416):
                return response, 0
            # The server sent another range, or refused it: request the whole blob.
            response.close()
        response = self._client.get(self._repository, path, retries=retries)
        if response.status == 206:
            with response:
                raise self._refusal(digest, response)
        return response, 0

    def _request_foreign(self, descriptor: Descriptor) -> Response:
        """Request a blob from the URLs in its descriptor, in order, without credentials."""
        problem: RegistryError | None = None
        for url in list(filter(parse_web_url, descriptor.urls))[:_URLS_MAX]:
            try:
                response = self._client.get_foreign(url)
            except RegistryError as error:
                problem = error
                continue
            if response.status == 200:
                return response
            response.finish()
            problem = RegistryError(
                "registry.foreign_blob",
                digest=descriptor.digest_text,
                url=redact_url(url),
                host=urlsplit(url).netloc,
                status=response.status,
                reason=reason_phrase(response.status),
            )
        raise problem or RegistryError("registry.foreign_nowhere", digest=descriptor.digest_text)

    def _refusal(self, digest: Digest, response: Response) -> RegistryError:
        name = self._name
        return self._client.refusal("blob", response, repository=name, reference=str(digest))


def _is_range(
    response: Response, first: int, last: int | None = None, size: int | None = None
) -> bool:
    """Whether a partial response has the requested range (REG-025).

    Args:
        response: of status 206.
        first: the number of the first byte.
        last: the number of the last byte; None if all bytes from `first` on were requested.
        size: of the whole blob; None if it is unknown: then the range must extend to its end.
    """
    match = _RANGE.fullmatch((response.header("Content-Range") or "").strip())
    if match is None or len(match[0]) > _RANGE_MAX or response.coding:
        return False
    begun, ended = int(match[1]), int(match[2])
    total = None if match[3] == "*" else int(match[3])
    return (
        begun == first
        and last in (None, ended)
        and total in (None, ended + 1 if size is None else size)
        and response.length in (None, ended + 1 - begun)
    )
