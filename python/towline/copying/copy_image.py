"""Copies one image from a source into a store.

The order of the steps is specified behaviour.  All checks that need no layer are done before the
first layer is fetched, and only `Ingest.publish` makes anything visible.  (PULL-010 to PULL-022)
"""

from __future__ import annotations

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
from towline.image.schema1 import Schema1, manifest_digest
from towline.name.digest import Digest, sha256_of
from towline.progress import Progress
from towline.rules.copying import CopyingRules
from towline.source.protocol import Source
from towline.store.protocol import Image, ImagePlan, LayerPlan, Store

__all__ = ["CopiedImage", "Copying"]

PARALLEL_LAYERS = 6


@dataclass(frozen=True, slots=True)
class CopiedImage:
    """The result of a copy.

    Attributes:
        verified: the checks that were done: ``"blobs"``, and perhaps ``"diff-ids"``.
    """

    image: Image
    verified: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Copying:
    """The settings under which one call copies images.

    Attributes:
        allow: checks the policy; raises if the policy rejects the image.
        remove_signatures: signatures are neither read nor kept.
        verify_diff_ids: decompress each layer and compare its diff ID with the config.
    """

    store: Store
    reading: Reading
    rules: CopyingRules
    progress: Progress
    cancel: CancelToken
    allow: Callable[[Source, RawManifest], None]
    remove_signatures: bool = False
    verify_diff_ids: bool = False

    def copy(self, pair: PullRefPair, source: Source) -> CopiedImage:
        """Copy the image of one pair.

        Raises:
            TowlineError: the copy failed; the images of the store are unchanged.
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
        diff_ids = self._new_diff_ids(manifest)
        with self.store.begin(plan, cancel=self.cancel) as ingest:
            LayerFetch(
                pair.image,
                source,
                ingest,
                self.rules,
                self.progress,
                self.cancel,
                PARALLEL_LAYERS,
                diff_ids,
            ).run(plan.layers)
            if manifest.config.digest_text:  # TEXT-009
                self.progress.say("copying-config", digest=manifest.config.digest_text)
            self.progress.say("writing-manifest")
            self.progress.say("storing-signatures")
            with step("publishing"):
                found = self._checked_diff_ids(manifest, plan.layers, diff_ids)
                if isinstance(manifest, Schema1):
                    plan = _completed(plan, manifest, found)
                self.cancel.raise_if_cancelled()
                image = ingest.publish(plan, found)
        # Without a complete list of diff IDs in the config nothing was compared.
        compared = self.verify_diff_ids and all(layer.diff_id for layer in plan.layers)
        return CopiedImage(image, ("blobs", "diff-ids") if compared else ("blobs",))

    def _refuse_foreign_os(self, config: ImageConfig) -> None:
        if self.rules.foreign_os == "refuse-windows":  # PULL-016
            host = "windows" if sys.platform == "win32" else "linux"
            if (config.os == "windows") != (host == "windows"):
                raise PlatformMismatchError("platform.foreign_os", image_os=config.os, host_os=host)

    def _check_wanted_digest(
        self, pair: PullRefPair, raw: RawManifest, listed: RawManifest | None
    ) -> None:
        # PULL-015: a destination with a digest accepts only the image of that digest
        reference = pair.destination.reference
        wanted = None if reference is None else reference.digest
        if wanted is None or manifest_digest(raw, wanted.algorithm) == wanted:
            return
        if self.rules.list_by_digest and listed is not None and listed.digest == wanted:
            return
        raise VerificationError("verify.destination", want=wanted, got=raw.digest)

    def _new_diff_ids(self, manifest: Manifest | Schema1) -> DiffIds | None:
        """A `DiffIds` to decompress the layers while they are fetched; None if not required."""
        wanted = self.verify_diff_ids or self.rules.layers_must_apply
        return DiffIds() if wanted or isinstance(manifest, Schema1) else None

    def _checked_diff_ids(
        self,
        manifest: Manifest | Schema1,
        layers: Sequence[LayerPlan],
        diff_ids: DiffIds | None,
    ) -> dict[Digest, Digest]:
        """The diff IDs of the layers by blob digest; compared with the config if requested."""
        found: dict[Digest, Digest] = {}
        if diff_ids is None:
            return found
        if isinstance(manifest, Schema1):  # without the layers that change nothing
            layers = [LayerPlan(layer) for layer in manifest.content]
        for layer in layers:
            digest = layer.descriptor.digest
            with step("applying-layer", digest=digest):
                if digest not in found:
                    found[digest] = self._diff_id(digest, diff_ids)
                got = found[digest]
                if self.verify_diff_ids and layer.diff_id not in (None, got):
                    raise VerificationError(
                        "verify.diff_id", want=layer.diff_id, got=got, layer=digest
                    )
        return found

    def _diff_id(self, layer: Digest, diff_ids: DiffIds) -> Digest:
        """The diff ID of a stored layer, which must be a tar."""
        self.cancel.raise_if_cancelled()
        try:
            return diff_ids.of(layer, self.store.blob_path(layer), self.cancel.stop)
        except CoreError as error:
            raise SourceError(
                "core.layer", code=error.code, offset=error.offset, detail=error.detail
            ) from None


def _completed(plan: ImagePlan, manifest: Schema1, diff_ids: Mapping[Digest, Digest]) -> ImagePlan:
    """The plan, completed with the config that is made from the layers (MANIFEST-024)."""
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
    return tuple(LayerPlan(layer, diff_id) for layer, diff_id in zip(layers, diff_ids, strict=True))
