"""``docker://``: reading an image from a registry (REG-001 to REG-049)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from urllib3 import HTTPHeaderDict

from towline.cancel import CancelToken
from towline.errors import PullCancelledError, RegistryError, TowlineError, VerificationError
from towline.frozen import field, frozen
from towline.image.manifest import RawManifest, Typeless, typed
from towline.image.schema1 import manifest_digest
from towline.name.digest import Digest, parse_digest
from towline.registry.client import RegistryClient
from towline.registry.connection_slots import PARALLEL_BLOBS, ConnectionSlots
from towline.registry.credentials import Login
from towline.registry.error_body import (
    Requested,
    redact_url,
    response_error,
)
from towline.registry.retry import Retries
from towline.source.blob_requests import BlobRequests
from towline.source.checks import check_config
from towline.source.protocol import Announcement
from towline.timeouts import Timeouts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.errors import Warn
    from towline.image.descriptor import Descriptor
    from towline.name.reference import Reference
    from towline.registry.certificates import Certificates
    from towline.registry.endpoint_log import RateLimit
    from towline.registry.response import Response
    from towline.rules.limits import TransferLimits
    from towline.rules.registry import RegistryRules
    from towline.source.docker_blob import DockerBlob
    from towline.transport.docker import DockerReference

__all__ = ["DockerAccess", "DockerSource", "open_source"]


@frozen
class DockerAccess:
    """How to access a registry for one image.

    Attributes:
        rules: the protocol of the edition.
        limits: of retries and documents.
        typeless: how a manifest of unknown media type is read (REG-006).
        insecure: from ``--tls-verify`` and registries.conf, None if neither sets it.
        login: the credentials for the registry; their repr shows no secret.
        certificates: of the host, from certs.d.
        cancel: cancels all requests.
        warn: called with each error that is only a warning.
        location: the name of the image at a mirror or at the ``location`` of registries.conf, None
            if it is the name in the reference.
        timeouts: of each request.
        slots: limits the connections for blobs; sources of one image share them.
    """

    rules: RegistryRules
    limits: TransferLimits
    typeless: Typeless
    insecure: bool | None = None
    login: Login = field(default_factory=Login)
    certificates: Certificates | None = None
    cancel: CancelToken = field(default_factory=CancelToken)
    warn: Warn | None = None
    location: Reference | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    slots: ConnectionSlots = field(default_factory=ConnectionSlots)


def open_source(reference: DockerReference, access: DockerAccess) -> DockerSource:
    """The source of an image in a registry; makes no request yet."""
    return DockerSource(reference, access)


class DockerSource:
    """One image in a registry.  Safe in any number of threads."""

    parallel = PARALLEL_BLOBS

    def __init__(self, reference: DockerReference, access: DockerAccess) -> None:
        location = access.location or reference.reference
        self.reference = reference
        self.rules = access.rules
        self.limits = access.limits
        self._typeless: Typeless = access.typeless
        self.cancel = access.cancel
        self.timeouts = access.timeouts
        self._repository = location.path
        self._client = RegistryClient(
            location.domain,
            rules=access.rules,
            limits=access.limits,
            insecure=access.insecure,
            login=access.login,
            certificates=access.certificates,
            cancel=access.cancel,
            warn=access.warn,
            timeouts=access.timeouts,
            connections=self.parallel,
        )
        self.blobs = BlobRequests(
            self._client,
            self.reference.reference.name,
            location.path,
            access.rules,
            access.limits,
            access.timeouts,
            access.slots,
            access.cancel,
        )

    def __repr__(self) -> str:
        return f"DockerSource({str(self.reference.reference)!r})"

    def manifest(self, instance: Digest | None = None) -> RawManifest:
        """The manifest, or an instance of a list; a digest in the request is checked.

        Raises:
            RegistryError: the registry cannot be reached, or does not have it.
            VerificationError: ``verify.manifest``.
            LimitExceededError: ``limit.document``.
        """
        digest = instance or self.reference.reference.digest
        data, response = self._document("manifest", self._target(digest), self._accepted())
        raw = typed(data, _media_type(response.header("Content-Type")), self._typeless)
        if digest is not None and (got := manifest_digest(raw, digest.algorithm)) != digest:
            raise VerificationError(
                "verify.manifest", want=digest, got=got, origin=redact_url(response.url)
            )
        return raw

    def announcement(self) -> Announcement | None:
        """Digest and media type of the manifest, from a HEAD request (REG-052).

        None if the request fails: the later request for the manifest raises the error.
        """
        named = self.reference.reference.digest
        path = f"manifests/{self._target(named)}"
        try:
            with self._client.head(self._repository, path, self._accepted()) as response:
                digest = parse_digest(response.header("Docker-Content-Digest") or "")
        except PullCancelledError:
            raise
        except TowlineError:
            return None
        if response.status != 200 or named not in (None, digest):
            return None
        return Announcement(digest, _media_type(response.header("Content-Type")))

    def config(self, descriptor: Descriptor) -> bytes:
        """The config blob, limited in size; its digest is checked.

        Raises:
            RegistryError: the registry cannot be reached, or does not have it.
            VerificationError: ``verify.config``.
            LimitExceededError: ``limit.document``.
        """
        if not descriptor.digest_text and self.rules.unnamed_blob == "absent":  # MANIFEST-027
            raise self._refusal_without_name()
        digest = descriptor.digest
        data, response = self._document("config", str(digest), HTTPHeaderDict())
        return check_config(data, digest, redact_url(response.url))

    def in_order(self, wanted: Sequence[Descriptor]) -> Sequence[Descriptor]:
        """The largest first: if it began late, it would be downloaded alone at the end."""
        return sorted(wanted, key=lambda descriptor: -descriptor.size)

    def open_blob(self, descriptor: Descriptor, offset: int = 0) -> DockerBlob:
        """Request a blob, from `offset` on if the server supports ranges.

        Raises:
            RegistryError: the registry cannot be reached, does not have the blob, or has one that
                is much too large (``registry.wrong_size``).
        """
        from towline.source.docker_blob import open_blob  # not needed if every blob is stored

        return open_blob(self.blobs, descriptor, offset)

    def record_wrong_bytes(self, digest: str) -> bool:
        """Record that a blob had wrong bytes; returns whether its ranges may be the cause."""
        return self.blobs.record_wrong_bytes(digest)

    @property
    def rate_limit(self) -> RateLimit | None:
        """The rate limit that the registry last stated, None if it stated none."""
        return self._client.rate_limit

    def close(self) -> None:
        """Close all connections; idempotent."""
        self._client.close()

    def _target(self, digest: Digest | None) -> str:
        return str(digest) if digest else self.reference.reference.tagged().tag or ""

    def _accepted(self) -> HTTPHeaderDict:
        accept = HTTPHeaderDict()
        for media_type in self.rules.accept:  # REG-003: one header each, in this order
            accept.add("Accept", media_type)
        return accept

    def _document(
        self, wanted: Requested, target: str, headers: HTTPHeaderDict
    ) -> tuple[bytes, Response]:
        """Read a whole manifest or config; one that breaks off is requested again (REG-024)."""
        path = f"manifests/{target}" if wanted == "manifest" else f"blobs/{target}"
        retries = Retries(self.limits.retries, self.timeouts, self.cancel.wait)
        while True:
            retries.pause()
            with self._client.get(self._repository, path, headers) as response:
                if response.status != 200:
                    raise self._refusal(wanted, target, response)
                with retries.attempt():
                    return response.read_all(self.limits.document_size, wanted), response

    def _refusal_without_name(self) -> RegistryError:
        """The error for a config without a digest, as a registry would send it."""
        name = self.reference.reference
        return response_error(
            "config",
            status=404,
            status_line="404 Not Found",
            body=b"",
            url=f"https://{name.domain}/v2/{name.path}/blobs/",
            repository=name.name,
            reference="",
            credentials_sent=False,
        )

    def _refusal(self, wanted: Requested, target: str, response: Response) -> RegistryError:
        name = self.reference.reference.name
        error = self._client.refusal(wanted, response, repository=name, reference=target)
        if wanted == "manifest":  # REG-030: errors of the ping and of tokens do not have this step
            error.during("fetching-manifest", reference=target, repository=name)
        return error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _media_type(content_type: str | None) -> str:
    """The media type in a Content-Type header, without parameters."""
    return (content_type or "").partition(";")[0].strip().lower()
