"""Reading what an image is: its manifest, chosen from a list where there is one, and its config.

The copy of an image says of each step which source it was for; the label check does not
(LABEL-002).  So the steps are here, told or not.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from towline.errors import SourceError, step
from towline.image.config import ImageConfig, parse_config
from towline.image.descriptor import Descriptor
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
from towline.image.platform import Platform, choose_instance
from towline.image.schema1 import Schema1, parse_schema1
from towline.name.digest import Digest
from towline.rules import Rules
from towline.source.protocol import Announcing, Source
from towline.store.protocol import Store
from towline.transport import image_name

__all__ = ["Reading"]

_MAX_NESTING = 4  # of lists in lists


@dataclass(frozen=True, slots=True)
class Reading:
    """How images are read in one call.

    Attributes:
        platform: which instance of a list is taken.
        name_source: whether errors contain the name of the source.
        store: its manifests, lists and configs are not fetched again (REG-052); None to fetch all.
    """

    rules: Rules
    platform: Platform
    name_source: bool = True
    store: Store | None = None

    def _step(self, name: str, source: Source | None = None) -> AbstractContextManager[None]:
        if not self.name_source:
            return nullcontext()
        if source is None:
            return step(name)
        return step(name, source=image_name(source.reference))

    def manifest(self, source: Source) -> tuple[RawManifest, RawManifest | None]:
        """The image's manifest, and the list that it was chosen from.

        Raises:
            PlatformMismatchError: the list has nothing for the platform.
            SourceError: what is there cannot be read.
        """
        with self._step("reading-manifest", source):
            raw = self._announced(source) or source.manifest()
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
                here = self._here(chosen.digest, chosen.media_type)
                raw = here or source.manifest(chosen.digest)
        if raw.media_type not in self.rules.indexes:
            return raw, listed
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
            data = self._document(manifest.config) or source.config(manifest.config)
            return data, parse_config(data)

    def _announced(self, source: Source) -> RawManifest | None:
        """The manifest that is here, where the source says that its name still means that one."""
        if self.store is None or not isinstance(source, Announcing):
            return None
        name = source.reference.docker_reference
        if name is None or not self.store.holds(str(name.digest or name.tagged())):
            return None  # the manifest itself would have to be asked for anyway
        said = source.announcement()
        return None if said is None else self._here(said.digest, said.media_type)

    def _here(self, digest: Digest, media_type: str) -> RawManifest | None:
        if self.store is None:
            return None
        data = self.store.document(digest, self.rules.document_limit)
        if data is None:
            return None
        # Under another type than its own it is not what was announced, so that is asked for.
        raw = typed(data, media_type, self.rules)
        return raw if raw.media_type == recognise(data) else None

    def _document(self, config: Descriptor) -> bytes | None:
        if self.store is None or not config.digest_text:
            return None
        return self.store.document(config.digest, self.rules.document_limit)
