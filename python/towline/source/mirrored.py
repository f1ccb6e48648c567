"""``docker://`` with mirrors: each thing is asked for where it may be, until one place has it.

The order is that of registries.conf, mirrors first and the registry itself last; the place that
gave the manifest is asked first for all that follows.  (CONF-042, CONF-045)
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Self, TypeVar

from towline.config.endpoints import Endpoint
from towline.errors import (
    PullCancelledError,
    RegistryError,
    Step,
    TowlineError,
    VerificationError,
)
from towline.image.descriptor import Descriptor
from towline.image.manifest import RawManifest, parse_index, parse_manifest
from towline.name.digest import Digest
from towline.registry.endpoint_log import EndpointLog
from towline.rules import Rules
from towline.source.protocol import Announcement
from towline.transport.docker import DockerReference

if TYPE_CHECKING:
    from towline.source.docker import DockerSource
    from towline.source.docker_blob import DockerBlob

__all__ = ["MirroredSource"]

T = TypeVar("T")


class MirroredSource:
    """One image in one or several places.  Safe in any number of threads.

    Args:
        reference: the name that the user means; policy and store know no other.
        endpoints: the places, in the order of asking.
        dial: makes the source of one place; called when that place is first asked.
        log: gets notes of who gave what.
    """

    parallel = 6

    def __init__(
        self,
        reference: DockerReference,
        endpoints: Sequence[Endpoint],
        dial: Callable[[Endpoint], DockerSource],
        rules: Rules,
        log: EndpointLog,
    ) -> None:
        self.reference = reference
        self._endpoints = tuple(endpoints)
        self._dial = dial
        self._rules = rules
        self._log = log
        self._lock = threading.Lock()
        self._sources: dict[Endpoint, DockerSource] = {}
        self._order = list(self._endpoints)
        self._giving: dict[str, Endpoint] = {}  # who was asked last for a blob
        self._refused: dict[str, set[Endpoint]] = {}  # who is not asked for it again

    def __repr__(self) -> str:
        return f"MirroredSource({str(self.reference.reference)!r})"

    def manifest(self, instance: Digest | None = None) -> RawManifest:
        """The manifest, or that instance of a list, from the first place that has it.

        A manifest that cannot be read is a failure of its place while another place is left.

        Raises:
            TowlineError: what the registry itself says, told together with its mirrors' failures.
        """

        def ask(source: DockerSource, last: bool) -> RawManifest:
            raw = source.manifest(instance)
            if not last:
                read = parse_index if raw.media_type in self._rules.indexes else parse_manifest
                read(raw)
            return raw

        endpoint, raw = self._first(ask)
        self._log.served(endpoint.reference.name, str(raw.digest))
        self._prefer(endpoint)
        return raw

    def announcement(self) -> Announcement | None:
        """What the place that would be asked for the manifest says of it, without giving it."""
        endpoint = self._candidates("")[0]
        try:
            source = self._source(endpoint)
        except TowlineError:  # which is told when the place is asked for the manifest
            return None
        said = source.announcement()
        if said is not None:
            name = endpoint.reference.name
            self._log.asked(name, mirror=endpoint.mirror)
            self._log.limited(name, source.rate_limit)
        return said

    def config(self, descriptor: Descriptor) -> bytes:
        """The config blob, whose digest is checked; TowlineError as `manifest`."""
        endpoint, data = self._first(lambda source, _: source.config(descriptor))
        self._log.served(endpoint.reference.name, descriptor.digest_text)
        return data

    def in_order(self, wanted: Sequence[Descriptor]) -> Sequence[Descriptor]:
        """The largest first."""
        return sorted(wanted, key=lambda descriptor: -descriptor.size)

    def open_blob(self, descriptor: Descriptor, offset: int = 0) -> DockerBlob:
        """Find a blob in the first place that has it and did not fail at it before."""
        digest = descriptor.digest_text
        endpoint, blob = self._first(lambda source, _: source.open_blob(descriptor, offset), digest)
        with self._lock:
            self._giving[digest] = endpoint
        self._log.served(endpoint.reference.name, digest)
        return blob

    def give_up(self, descriptor: Descriptor, error: TowlineError) -> bool:
        """Take note that the blob opened last broke off, or had other bytes than it should.

        Returns:
            Whether another place is left to ask for it.
        """
        digest = descriptor.digest_text
        with self._lock:
            endpoint = self._giving.pop(digest, None)
            if endpoint is None:  # nobody gave it
                return False
            wrong = isinstance(error, VerificationError)
            if wrong and self._sources[endpoint].doubt(digest):
                return True  # REG-029: once more there, by one request
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
        self, ask: Callable[[DockerSource, bool], T], digest: str = ""
    ) -> tuple[Endpoint, T]:
        failures: dict[Endpoint, TowlineError] = {}
        candidates = self._candidates(digest) or list(self._order)
        for endpoint in candidates:
            name = endpoint.reference.name
            self._log.asked(name, mirror=endpoint.mirror)
            try:
                source = self._source(endpoint)
                given = ask(source, endpoint is candidates[-1])
            except PullCancelledError:
                raise
            except TowlineError as error:
                failures[endpoint] = error
                self._log.failed(name, error)
                if isinstance(error, RegistryError) and error.code == "registry.unreachable":
                    self._put_last(endpoint)
                continue
            self._log.limited(name, source.rate_limit)
            return endpoint, given
        raise self._nowhere(failures)

    def _nowhere(self, failures: dict[Endpoint, TowlineError]) -> TowlineError:
        """The registry's own error; those of the mirrors are told behind it."""
        last = next((end for end in failures if not end.mirror), list(failures)[-1])
        error = failures.pop(last)
        if failures:
            error.steps = (
                Step(
                    "asking-mirrors",
                    {
                        "locations": [endpoint.reference.name for endpoint in failures],
                        "errors": list(failures.values()),
                    },
                ),
                *error.steps,
            )
        return error

    def _source(self, endpoint: Endpoint) -> DockerSource:
        if endpoint.problem is not None:
            raise RegistryError(endpoint.problem.code, **endpoint.problem.facts)
        with self._lock:
            if endpoint not in self._sources:
                self._sources[endpoint] = self._dial(endpoint)
            return self._sources[endpoint]

    def _candidates(self, digest: str) -> list[Endpoint]:
        with self._lock:
            refused = self._refused.get(digest, set())
            return [endpoint for endpoint in self._order if endpoint not in refused]

    def _prefer(self, endpoint: Endpoint) -> None:
        with self._lock:
            self._order.sort(key=lambda each: each != endpoint)

    def _put_last(self, endpoint: Endpoint) -> None:
        with self._lock:
            self._order.sort(key=lambda each: each == endpoint)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
