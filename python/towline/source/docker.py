"""``docker://``: reading an image from a registry, as the clauses REG-001 to REG-049 say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from urllib3 import HTTPHeaderDict

from towline.cancel import CancelToken
from towline.errors import PullCancelledError, RegistryError, Step, TowlineError, VerificationError
from towline.image.descriptor import Descriptor
from towline.image.manifest import RawManifest, typed
from towline.image.schema1 import known_digest
from towline.name.digest import Digest, parse_digest
from towline.name.reference import Reference
from towline.registry.client import RegistryClient
from towline.registry.connection_slots import ConnectionSlots
from towline.registry.credentials import Credentials
from towline.registry.endpoint_log import RateLimit
from towline.registry.error_body import (
    BODY_MAX,
    Requested,
    redact_url,
    response_error,
)
from towline.registry.response import Response
from towline.registry.retry import delay, is_transient
from towline.registry.tls import Certificates
from towline.rules import Rules
from towline.source.blob_requests import BlobRequests
from towline.source.checks import check_config
from towline.source.docker_blob import DockerBlob, open_blob
from towline.source.protocol import Announcement
from towline.timeouts import Timeouts
from towline.transport.docker import DockerReference

__all__ = ["DockerAccess", "DockerSource", "open_source"]


@dataclass(frozen=True, slots=True)
class DockerAccess:
    """How a registry is spoken to, for one image.

    Attributes:
        rules: the edition.
        insecure: what ``--tls-verify`` and registries.conf say, None where neither does.
        credentials: who we are; their repr shows no secret.
        certificates: of the host, from certs.d.
        cancel: stops what is under way.
        location: the name under which the image really lies, where a mirror or the ``location``
            of registries.conf takes the place of the registry in the image's name.
        timeouts: how long the registry is waited for.
        slots: the connections for blobs; sources of one image share them.
    """

    rules: Rules
    insecure: bool | None = None
    credentials: Credentials | None = None
    certificates: Certificates | None = None
    cancel: CancelToken = field(default_factory=CancelToken)
    location: Reference | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    slots: ConnectionSlots = field(default_factory=ConnectionSlots)


def open_source(reference: DockerReference, access: DockerAccess) -> DockerSource:
    """The source of an image in a registry.  Nothing is asked yet."""
    return DockerSource(reference, access)


class DockerSource:
    """One image in a registry.  Safe in any number of threads."""

    parallel = 6

    def __init__(self, reference: DockerReference, access: DockerAccess) -> None:
        place = access.location or reference.reference
        self.reference = reference
        self.rules = access.rules
        self.cancel = access.cancel
        self.timeouts = access.timeouts
        self._repository = place.path
        self._client = RegistryClient(
            place.domain,
            rules=access.rules,
            insecure=access.insecure,
            credentials=access.credentials,
            certificates=access.certificates,
            cancel=access.cancel,
            timeouts=access.timeouts,
            connections=self.parallel,
        )
        self.blobs = BlobRequests(
            self._client,
            self.reference.reference.name,
            place.path,
            access.rules,
            access.timeouts,
            access.slots,
            access.cancel,
        )

    def __repr__(self) -> str:
        return f"DockerSource({str(self.reference.reference)!r})"

    def manifest(self, instance: Digest | None = None) -> RawManifest:
        """The manifest, or that instance of a list; its digest is checked where it was named.

        Raises:
            RegistryError: the registry cannot be reached, or does not give it.
            VerificationError: ``verify.manifest``.
            LimitExceededError: ``limit.document``.
        """
        digest = instance or self.reference.reference.digest
        data, answer = self._document("manifest", self._asked(digest), self._accepted())
        raw = typed(data, _bare(answer.header("Content-Type")), self.rules)
        if digest is not None and (got := known_digest(raw, digest.algorithm)) != digest:
            raise VerificationError(
                "verify.manifest", want=digest, got=got, origin=redact_url(answer.url)
            )
        return raw

    def announcement(self) -> Announcement | None:
        """What the registry says of the manifest, without giving it (REG-052).

        None where it does not say it; what is wrong is told by the request for the manifest.
        """
        named = self.reference.reference.digest
        rest = f"manifests/{self._asked(named)}"
        try:
            with self._client.head(self._repository, rest, self._accepted()) as answer:
                digest = parse_digest(answer.header("Docker-Content-Digest") or "")
        except PullCancelledError:
            raise
        except TowlineError:
            return None
        if answer.status != 200 or named not in (None, digest):
            return None
        return Announcement(digest, _bare(answer.header("Content-Type")))

    def config(self, descriptor: Descriptor) -> bytes:
        """The config blob, within its budget; its digest is checked.

        Raises:
            RegistryError: the registry cannot be reached, or does not give it.
            VerificationError: ``verify.config``.
            LimitExceededError: ``limit.document``.
        """
        if not descriptor.digest_text and self.rules.unnamed_blob == "absent":  # MANIFEST-027
            raise self._without_name()
        digest = descriptor.digest
        data, answer = self._document("config", str(digest), HTTPHeaderDict())
        return check_config(data, digest, redact_url(answer.url))

    def in_order(self, wanted: Sequence[Descriptor]) -> Sequence[Descriptor]:
        """The largest first: begun late, it would be waited for alone."""
        return sorted(wanted, key=lambda descriptor: -descriptor.size)

    def open_blob(self, descriptor: Descriptor, offset: int = 0) -> DockerBlob:
        """Find a blob, from `offset` on where the server can do that.

        Raises:
            RegistryError: the registry cannot be reached, does not have the blob, or has one of
                another size (``registry.wrong_size``).
        """
        return open_blob(self.blobs, descriptor, offset)

    def doubt(self, digest: str) -> bool:
        """Note that a blob had wrong bytes; whether its ranges may be the reason."""
        return self.blobs.doubt(digest)

    @property
    def rate_limit(self) -> RateLimit | None:
        """What the registry last said of its limits, None where it said nothing."""
        return self._client.rate_limit

    def close(self) -> None:
        """Close all connections; idempotent."""
        self._client.close()

    def _asked(self, digest: Digest | None) -> str:
        return str(digest) if digest else self.reference.reference.tagged().tag or ""

    def _accepted(self) -> HTTPHeaderDict:
        accept = HTTPHeaderDict()
        for media_type in self.rules.accept:  # REG-003: one header each, in this order
            accept.add("Accept", media_type)
        return accept

    def _document(
        self, wanted: Requested, asked: str, headers: HTTPHeaderDict
    ) -> tuple[bytes, Response]:
        """A whole manifest or config; one that breaks off is asked for again (REG-024)."""
        rest = f"manifests/{asked}" if wanted == "manifest" else f"blobs/{asked}"
        for attempt in range(self.rules.retries + 1):
            with self._client.get(self._repository, rest, headers) as answer:
                if answer.status != 200:
                    raise self._refused(wanted, asked, answer)
                try:
                    return answer.read_all(self.rules.document_limit, wanted), answer
                except RegistryError as error:
                    if attempt == self.rules.retries or not is_transient(error):
                        raise
            self.cancel.wait(delay(attempt, None, self.timeouts))
        raise AssertionError("the last attempt returns or raises")

    def _without_name(self) -> RegistryError:
        """What a registry says of a config that has no name; it need not be asked."""
        name = self.reference.reference
        return response_error(
            "config",
            status=404,
            status_line="404 Not Found",
            body=b"",
            url=f"https://{name.domain}/v2/{name.path}/blobs/",
            repository=name.name,
            reference="",
            credentials=self._client.has_credentials,
        )

    def _refused(self, wanted: Requested, asked: str, answer: Response) -> RegistryError:
        name = self.reference.reference.name
        error = response_error(
            wanted,
            status=answer.status,
            status_line=answer.status_line,
            body=answer.read_some(BODY_MAX),
            url=answer.url,
            repository=name,
            reference=asked,
            credentials=self._client.has_credentials,
        )
        if wanted == "manifest":  # REG-030: what the ping or a token meets has not this step
            error.steps = (Step("fetching-manifest", {"reference": asked, "repository": name}),)
        return error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _bare(content_type: str | None) -> str:
    """A media type without its parameters."""
    return (content_type or "").partition(";")[0].strip().lower()
