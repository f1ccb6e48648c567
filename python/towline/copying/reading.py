"""Reads the manifest and the config of an image; selects an instance from a manifest list.

Errors of a copy have steps with the name of the source; errors of the label check have no steps
(LABEL-002).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Literal

from towline.errors import SourceError, VerificationError, step
from towline.frozen import frozen
from towline.image.config import ImageConfig, config_of, parse_config, require_config
from towline.image.instances import choose_instance
from towline.image.manifest import (
    DOCKER_LIST,
    DOCKER_SCHEMA2,
    OCI_MANIFEST,
    Manifest,
    RawManifest,
    parse_index,
    parse_manifest,
    recognise,
    typed,
)
from towline.image.schema1 import Schema1, parse_schema1
from towline.source.protocol import Announcing, ListsManifest, Source
from towline.transport import image_name

if TYPE_CHECKING:
    from towline.errors import TowlineError, Warn
    from towline.image.descriptor import Descriptor
    from towline.image.platform import Platform
    from towline.name.digest import Digest
    from towline.rules.copying import CopyingRules
    from towline.rules.limits import TransferLimits
    from towline.store.protocol import ImageStore

__all__ = ["Reading", "other_size"]

_MAX_NESTING = 4  # of lists in lists


def other_size(
    what: Literal["config", "layer", "manifest"], listed: Descriptor, got: int
) -> VerificationError:
    """The warning about a blob that has the listed digest, but not the listed size (REG-027)."""
    digest = listed.digest_text
    return VerificationError(
        "verify.other_size", what=what, digest=digest, want=listed.size, got=got
    )


def _ignore(warning: TowlineError) -> None:
    """Take a warning that the copy of the image repeats."""


@frozen
class Reading:
    """The settings under which one call reads images.

    Attributes:
        platform: the platform by which an instance of a list is selected.
        name_source: add steps with the name of the source to errors.
        store: documents that it has are not fetched again (REG-052); None to fetch all.
        warn: called with each error that is only a warning.
    """

    rules: CopyingRules
    limits: TransferLimits
    platform: Platform
    name_source: bool = True
    store: ImageStore | None = None
    warn: Warn = _ignore

    def _step(self, name: str, source: Source | None = None) -> AbstractContextManager[None]:
        if not self.name_source:
            return nullcontext()
        if source is None:
            return step(name)
        return step(name, source=image_name(source.reference))

    def manifest(self, source: Source) -> tuple[RawManifest, RawManifest | None]:
        """Return the manifest of the image, and the list from which it was selected, if any.

        Raises:
            PlatformMismatchError: the list has no instance for the platform.
            SourceError: a manifest or list is invalid.
        """
        with self._step("reading-manifest", source):
            raw = self._unchanged(source) or source.manifest()
        if isinstance(source, ListsManifest) and (entry := source.listed_manifest()) is not None:
            self._check_size("manifest", entry, raw.data)
        listed = None
        for _ in range(_MAX_NESTING):
            if raw.media_type not in self.rules.indexes:
                return raw, listed
            listed = listed or raw
            with self._step("choosing-instance", source):
                chosen = choose_instance(
                    [entry for entry in parse_index(raw).instances if not entry.attestation],
                    self.platform,
                    variants=self.rules.variants,
                    list_kind="manifest list" if raw.media_type == DOCKER_LIST else "image index",
                )
                stored = self._stored(chosen.digest, chosen.media_type)
                raw = stored or source.manifest(chosen.digest)
            self._check_size("manifest", chosen, raw.data)
        if raw.media_type not in self.rules.indexes:
            return raw, listed
        raise SourceError("manifest.nested", limit=_MAX_NESTING)

    def parsed(self, source: Source, raw: RawManifest) -> Manifest | Schema1:
        """Return the parsed manifest; SourceError if it is invalid."""
        known = raw.media_type in (DOCKER_SCHEMA2, OCI_MANIFEST)
        with self._step("opening-image", source):
            if self.rules.schema1 == "accept" and not known:  # MANIFEST-020
                return parse_schema1(raw)
            return parse_manifest(raw)

    def config(
        self, source: Source, manifest: Manifest | Schema1
    ) -> tuple[bytes, ImageConfig | None]:
        """Return the bytes of the config, whose digest was checked, and the parsed config.

        An image of schema 1 has no config blob; its history has the same data (MANIFEST-025).  The
        config of an artifact is not parsed (MANIFEST-013).
        """
        with self._step("parsing-config"):
            if isinstance(manifest, Schema1):
                return b"", manifest.partial_config()
            data = self._document(manifest.config) or source.config(manifest.config)
            self._check_size("config", manifest.config, data)
            if self.rules.artifacts == "refuse":
                return data, parse_config(data)
            return data, config_of(manifest, data)

    def image_config(self, source: Source, manifest: Manifest | Schema1) -> ImageConfig:
        """Return the parsed config; SourceError (``config.artifact``) for an artifact."""
        if isinstance(manifest, Schema1):
            return manifest.partial_config()
        return require_config(manifest, self.config(source, manifest)[1])

    def _check_size(
        self, what: Literal["config", "manifest"], listed: Descriptor, data: bytes
    ) -> None:
        if self.rules.listed_size == "advice" and listed.size not in (len(data), -1):
            self.warn(other_size(what, listed, len(data)))

    def _unchanged(self, source: Source) -> RawManifest | None:
        """The stored manifest, if the name of the source still refers to it; else None."""
        if self.store is None or not isinstance(source, Announcing):
            return None
        name = source.reference.docker_reference
        if name is None or not self.store.holds(str(name.digest or name.tagged())):
            return None  # the manifest has to be fetched anyway
        announcement = source.announcement()
        if announcement is None:
            return None
        return self._stored(announcement.digest, announcement.media_type)

    def _stored(self, digest: Digest, media_type: str) -> RawManifest | None:
        if self.store is None:
            return None
        data = self.store.document(digest, self.limits.document_size)
        if data is None:
            return None
        # If the media types differ, the stored document is not the announced one: fetch that.
        raw = typed(data, media_type, self.rules.typeless)
        return raw if raw.media_type == recognise(data) else None

    def _document(self, config: Descriptor) -> bytes | None:
        if self.store is None or not config.digest_text:
            return None
        return self.store.document(config.digest, self.limits.document_size)
