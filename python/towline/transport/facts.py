"""The facts from outside that parsing and goal building may read: the interface `Facts`.

The order in which facts are read decides which error a user sees.  Therefore parsing and goal
building take a `Facts` and read it lazily.  The runtime's implementation reads the disk; that of
the tests returns fixed values.  A fact that cannot be read raises a `towline.errors.TowlineError`.
"""

from __future__ import annotations

from typing import Any, Protocol

from towline.frozen import frozen

__all__ = ["Alias", "ArchiveImage", "ConfigEntry", "Facts", "SearchRegistries", "StoreIdentity"]


@frozen
class StoreIdentity:
    """A store; formatted as podman does: ``[driver@graph_root+run_root]``."""

    driver: str
    graph_root: str
    run_root: str

    def __str__(self) -> str:
        return f"[{self.driver}@{self.graph_root}+{self.run_root}]"


@frozen
class ArchiveImage:
    """One item of a docker-archive's manifest.json: its index and its names."""

    index: int
    names: tuple[str, ...]


@frozen
class ConfigEntry:
    """A configuration entry and the file that has it.

    Attributes:
        table: the table or key, as written in the file.
        path: the file; None if no file has the entry and the default applies.
    """

    table: str
    path: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the entry as a JSON document."""
        return {"table": self.table, "path": self.path}


@frozen
class Alias:
    """The full name of a short-name alias, and the entry that defines it."""

    full_name: str
    entry: ConfigEntry


@frozen
class SearchRegistries:
    """The search registries, in the order of the configuration, and the entries that set them."""

    registries: tuple[str, ...]
    entries: tuple[ConfigEntry, ...] = ()


class Facts(Protocol):
    """Facts from the disk and the configuration, each read only if it is needed."""

    @property
    def store(self) -> StoreIdentity:
        """The store that destinations are in."""

    def resolve_path(self, path: str) -> str:
        """The absolute path without symbolic links; the path or its parent must exist."""

    def open_file(self, path: str) -> None:
        """Check that a file can be opened for reading."""

    def image_id(self, prefix: str) -> str | None:
        """The ID of the only stored image whose ID has this prefix; None if none or several."""

    def archive_images(self, path: str) -> tuple[ArchiveImage, ...]:
        """The items of a docker-archive's manifest.json."""

    def layout_names(self, path: str, image: str, *, archive: bool) -> tuple[str, ...]:
        """The names in the annotations of an image in a layout or oci-archive."""

    def config_hex(self, source: object) -> str:
        """The hex of the config digest of the image that a source reference names."""

    def alias(self, name: str) -> Alias | None:
        """The short-name alias of this name, which has no tag and no digest; None if none."""

    def enforced_by(self) -> str | None:
        """The file that sets short-name-mode to enforcing; None if none does."""

    def search_registries(self) -> SearchRegistries:
        """The search registries for short names."""
