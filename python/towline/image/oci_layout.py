"""Names of images in an OCI layout (image-spec: annotations.md, image-layout.md)."""

from __future__ import annotations

import re

__all__ = ["CONTAINERD_NAME", "REF_NAME", "is_layout_name"]

REF_NAME = "org.opencontainers.image.ref.name"
# containerd writes only the tag to the annotation above, and the whole name to this one
CONTAINERD_NAME = "io.containerd.image.name"

# Letters and digits, with single separators or a double hyphen between them (TRANS-033).
_PART = r"[A-Za-z0-9]+(?:(?:--|[-._:@+])[A-Za-z0-9]+)*"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*")


def is_layout_name(text: str) -> bool:
    """Whether the text can be the name of an image in a layout, as in ``oci:PATH:NAME``."""
    return _NAME.fullmatch(text) is not None
