"""Copying one image from a source into a store: the order of the steps is the behaviour.

Sees only the two protocols.  Everything that can refuse an image does so before the first layer is
fetched, and only `Ingest.publish` makes anything visible.  (PULL-010 to PULL-022)
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from towline.cancel import CancelToken
from towline.copying.diff_ids import DiffIds
from towline.copying.layers import LayerFetch
from towline.copying.reading import Reading
from towline.core import CoreError
from towline.errors import (
    PlatformMismatchError,
    SourceError,
    VerificationError,
    step,
)
from towline.goal import PullRefPair
from towline.image.config import ImageConfig
from towline.image.descriptor import Descriptor
from towline.image.manifest import Manifest, RawManifest
from towline.image.schema1 import Schema1, known_digest
from towline.name.digest import Digest, sha256_of
from towline.progress import Progress
from towline.rules import Rules
from towline.source.protocol import Source
from towline.store.protocol import Image, ImagePlan, LayerPlan, Store

__all__ = ["CopiedImage", "Copying"]

PARALLEL_LAYERS = 6


@dataclass(frozen=True, slots=True)
class CopiedImage:
    """What a copy brought.

    Attributes:
        verified: what was checked of the image, ``"blobs"`` and perhaps ``"diff-ids"``.
    """

    image: Image
    verified: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Copying:
    """How images are copied in one call.

    Attributes:
        allow: asks the policy; raises where an image may not be copied.
        remove_signatures: signatures are neither read nor kept.
        verify_diff_ids: decompress each layer and check it against the config.
    """

    store: Store
    reading: Reading
    rules: Rules
    progress: Progress
    cancel: CancelToken
    allow: Callable[[Source, RawManifest], None]
    remove_signatures: bool = False
    verify_diff_ids: bool = False

    def copy(self, pair: PullRefPair, source: Source) -> CopiedImage:
        """Copy the image of one pair.

        Raises:
            TowlineError: what refused or stopped it; the store's images are as they were.
        """
        raw, listed = self.reading.manifest(source)
        self.allow(source, raw)
        manifest = self.reading.parsed(source, raw)
        config_data, config = self.reading.config(source, manifest)
        self._refuse_foreign_os(config)
        self._check_wanted_digest(pair, raw, listed)
        if not self.remove_signatures:
            self.progress.say("signatures")
        plan = _plan(pair, raw, manifest, config_data, config, listed)
        following = self._following(manifest)
        with self.store.begin(plan, cancel=self.cancel) as ingest:
            LayerFetch(
                pair.image,
                source,
                ingest,
                self.rules,
                self.progress,
                self.cancel,
                PARALLEL_LAYERS,
                following,
            ).run(plan.layers)
            if manifest.config.digest_text:  # TEXT-009
                self.progress.say("copying-config", digest=manifest.config.digest_text)
            self.progress.say("writing-manifest")
            self.progress.say("storing-signatures")
            with step("publishing"):
                diff_ids = self._diff_ids(manifest, plan.layers, following)
                if isinstance(manifest, Schema1):
                    plan = _completed(plan, manifest, diff_ids)
                self.cancel.raise_if_cancelled()
                image = ingest.publish(plan, diff_ids)
        # A config that names no diff IDs, or too few, leaves nothing to compare with.
        compared = self.verify_diff_ids and all(layer.diff_id for layer in plan.layers)
        return CopiedImage(image, ("blobs", "diff-ids") if compared else ("blobs",))

    def _refuse_foreign_os(self, config: ImageConfig) -> None:
        if self.rules.foreign_os == "refuse-windows":  # PULL-016
            here = "windows" if sys.platform == "win32" else "linux"
            if (config.os == "windows") != (here == "windows"):
                raise PlatformMismatchError("platform.foreign_os", image_os=config.os, host_os=here)

    def _check_wanted_digest(
        self, pair: PullRefPair, raw: RawManifest, listed: RawManifest | None
    ) -> None:
        # PULL-015: a destination that names a digest takes no other image
        reference = pair.destination.reference
        wanted = None if reference is None else reference.digest
        if wanted is None or known_digest(raw, wanted.algorithm) == wanted:
            return
        if self.rules.list_by_digest and listed is not None and listed.digest == wanted:
            return
        raise VerificationError("verify.destination", want=wanted, got=raw.digest)

    def _following(self, manifest: Manifest | Schema1) -> DiffIds | None:
        """What decompresses the layers beside the fetching, where that is asked for or needed."""
        wanted = self.verify_diff_ids or self.rules.layers_must_apply
        return DiffIds() if wanted or isinstance(manifest, Schema1) else None

    def _diff_ids(
        self,
        manifest: Manifest | Schema1,
        layers: Sequence[LayerPlan],
        following: DiffIds | None,
    ) -> dict[Digest, Digest]:
        """The diff IDs of the layers by their blobs, compared with the config where asked for."""
        found: dict[Digest, Digest] = {}
        if following is None:
            return found
        if isinstance(manifest, Schema1):  # the others change nothing
            layers = [LayerPlan(layer) for layer in manifest.content]
        for layer in layers:
            digest = layer.descriptor.digest
            with step("applying-layer", digest=digest):
                if digest not in found:
                    found[digest] = self._diff_id(digest, following)
                got = found[digest]
                if self.verify_diff_ids and layer.diff_id not in (None, got):
                    raise VerificationError(
                        "verify.diff_id", want=layer.diff_id, got=got, layer=digest
                    )
        return found

    def _diff_id(self, layer: Digest, following: DiffIds | None) -> Digest:
        """The digest of a stored layer uncompressed; it must be a tar."""
        self.cancel.raise_if_cancelled()
        try:
            return (following or DiffIds()).of(layer, self.store.blob_path(layer), self.cancel.stop)
        except CoreError as error:
            raise SourceError(
                "core.layer", code=error.code, offset=error.offset, detail=error.detail
            ) from None


def _completed(plan: ImagePlan, manifest: Schema1, diff_ids: Mapping[Digest, Digest]) -> ImagePlan:
    """The plan of an image whose config is made from its layers (MANIFEST-024)."""
    config = manifest.config_with([diff_ids[layer.digest] for layer in manifest.content])
    return replace(plan, id=plan.id or sha256_of(config).hex, config=config)


def _plan(
    pair: PullRefPair,
    raw: RawManifest,
    manifest: Manifest | Schema1,
    config: bytes,
    parsed: ImageConfig,
    listed: RawManifest | None,
) -> ImagePlan:
    destination = pair.destination
    known = manifest.config.digest.hex if isinstance(manifest, Manifest) else ""
    return ImagePlan(
        id=destination.id or known,
        manifest=RawManifest(raw.data, manifest.media_type),
        config=config,
        layers=_layer_plans(manifest.layers, parsed.diff_ids),
        names=() if destination.reference is None else (str(destination.reference),),
        listed=listed,
    )


def _layer_plans(
    layers: Sequence[Descriptor], diff_ids: Sequence[Digest] | None
) -> tuple[LayerPlan, ...]:
    if diff_ids is None or len(diff_ids) != len(layers):
        return tuple(LayerPlan(layer) for layer in layers)
    plans = []
    chain: Digest | None = None
    for layer, diff_id in zip(layers, diff_ids, strict=True):
        chain = diff_id if chain is None else _chained(chain, diff_id)
        plans.append(LayerPlan(layer, diff_id, chain))
    return tuple(plans)


def _chained(below: Digest, diff_id: Digest) -> Digest:
    # The OCI image specification, config.md, "Layer ChainID"
    return Digest("sha256", hashlib.sha256(f"{below} {diff_id}".encode()).hexdigest())
