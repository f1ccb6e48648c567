"""Implements `towline.transport.facts` with the disk, the store and the configuration."""

from __future__ import annotations

import errno
import os
from contextlib import closing
from typing import TYPE_CHECKING, cast

from towline.errors import PathError, path_errors, step
from towline.transport import ImageReference
from towline.transport.facts import (
    Alias,
    ArchiveImage,
    ConfigEntry,
    SearchRegistries,
    StoreIdentity,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from towline.config.registries import Registries
    from towline.image.platform import Platform
    from towline.rules import Rules
    from towline.runtime.sources import Sources

__all__ = ["DiskFacts"]


class DiskFacts:
    """Facts from the disk, the store and the configuration; each is read when it is requested."""

    def __init__(
        self,
        store: StoreIdentity,
        find_id: Callable[[str], str | None],
        registries: Callable[[], Registries],
        rules: Rules,
        sources: Sources,
        platform: Callable[[], Platform],
    ) -> None:
        """Facts for one call.

        Args:
            store: the store that destinations are in.
            find_id: returns the ID of a stored image by a prefix.
            registries: returns the parsed registries.conf.
            rules: the edition.
            sources: opens the sources whose names or digests are facts.
            platform: returns the platform that selects the instance of a list in `config_hex`.
        """
        self.store = store
        self._find_id = find_id
        self._registries = registries
        self._rules = rules
        self._sources = sources
        self._platform = platform

    def resolve_path(self, path: str) -> str:
        """Return the absolute path without symbolic links; the path or its parent must exist.

        Raises:
            PathError: ``path.unusable``, with the component that cannot be resolved (TRANS-040).
        """
        try:
            os.lstat(path)
        except FileNotFoundError:
            from towline.source.files import joined

            folder, slash, name = path.rpartition("/")
            return joined(_resolved(folder + slash), name)
        except (OSError, ValueError) as error:
            raise PathError.of("lstat", path, error) from None
        return _resolved(path)

    def open_file(self, path: str) -> None:
        """Require that the file can be opened for reading; PathError if not."""
        from towline.source.files import is_stream

        with path_errors("open", path):
            if is_stream(path):  # closing a pipe would end its writer
                if not os.access(path, os.R_OK):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
                return
            os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))

    def image_id(self, prefix: str) -> str | None:
        """Return the ID of the only stored image with this ID prefix, else None."""
        return self._find_id(prefix)

    def alias(self, name: str) -> Alias | None:
        """Return the short-name alias of a name; None if the name is not an alias."""
        registries = self._registries()
        full_name = registries.alias(name)
        if full_name is None:
            return None
        return Alias(full_name, _entry(registries, f"aliases.{name}", f'[aliases] "{name}"'))

    def enforced_by(self) -> str | None:
        """Return the file that requires unambiguous short names; None if none does."""
        registries = self._registries()
        if registries.short_name_mode != "enforcing":
            return None
        return registries.origin("short-name-mode") or "registries.conf"

    def search_registries(self) -> SearchRegistries:
        """Return the search registries, in the order of the configuration."""
        registries = self._registries()
        tables = {"registries.search": "[registries.search]"}
        if self._rules.config.registries_conf != "libpod-1.3":
            keys = ("unqualified-search-registries", "short-name-mode")
            tables = dict(zip(keys, keys, strict=True))
        entries = (_entry(registries, key, table) for key, table in tables.items())
        return SearchRegistries(registries.search_registries(), tuple(entries))

    def archive_images(self, path: str) -> tuple[ArchiveImage, ...]:
        """Return the images that manifest.json of a docker-archive lists.

        Raises:
            PathError: the archive cannot be opened.
            SourceError: the file is not a docker-archive or is damaged; within the step
                ``retrieving-manifest`` if it could be opened.
        """
        from towline.source.protocol import ListsImages
        from towline.transport.docker_archive import DockerArchiveReference

        with closing(self._sources.open_local(DockerArchiveReference(path))) as source:
            assert isinstance(source, ListsImages)
            with step("retrieving-manifest"):
                return source.listed_images()

    def layout_names(self, path: str, image: str, *, archive: bool) -> tuple[str, ...]:
        """Return the names of the selected image of an OCI layout or oci-archive.

        Raises:
            PathError, SourceError: the image cannot be selected.
        """
        from towline.source.protocol import NamesImage
        from towline.transport.oci import OciReference
        from towline.transport.oci_archive import OciArchiveReference

        reference = (OciArchiveReference if archive else OciReference)(
            path, image, self.resolve_path(path)
        )
        with closing(self._sources.open_local(reference)) as source:
            assert isinstance(source, NamesImage)
            return source.annotated_names()

    def config_hex(self, source: object) -> str:
        """Return the hex of the config digest of a source's image.

        The hex is used as an image ID, which has no algorithm (GOAL-012).

        Raises:
            TowlineError: the image cannot be read; an invalid config digest is reported within
                the step ``getting-config-info``.
        """
        from towline.copying.reading import Reading

        reading = Reading(
            self._rules.copying, self._rules.limits, self._platform(), name_source=False
        )
        with closing(self._sources.open(cast(ImageReference, source))) as opened:
            raw, _ = reading.manifest(opened)
            manifest = reading.parsed(opened, raw)
        with step("getting-config-info"):
            return manifest.config.digest.hex


def _entry(registries: Registries, key: str, table: str) -> ConfigEntry:
    return ConfigEntry(table, registries.origin(key))


def _resolved(path: str) -> str:
    """The absolute path without symbolic links; every component must exist."""
    absolute = os.path.abspath(path)
    try:
        return os.path.realpath(absolute, strict=True)
    except OSError as error:
        if os.path.exists(absolute):  # a link of /proc to a pipe, whose target is no path
            return absolute
        failed = absolute if error.filename is None else os.fsdecode(error.filename)
        raise PathError.of("lstat", failed, error) from None
