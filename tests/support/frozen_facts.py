"""An implementation of `Facts` with fixed values, which records what is read."""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from towline.errors import PathError, TowlineError
from towline.transport import ImageReference, image_name
from towline.transport.facts import (
    Alias,
    ArchiveImage,
    ConfigEntry,
    SearchRegistries,
    StoreIdentity,
)

__all__ = ["FrozenFacts"]

_STORE = StoreIdentity("vfs", "/graph", "/run")


@dataclass
class FrozenFacts:
    """Facts with fixed values; a value that is a `TowlineError` is raised.

    Attributes:
        questions: the facts that were read, in order.
    """

    registries: Sequence[str] | TowlineError = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    enforcing: str | None = None
    archives: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)
    layouts: Mapping[str, str | TowlineError] = field(default_factory=dict)
    configs: Mapping[str, str] = field(default_factory=dict)
    image_ids: Sequence[str] = ()
    missing_paths: Sequence[str] = ()
    questions: list[str] = field(default_factory=list)
    store: StoreIdentity = field(default=_STORE)

    def resolve_path(self, path: str) -> str:
        self.questions.append(f"resolve_path {path}")
        if path in self.missing_paths:
            raise PathError("path.unusable", operation="lstat", path=path, errno=errno.ENOENT)
        return posixpath.normpath(posixpath.join("/cwd", path))

    def open_file(self, path: str) -> None:
        self.questions.append(f"open_file {path}")
        if path in self.missing_paths:
            raise PathError("path.unusable", operation="open", path=path, errno=errno.ENOENT)

    def image_id(self, prefix: str) -> str | None:
        self.questions.append(f"image_id {prefix}")
        found = [image_id for image_id in self.image_ids if image_id.startswith(prefix)]
        return found[0] if len(found) == 1 else None

    def archive_images(self, path: str) -> tuple[ArchiveImage, ...]:
        self.questions.append(f"archive_images {path}")
        return tuple(
            ArchiveImage(index, tuple(names))
            for index, names in enumerate(self.archives.get(path, ()))
        )

    def layout_names(self, path: str, image: str, *, archive: bool) -> tuple[str, ...]:
        self.questions.append(f"layout_names {path}:{image}")
        names = str(_value_or_raise(self.layouts.get(path, image)))
        return tuple(names.split())

    def config_hex(self, source: object) -> str:
        name = image_name(cast(ImageReference, source))
        self.questions.append(f"config_hex {name}")
        return self.configs.get(name, "c" * 64)

    def alias(self, name: str) -> Alias | None:
        self.questions.append(f"alias {name}")
        full_name = self.aliases.get(name)
        if full_name is None:
            return None
        return Alias(full_name, ConfigEntry(f'[aliases] "{name}"', "/registries.conf"))

    def enforced_by(self) -> str | None:
        self.questions.append("enforced_by")
        return self.enforcing

    def search_registries(self) -> SearchRegistries:
        self.questions.append("search_registries")
        entry = ConfigEntry("unqualified-search-registries", "/registries.conf")
        return SearchRegistries(tuple(_value_or_raise(self.registries)), (entry,))


def _value_or_raise(value: Any) -> Any:
    if isinstance(value, TowlineError):
        raise value
    return value
