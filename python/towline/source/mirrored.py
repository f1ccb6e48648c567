"""``docker://`` with mirrors: each document and blob is requested from endpoints in order.

The order is that of registries.conf, mirrors first and the registry last.  The endpoint that served
the manifest is tried first for everything else.  (CONF-042, CONF-045)
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self, TypeVar

from towline.errors import (
    PullCancelledError,
    RegistryError,
    TowlineError,
    VerificationError,
)
from towline.image.manifest import RawManifest, parse_index, parse_manifest
from towline.registry.connection_slots import PARALLEL_BLOBS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from towline.config.endpoints import Endpoint
    from towline.image.descriptor import Descriptor
    from towline.name.digest import Digest
    from towline.registry.endpoint_log import EndpointLog
    from towline.source.docker import DockerSource
    from towline.source.docker_blob import DockerBlob
    from towline.source.protocol import Announcement
    from towline.transport.docker import DockerReference

__all__ = ["MirroredSource"]

T = TypeVar("T")


class MirroredSource:
    """One image at one or several endpoints.  Safe in any number of threads.

    Args:
        reference: the name from the user, which also policy and store use.
        endpoints: in the order of trying.
        open_endpoint: creates the source of an endpoint; called when it is first used.
        indexes: the media types of lists and indexes.
        log: records what each endpoint serves.
    """

    parallel = PARALLEL_BLOBS

    def __init__(
        self,
        reference: DockerReference,
        endpoints: Sequence[Endpoint],
        open_endpoint: Callable[[Endpoint], DockerSource],
        indexes: tuple[str, ...],
        log: EndpointLog,
    ) -> None:
        self.reference = reference
        self._endpoints = tuple(endpoints)
        self._open = open_endpoint
        self._indexes = indexes
        self._log = log
        self._lock = threading.Lock()
        self._sources: dict[Endpoint, DockerSource] = {}
        self._order = list(self._endpoints)
        self._used: dict[str, Endpoint] = {}  # the endpoint of the last request for a blob
        self._refused: dict[str, set[Endpoint]] = {}  # endpoints that are not used for it again

    def __repr__(self) -> str:
        return f"MirroredSource({str(self.reference.reference)!r})"

    def manifest(self, instance: Digest | None = None) -> RawManifest:
        """The manifest, or an instance of a list, from the first endpoint that has it.

        If a manifest cannot be parsed, the next endpoint is tried.

        Raises:
            TowlineError: the error of the registry, with those of its mirrors as a step.
        """

        def request(source: DockerSource, last: bool) -> RawManifest:
            raw = source.manifest(instance)
            if not last:
                read = parse_index if raw.media_type in self._indexes else parse_manifest
                read(raw)
            return raw

        endpoint, raw = self._first(request)
        self._log.served(endpoint.reference.name, str(raw.digest))
        self._move_first(endpoint)
        return raw

    def announcement(self) -> Announcement | None:
        """Digest and media type of the manifest, from the endpoint that `manifest` tries first."""
        endpoint = self._candidates("")[0]
        try:
            source = self._source(endpoint)
        except TowlineError:  # `manifest` raises it again
            return None
        announcement = source.announcement()
        if announcement is not None:
            name = endpoint.reference.name
            self._log.requested(name, mirror=endpoint.mirror)
            self._log.limited(name, source.rate_limit)
        return announcement

    def config(self, descriptor: Descriptor) -> bytes:
        """The config blob, whose digest is checked; TowlineError as `manifest`."""
        endpoint, data = self._first(lambda source, _: source.config(descriptor))
        self._log.served(endpoint.reference.name, descriptor.digest_text)
        return data

    def in_order(self, wanted: Sequence[Descriptor]) -> Sequence[Descriptor]:
        """The largest first."""
        return sorted(wanted, key=lambda descriptor: -descriptor.size)

    def open_blob(self, descriptor: Descriptor, offset: int = 0) -> DockerBlob:
        """Request a blob from the first endpoint that has it and did not fail with it before."""
        digest = descriptor.digest_text
        endpoint, blob = self._first(lambda source, _: source.open_blob(descriptor, offset), digest)
        with self._lock:
            self._used[digest] = endpoint
        self._log.served(endpoint.reference.name, digest)
        return blob

    def give_up(self, descriptor: Descriptor, error: TowlineError) -> bool:
        """Record that the blob opened last broke off or had wrong bytes.

        Returns:
            Whether another endpoint remains for it.
        """
        digest = descriptor.digest_text
        with self._lock:
            endpoint = self._used.pop(digest, None)
            if endpoint is None:  # it was not opened
                return False
            wrong_bytes = isinstance(error, VerificationError)
            if wrong_bytes and self._sources[endpoint].record_wrong_bytes(digest):
                return True  # REG-029: once more from there, with one request
            self._refused.setdefault(digest, set()).add(endpoint)
        self._log.failed(endpoint.reference.name, error, digest)
        return bool(self._candidates(digest))

    def close(self) -> None:
        """Close all connections; idempotent."""
        with self._lock:
            sources = list(self._sources.values())
        for source in sources:
            source.close()

    def _first(
        self, request: Callable[[DockerSource, bool], T], digest: str = ""
    ) -> tuple[Endpoint, T]:
        failures: dict[Endpoint, TowlineError] = {}
        candidates = self._candidates(digest) or list(self._order)
        for endpoint in candidates:
            name = endpoint.reference.name
            self._log.requested(name, mirror=endpoint.mirror)
            try:
                source = self._source(endpoint)
                result = request(source, endpoint is candidates[-1])
            except PullCancelledError:
                raise
            except TowlineError as error:
                failures[endpoint] = error
                self._log.failed(name, error)
                if isinstance(error, RegistryError) and error.code == "registry.unreachable":
                    self._move_last(endpoint)
                continue
            self._log.limited(name, source.rate_limit)
            return endpoint, result
        raise self._combined_error(failures)

    def _combined_error(self, failures: dict[Endpoint, TowlineError]) -> TowlineError:
        """The error of the registry, with the errors of the mirrors as a step."""
        last = next((end for end in failures if not end.mirror), list(failures)[-1])
        error = failures.pop(last)
        if failures:
            error.during(
                "asking-mirrors",
                locations=[endpoint.reference.name for endpoint in failures],
                errors=list(failures.values()),
            )
        return error

    def _source(self, endpoint: Endpoint) -> DockerSource:
        if endpoint.problem is not None:
            raise RegistryError(endpoint.problem.code, **endpoint.problem.facts)
        with self._lock:
            if endpoint not in self._sources:
                self._sources[endpoint] = self._open(endpoint)
            return self._sources[endpoint]

    def _candidates(self, digest: str) -> list[Endpoint]:
        with self._lock:
            refused = self._refused.get(digest, set())
            return [endpoint for endpoint in self._order if endpoint not in refused]

    def _move_first(self, endpoint: Endpoint) -> None:
        with self._lock:
            self._order.sort(key=lambda each: each != endpoint)

    def _move_last(self, endpoint: Endpoint) -> None:
        with self._lock:
            self._order.sort(key=lambda each: each == endpoint)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
