"""The rules for copying an image, and for the pull around it."""

from __future__ import annotations

from typing import Literal

from towline.frozen import frozen

__all__ = ["CopyingRules"]


@frozen
class CopyingRules:
    """The settings of one edition for copying an image, and for the pull around it.

    Attributes:
        typeless: parse a manifest of unknown media type as schema 1, which then refuses it, or
            recognise it by its content (REG-006).
        indexes: the media types that are treated as a manifest list or index (REG-005).
        schema1: accept images of schema 1, or refuse them (MANIFEST-020).
        variants: select an instance of a list by processor variant too (PLAT-003).
        foreign_platform: refuse an image for Windows on other systems (PULL-016), or compare the
            platform of the image with the requested one (PLAT-009).
        list_by_digest: accept a list that was pulled by its own digest (PULL-015).
        artifacts: parse the config of every image, or keep that of an artifact, which is no image,
            as bytes (MANIFEST-013).
        listed_size: refuse a layer whose size differs from the size that the manifest lists, or
            warn about each blob and document with another size (REG-027).
        layers_must_apply: refuse an image with a layer that is not a tar (STORE-011).
        layers_after_failure: fetch the other layers after one has failed (PULL-018).
        known_documents: do not fetch manifests, lists and configs that are in the store, and send
            a HEAD request before the GET request for a manifest (REG-052).
        label_context: the label check uses the auth file only, or all options of the call
            (LABEL-003).
        label_failure: a failed label check ends the call, or counts as a failed pair (LABEL-004).
        single_pull_event: the name in the event of a goal that pulled one pair (EVENT-002).
    """

    typeless: Literal["schema1", "recognise"]
    indexes: tuple[str, ...]
    schema1: Literal["accept", "refuse"]
    variants: bool
    foreign_platform: Literal["refuse-windows", "compare"]
    list_by_digest: bool
    artifacts: Literal["refuse", "keep"]
    listed_size: Literal["exact", "advice"]
    layers_must_apply: bool
    layers_after_failure: bool
    known_documents: bool
    label_context: Literal["auth-file", "call"]
    label_failure: Literal["ends", "counts"]
    single_pull_event: Literal["empty", "image"]
