"""The config of an image: its platform, labels and diff IDs.

Source: the OCI image specification, config.md; parsed as the original parses it (MANIFEST-010).
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
    """The fields of a config that towline uses.

    Attributes:
        diff_id_texts: as written, lowest layer first; `diff_ids` are the validated values.
    """

    os: str
    architecture: str
    variant: str
    labels: Mapping[str, str]
    diff_id_texts: tuple[str, ...]

    @property
    def diff_ids(self) -> tuple[Digest, ...] | None:
        """The validated diff IDs; None if one of them is not a digest."""
        try:
            return tuple(parse_digest(text) for text in self.diff_id_texts)
        except InvalidNameError:
            return None


def parse_config(data: bytes) -> ImageConfig:
    """Parse a config.

    Raises:
        SourceError: ``config.not_json``.
    """
    empty = Struct([])
    try:
        document = struct(decode(data))
        rootfs = document.get("rootfs", struct, empty)
        run_config: Any = document.get("config", struct, empty)
        return ImageConfig(
            os=document.get("os", string, ""),
            architecture=document.get("architecture", string, ""),
            variant=document.get("variant", string, ""),
            labels=run_config.get("Labels", strings_by_key, {}),
            diff_id_texts=tuple(rootfs.get("diff_ids", list_of(string, ""), [])),
        )
    except GoJsonError as fault:
        raise SourceError("config.not_json", reason=str(fault)) from None
