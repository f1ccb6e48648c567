"""The config of an image: what it runs on, its labels, and what its layers are uncompressed.

Source: the OCI image specification, config.md; read as the original reads it (MANIFEST-010).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from towline.errors import InvalidNameError, SourceError
from towline.go.go_json import GoJsonError, Struct, decode, list_of, string, strings_by_key, struct
from towline.name.digest import Digest, parse_digest

__all__ = ["ImageConfig", "parse_config"]


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What towline needs to know of a config.

    Attributes:
        diff_id_texts: as written, lowest layer first; `diff_ids` are the checked values.
    """

    os: str
    architecture: str
    variant: str
    labels: Mapping[str, str]
    diff_id_texts: tuple[str, ...]

    @property
    def diff_ids(self) -> tuple[Digest, ...] | None:
        """The checked diff IDs; None where one of them is no digest."""
        try:
            return tuple(parse_digest(text) for text in self.diff_id_texts)
        except InvalidNameError:
            return None


def parse_config(data: bytes) -> ImageConfig:
    """Read a config.

    Raises:
        SourceError: ``config.not_json``.
    """
    empty = Struct([])
    try:
        document = struct(decode(data))
        rootfs = document.get("rootfs", struct, empty)
        running: Any = document.get("config", struct, empty)
        return ImageConfig(
            os=document.get("os", string, ""),
            architecture=document.get("architecture", string, ""),
            variant=document.get("variant", string, ""),
            labels=running.get("Labels", strings_by_key, {}),
            diff_id_texts=tuple(rootfs.get("diff_ids", list_of(string, ""), [])),
        )
    except GoJsonError as fault:
        raise SourceError("config.not_json", reason=str(fault)) from None
