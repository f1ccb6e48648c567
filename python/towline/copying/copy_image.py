"""Copies one image from a source to a destination.

The order of the steps is specified behaviour.  All checks that need no layer are done before the
first layer is fetched, and only `Ingest.publish` makes anything visible.  (PULL-010 to PULL-022)
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from towline.copying.layers import LayerFetch
from towline.errors import PlatformMismatchError, StoreError, TowlineError, VerificationError, step
from towline.frozen import frozen, replace
from towline.image.config import ImageConfig, require_config
from towline.image.instances import runs_on
from towline.image.manifest import Manifest, RawManifest
from towline.image.schema1 import Schema1, manifest_digest
from towline.store.protocol import Destination, Image, ImagePlan, Ingest, LayerPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from towline.cancel import CancelToken
    from towline.copying.reading import Reading
    from towline.errors import Warn
    from towline.goal import PullRefPair
    from towline.image.descriptor import Descriptor
    from towline.name.digest import Digest
    from towline.progress import Progress
    from towline.rules.copying import CopyingRules
    from towline.source.protocol import Source

__all__ = ["CopiedImage", "Copying"]


@frozen
class CopiedImage:
    """The result of a copy.

    Attributes:
        verified: the checks that were done: ``"blobs"``, and perhaps ``"diff-ids"``.
    """

    image: Image
    verified: tuple[str, ...]


@frozen
class Copying:
    """The settings under which one call copies images.

    Attributes:
        destination: takes the image.
        allow: checks the policy; raises if the policy rejects the image.
        warn: called with each error that is only a warning.
        require_platform: refuse a single image that is for another platform.
        remove_signatures: signatures are neither read nor kept.
        verify_diff_ids: decompress each layer and compare its diff ID with the config.
    """

    destination: Destination
    reading: Reading
    rules: CopyingRules
    progress: Progress
    cancel: CancelToken
    allow: Callable[[Source, RawManifest], None]
    warn: Warn
    require_platform: bool = False
    remove_signatures: bool = False
    verify_diff_ids: bool = False

    def copy(self, pair: PullRefPair, source: Source) -> CopiedImage:
        """Copy the image of one pair.

        Raises:
            TowlineError: the copy failed; the images of the destination are unchanged.
        """
        raw, listed = self.reading.manifest(source)
        self.allow(source, raw)
        manifest = self.reading.parsed(source, raw)
        config_data, config = self.reading.config(source, manifest)
        self._check_platform(config, listed)
        self._check_wanted_digest(pair, raw, listed)
        if not self.remove_signatures:
            self.progress.say("signatures")
        if self.verify_diff_ids and isinstance(manifest, Manifest):
            _require_diff_ids(manifest, config)
        plan = _plan(pair, raw, manifest, config_data, config, listed)
        # The diff IDs of schema 1 are computed by `publish`, which makes the config of them.
        required = self.verify_diff_ids or self.rules.layers_must_apply  # STORE-011
        diff_ids = required and not isinstance(manifest, Schema1)
        with self._begin(source, plan, diff_ids=diff_ids) as ingest:
            LayerFetch(
                pair.image,
                source,
                ingest,
                self.rules,
                self.progress,
                self.cancel,
                self.warn,
            ).run(plan.layers)
            if manifest.config.digest_text:  # TEXT-009
                self.progress.say("copying-config", digest=manifest.config.digest_text)
            self.progress.say("writing-manifest")
            self.progress.say("storing-signatures")
            with step("publishing"):
                if diff_ids:
                    self._check_diff_ids(plan.layers, ingest)
                self.cancel.raise_if_cancelled()
                image = ingest.publish()
        # The config of schema 1 is made of the diff IDs, so nothing was compared.
        compared = self.verify_diff_ids and isinstance(manifest, Manifest)
        return CopiedImage(image, ("blobs", "diff-ids") if compared else ("blobs",))

    def _begin(self, source: Source, plan: ImagePlan, *, diff_ids: bool) -> Ingest:
        """Begin to store the image; whether it fits may depend on sizes that are listed wrongly."""
        begin = partial(self.destination.begin, diff_ids=diff_ids, cancel=self.cancel)
        try:
            return begin(plan)
        except StoreError as error:
            if error.code != "store.no_space" or self.rules.listed_size == "exact":
                raise
            full = error
        try:
            layers = tuple(_sized_by(source, layer) for layer in plan.layers)  # REG-027
        except TowlineError:
            self.cancel.raise_if_cancelled()
            raise full from None
        return begin(replace(plan, layers=layers))

    def _check_platform(self, config: ImageConfig | None, listed: RawManifest | None) -> None:
        if config is None:  # an artifact is for every platform
            return
        if self.rules.foreign_platform == "refuse-windows":  # PULL-016
            host = "windows" if sys.platform == "win32" else "linux"
            if (config.os == "windows") != (host == "windows"):
                raise PlatformMismatchError("platform.foreign_os", image_os=config.os, host_os=host)
            return
        wanted = self.reading.platform
        if runs_on(config.platform, wanted):
            return
        # PLAT-009: the entry of a list is what was asked for, whatever its config says
        if self.require_platform and listed is None:
            raise PlatformMismatchError("platform.refused", wanted=wanted, got=config.platform)
        self.warn(PlatformMismatchError("platform.other", wanted=wanted, got=config.platform))

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

    def _check_diff_ids(self, layers: Sequence[LayerPlan], ingest: Ingest) -> None:
        """Require that each layer is a tar; compare its diff ID with the config if requested."""
        for layer in layers:
            digest = layer.descriptor.digest
            with step("applying-layer", digest=digest):
                got = ingest.diff_id(layer)
                if self.verify_diff_ids and layer.diff_id not in (None, got):
                    raise VerificationError(
                        "verify.diff_id", want=layer.diff_id, got=got, layer=digest
                    )


def _require_diff_ids(manifest: Manifest, config: ImageConfig | None) -> None:
    """Require a diff ID for each layer (PULL-025); a config of schema 1 is made of the diff IDs."""
    layers, listed = len(manifest.layers), require_config(manifest, config).diff_ids
    if layers and not listed:
        raise VerificationError("verify.no_diff_ids")
    if len(listed or ()) != layers:
        raise VerificationError("verify.diff_id_count", layers=layers, diff_ids=len(listed or ()))


def _plan(
    pair: PullRefPair,
    raw: RawManifest,
    manifest: Manifest | Schema1,
    config: bytes,
    parsed: ImageConfig | None,
    listed: RawManifest | None,
) -> ImagePlan:
    destination = pair.destination
    known = manifest.config.digest.hex if isinstance(manifest, Manifest) else ""
    return ImagePlan(
        id=destination.id or known,
        manifest=RawManifest(raw.data, manifest.media_type),
        config=config,
        layers=_layer_plans(manifest.layers, None if parsed is None else parsed.diff_ids),
        names=() if destination.reference is None else (str(destination.reference),),
        listed=listed,
    )


def _sized_by(source: Source, layer: LayerPlan) -> LayerPlan:
    """The layer with the size that its source states, or without one."""
    with source.open_blob(layer.descriptor) as blob:
        size = -1 if blob.size is None else blob.size
    return replace(layer, descriptor=replace(layer.descriptor, size=size))


def _layer_plans(
    layers: Sequence[Descriptor], diff_ids: Sequence[Digest] | None
) -> tuple[LayerPlan, ...]:
    if diff_ids is None or len(diff_ids) != len(layers):
        return tuple(LayerPlan(layer) for layer in layers)
    return tuple(LayerPlan(layer, diff_id) for layer, diff_id in zip(layers, diff_ids, strict=True))
