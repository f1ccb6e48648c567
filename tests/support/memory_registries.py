"""Registries in memory, and the sources that read them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from tests.support.image_forms import broken
from tests.support.pull_world import Registry
from towline.core import ByteWriter
from towline.errors import RegistryError, VerificationError, step
from towline.image.descriptor import Descriptor
from towline.image.manifest import RawManifest
from towline.name.digest import Digest, digest_of, parse_digest
from towline.registry.error_body import Requested, response_error
from towline.source.protocol import Announcement, Source
from towline.transport import ImageReference
from towline.transport.docker import DockerReference

__all__ = ["MemoryRegistries"]

_UNKNOWN = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown", "detail": {}}]}


class MemoryRegistries:
    """A set of registries; `open` replaces the runtime's `open_source`."""

    def __init__(
        self,
        registries: Mapping[str, Registry],
        contents: Mapping[str, bytes],
        types: Mapping[str, str],
    ) -> None:
        self.registries = registries
        self.contents = contents
        self.types = types

    def open(self, reference: ImageReference) -> Source | None:
        """The source of a `docker` reference."""
        if not isinstance(reference, DockerReference):
            return None
        return _MemorySource(self, self.registries[reference.reference.domain], reference)

    def read(self, registry: Registry, digest: str) -> bytes | None:
        """The bytes that the registry has under a digest; None if they are missing."""
        if digest not in registry.broken:
            return self.contents[digest]
        return broken(self.contents[digest]) if registry.broken[digest] else None


class _MemorySource:
    """A source of one image in memory, with the errors of the real source."""

    parallel = 1

    def __init__(
        self, holder: MemoryRegistries, registry: Registry, reference: DockerReference
    ) -> None:
        self.reference: ImageReference = reference
        self._named = reference.reference
        self._holder = holder
        self._registry = registry

    def manifest(self, instance: Digest | None = None) -> RawManifest:
        digest = instance or self._named.digest
        requested = str(digest) if digest else self._named.tagged().tag or ""
        path = f"{self._named.path}{'@' if digest else ':'}{requested}"
        if self._registry.fault == "registry.unreachable":
            url, reason = f"{self._registry.url}/v2/", "connection refused"
            with step("pinging"):
                raise RegistryError(
                    "registry.unreachable",
                    cause="refused",
                    reason=reason,
                    url=url,
                    host=self._named.domain,
                )
        with step("fetching-manifest", reference=requested, repository=self._named.name):
            if self._registry.fault:
                raise self._error("manifest", requested, 500, "500 Internal Server Error", b"")
            if path not in self._registry.images:
                body = json.dumps(_UNKNOWN).encode()
                raise self._error("manifest", requested, 404, "404 Not Found", body)
        found = self._registry.images[path]
        data = self._holder.read(self._registry, found.digest) or b""
        if digest and (got := digest_of(data, "sha256")) != digest:
            raise VerificationError("verify.manifest", want=digest, got=got, origin="memory")
        return RawManifest(data, self._holder.types[found.digest])

    def announcement(self) -> Announcement | None:
        path = f"{self._named.path}{str(self._named.tagged()).removeprefix(self._named.name)}"
        found = self._registry.images.get(path)
        if found is None or self._registry.fault:
            return None
        return Announcement(parse_digest(found.digest), self._holder.types[found.digest])

    def config(self, descriptor: Descriptor) -> bytes:
        data = self._blob("config", descriptor)
        if (got := digest_of(data, "sha256")) != descriptor.digest:
            raise VerificationError(
                "verify.config", want=descriptor.digest, got=got, origin="memory"
            )
        return data

    def in_order(self, wanted: Sequence[Descriptor]) -> Sequence[Descriptor]:
        return wanted

    def open_blob(self, descriptor: Descriptor, offset: int = 0) -> _MemoryBlob:
        return _MemoryBlob(self._blob("blob", descriptor), offset)

    def close(self) -> None:
        pass

    def _blob(self, wanted: Requested, descriptor: Descriptor) -> bytes:
        data = self._holder.read(self._registry, descriptor.digest_text)
        if data is None:
            raise self._error(wanted, descriptor.digest_text, 404, "404 Not Found", b"")
        return data

    def _error(
        self, wanted: Requested, requested: str, status: int, status_line: str, body: bytes
    ) -> RegistryError:
        return response_error(
            wanted,
            status=status,
            status_line=status_line,
            body=body,
            url=f"{self._registry.url}/v2/",
            repository=self._named.name,
            reference=requested,
            credentials_sent=False,
        )


class _MemoryBlob:
    """A blob in memory."""

    def __init__(self, data: bytes, offset: int) -> None:
        self.size = len(data)
        self.offset = offset
        self._data = data

    def deliver(self, writer: ByteWriter) -> None:
        writer.write(self._data[self.offset :])

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
