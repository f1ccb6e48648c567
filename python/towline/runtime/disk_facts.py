"""Implements `towline.transport.facts` with the disk, the store and the configuration."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from typing import cast

from towline.config.registries import Registries
from towline.copying.reading import Reading
from towline.errors import step
from towline.image.platform import Platform, host_platform
from towline.rules import Rules
from towline.runtime.sources import Sources
from towline.source.archive_cache import ArchiveCache
from towline.source.files import joined, path_errors
from towline.source.protocol import Source
from towline.transport import ImageReference
from towline.transport.docker_archive import DockerArchiveReference
from towline.transport.facts import ArchiveImage, StoreIdentity

__all__ = ["DiskFacts"]


class DiskFacts:
    """Facts from the disk, the store and the configuration; each is read when it is requested.

    The modules that read archives and layouts are imported only then.
    """

    def __init__(
        self,
        store: StoreIdentity,
        find_id: Callable[[str], str | None],
        search_registries: Callable[[], tuple[str, ...]],
        rules: Rules,
        archives: ArchiveCache | None = None,
        platform: Platform | None = None,
        open_source: Callable[[ImageReference], Source] | None = None,
        registries: Callable[[], Registries] | None = None,
    ) -> None:
        """Facts for one call.

        Args:
            store: the store that destinations are in.
            find_id: returns the ID of a stored image by a prefix.
            search_registries: returns the search registries of the configuration.
            rules: the edition.
            archives: keeps opened archives open for the copies; None: they are closed again.
            platform: selects the instance of a list in `config_hex`; None: the host platform.
            open_source: opens every source; None: only sources on the disk are opened.
            registries: returns the parsed registries.conf; None: there are no aliases.
        """
        self.store = store
        self._find_id = find_id
        self._search_registries = search_registries
        self._registries = registries
        self._rules = rules
        self._archives = archives
        self._platform = platform
        self._open = open_source or Sources(rules, archives, platform).open

    def resolve_path(self, path: str) -> str:
        """Return the absolute path without symbolic links; the path or its parent must exist.

        Raises:
            PathError: ``path.unusable``, with the component that cannot be resolved (TRANS-040).
        """
        try:
            os.lstat(path)
        except FileNotFoundError:
            folder, slash, name = path.rpartition("/")
            return joined(_resolved(folder + slash), name)
        except (OSError, ValueError):
            with path_errors("lstat", path):
                raise
        return _resolved(path)

    def open_file(self, path: str) -> None:
        """Require that the file can be opened for reading; PathError if not."""
        with path_errors("open", path):
            os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))

    def image_id(self, prefix: str) -> str | None:
        """Return the ID of the only stored image with this ID prefix, else None."""
        return self._find_id(prefix)

    def alias(self, name: str) -> str | None:
        """Return the full name of an alias; None if the name is not an alias."""
        return None if self._registries is None else self._registries().alias(name)

    def enforced_by(self) -> str | None:
        """Return the file that requires unambiguous short names; None if none does."""
        registries = None if self._registries is None else self._registries()
        if registries is None or registries.short_name_mode != "enforcing":
            return None
        return registries.origin("short-name-mode") or "registries.conf"

    def search_registries(self) -> tuple[str, ...]:
        """Return the search registries, in the order of the configuration."""
        return self._search_registries()

    def archive_images(self, path: str) -> tuple[ArchiveImage, ...]:
        """Return the images that manifest.json of a docker-archive lists.

        Raises:
            PathError: the archive cannot be opened.
            SourceError: the file is not a docker-archive or is damaged; within the step
                ``retrieving-manifest`` if it could be opened.
        """
        from towline.source import docker_archive

        reference = DockerArchiveReference(path)
        rules = self._rules
        source = docker_archive.open_source(reference, rules.archives, rules.limits, self._archives)
        with closing(source), step("retrieving-manifest"):
            items = source.items()
        return tuple(ArchiveImage(index, item.names) for index, item in enumerate(items))

    def layout_name(self, path: str, image: str, *, archive: bool) -> str:
        """Return the name of the selected image of an OCI layout or oci-archive, or ``""``.

        Raises:
            PathError, SourceError: the image cannot be selected.
        """
        from towline.source import oci, oci_archive
        from towline.source.layout import choose

        rules = self._rules
        files: oci.FolderFiles | oci_archive.ArchiveFiles
        if archive:
            files = oci_archive.open_files(path, rules.archives, rules.limits, self._archives)
        else:
            files = oci.FolderFiles(path, rules.limits.document_size)
        with closing(files):
            return choose(files, image, rules.archives).name

    def config_hex(self, source: object) -> str:
        """Return the hex of the config digest of a source's image.

        The hex is used as an image ID, which has no algorithm (GOAL-012).

        Raises:
            TowlineError: the image cannot be read; an invalid config digest is reported within
                the step ``getting-config-info``.
        """
        platform = self._platform or host_platform()
        reading = Reading(self._rules.copying, self._rules.limits, platform, name_source=False)
        with closing(self._open(cast(ImageReference, source))) as opened:
            raw, _ = reading.manifest(opened)
            manifest = reading.parsed(opened, raw)
        with step("getting-config-info"):
            return manifest.config.digest.hex


def _resolved(path: str) -> str:
    """The absolute path without symbolic links; every component must exist."""
    absolute = os.path.abspath(path)
    try:
        return os.path.realpath(absolute, strict=True)
    except OSError as error:
        failed = absolute if error.filename is None else os.fsdecode(error.filename)
        with path_errors("lstat", failed):
            raise
