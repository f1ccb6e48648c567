"""Checks for a label in the config of an image before it is copied (LABEL-001 to LABEL-005)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.errors import LabelMissingError

if TYPE_CHECKING:
    from towline.copying.reading import Reading
    from towline.source.protocol import Source

__all__ = ["check_label"]


def check_label(image: str, label: str, source: Source, reading: Reading) -> None:
    """Require that an image has a label; the comparison ignores case (LABEL-001).

    Raises:
        LabelMissingError: ``label.missing``.
        TowlineError: the image cannot be read.
    """
    raw, _ = reading.manifest(source)
    config = reading.image_config(source, reading.parsed(source, raw))
    if label.lower() not in (key.lower() for key in config.labels):
        raise LabelMissingError("label.missing", image=image, label=label)
