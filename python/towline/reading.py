"""Reading what an image is: its manifest, chosen from a list where there is one, and its config.

The copy of an image says of each step which source it was for; the label check does not
(LABEL-002).  So the steps are here, told or not.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from towline.digest import Digest
from towline.errors import SourceError, step
from towline.image_config import ImageConfig, parse_config
from towline.manifest import (
    DOCKER_LIST,
    DOCKER_SCHEMA2,
    OCI_MANIFEST,
    Manifest,
    RawManifest,
    parse_index,
    parse_manifest,
)
from towline.platform import Platform, choose_instance
from towline.rules import Rules
from towline.schema1 import Schema1, parse_schema1
from towline.source.protocol import Source
from towline.transport import image_name

__all__ = ["Reading"]

_MAX_NESTING = 4  # of lists in lists


@dataclass(frozen=True, slots=True)
class Reading:
    """How images are read in one call.

    Attributes:
        platform: which instance of a list is taken.
        told: whether errors say which source they are about.
    """

    rules: Rules
    platform: Platform
    told: bool = True

    def _step(self, name: str, source: Source | None = None) -> AbstractContextManager[None]:
        if not self.told:
            return nullcontext()
        if source is None:
            return step(name)
        return step(name, source=image_name(source.reference))

    def manifest(self, source: Source) -> tuple[RawManifest, Digest | None]:
        """The image's manifest, and the digest of the list that it was chosen from.

        Raises:
            PlatformMismatch: the list has nothing for the platform.
            SourceError: what is there cannot be read.
        """
        with self._step("reading-manifest", source):
            raw = source.manifest()
        list_digest = None
        for _ in range(_MAX_NESTING):
            if raw.media_type not in self.rules.indexes:
                return raw, list_digest
            list_digest = list_digest or raw.digest
            with self._step("choosing-instance", source):
                chosen = choose_instance(
                    [entry for entry in parse_index(raw).instances if not entry.attestation],
                    self.platform,
                    variants=self.rules.variants,
                    list_kind="manifest list" if raw.media_type == DOCKER_LIST else "image index",
                )
                raw = source.manifest(chosen.digest)
        if raw.media_type not in self.rules.indexes:
            return raw, list_digest
        raise SourceError("manifest.nested", limit=_MAX_NESTING)

    def parsed(self, source: Source, raw: RawManifest) -> Manifest | Schema1:
        """The manifest, read; SourceError where it cannot be."""
        known = raw.media_type in (DOCKER_SCHEMA2, OCI_MANIFEST)
        with self._step("opening-image", source):
            if self.rules.schema1 == "accept" and not known:  # MANIFEST-020
                return parse_schema1(raw)
            return parse_manifest(raw)

    def config(self, source: Source, manifest: Manifest | Schema1) -> tuple[bytes, ImageConfig]:
        """The config's bytes, whose digest was checked, and what they say.

        An image of schema 1 has no such bytes, but its history says the same (MANIFEST-025).
        """
        with self._step("parsing-config"):
            if isinstance(manifest, Schema1):
                return b"", manifest.described()
            data = source.config(manifest.config)
            return data, parse_config(data)
