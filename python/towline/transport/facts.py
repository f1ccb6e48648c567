"""The questions that deciding may ask of the world; everything else is decided from values.

Which facts are read, and in which order, decides which error a user sees.  So parsing and goal
building take a `Facts` and ask it lazily: it answers from the disk in real life and from frozen
values in tests.  A question that cannot be answered raises a `towline.errors.TowlineError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["ArchiveImage", "Facts", "StoreIdentity"]


@dataclass(frozen=True, slots=True)
class StoreIdentity:
    """The store as podman prints it: ``[driver@graph_root+run_root]``."""

    driver: str
    graph_root: str
    run_root: str

    def __str__(self) -> str:
        return f"[{self.driver}@{self.graph_root}+{self.run_root}]"


@dataclass(frozen=True, slots=True)
class ArchiveImage:
    """One item of a docker-archive's manifest.json: its place in the list, and its names."""

    index: int
    names: tuple[str, ...]


class Facts(Protocol):
    """The questions, each asked at most where its answer is needed."""

    @property
    def store(self) -> StoreIdentity:
        """The store that destinations are in."""

    def resolve_path(self, path: str) -> str:
        """The absolute path without symbolic links of a path that exists, or whose parent does."""

    def open_file(self, path: str) -> None:
        """Nothing, where the file can be opened for reading."""

    def image_id(self, prefix: str) -> str | None:
        """The ID of the stored image whose ID begins so, where there is exactly one."""

    def archive_images(self, path: str) -> tuple[ArchiveImage, ...]:
        """What manifest.json of a docker-archive lists."""

    def layout_name(self, path: str, image: str, *, archive: bool) -> str:
        """The name annotation of the image chosen in a layout or oci-archive, ``""`` if none."""

    def config_hex(self, source: object) -> str:
        """The hex of the config digest of the image that a source reference names."""

    def alias(self, name: str) -> str | None:
        """The full name that a short one without tag and digest is an alias of, None if of none."""

    def enforced_by(self) -> str | None:
        """The file in which short names must be unambiguous, None where they need not be."""

    def search_registries(self) -> tuple[str, ...]:
        """The registries in which short names are searched, in the order of the configuration."""
