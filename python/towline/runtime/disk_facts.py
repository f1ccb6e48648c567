"""The questions of `towline.transport.facts`, answered from the disk."""

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
from towline.source.files import joined, naming_path
from towline.source.protocol import Source
from towline.transport import ImageReference
from towline.transport.docker_archive import DockerArchiveReference
from towline.transport.facts import ArchiveImage, StoreIdentity

__all__ = ["DiskFacts"]


class DiskFacts:
    """Facts from the disk, the store and the configuration; each is looked up when it is asked.

    What reads archives and layouts is imported then as well.
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
            find_id: the ID of a stored image by its beginning.
            search_registries: reads them from the configuration.
            rules: the edition.
            archives: keeps what is opened here open for the copies; without, it is closed again.
            platform: which instance of a list `config_hex` is about; None: this machine's.
            open_source: opens what is not on the disk as well; without, only what is.
            registries: reads what says more about short names; without, there are no aliases.
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
        """The absolute path without symbolic links of a path that exists, or whose parent does.

        Raises:
            PathError: ``path.unusable`` of the part of the path that is at fault (TRANS-040).
        """
        try:
            os.lstat(path)
        except FileNotFoundError:
            folder, slash, name = path.rpartition("/")
            return joined(_resolved(folder + slash), name)
        except (OSError, ValueError):
            with naming_path("lstat", path):
                raise
        return _resolved(path)

    def open_file(self, path: str) -> None:
        """Nothing, where the file can be opened for reading; PathError if not."""
        with naming_path("open", path):
            os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))

    def image_id(self, prefix: str) -> str | None:
        """The ID of the stored image whose ID begins so, where there is exactly one."""
        return self._find_id(prefix)

    def alias(self, name: str) -> str | None:
        """The full name that a short one is an alias of, None where it is none."""
        return None if self._registries is None else self._registries().alias(name)

    def enforced_by(self) -> str | None:
        """The file in which short names must be unambiguous, None where they need not be."""
        registries = None if self._registries is None else self._registries()
        if registries is None or registries.short_name_mode != "enforcing":
            return None
        return registries.origin("short-name-mode") or "registries.conf"

    def search_registries(self) -> tuple[str, ...]:
        """The registries in which short names are searched, in the order of the configuration."""
        return self._search_registries()

    def archive_images(self, path: str) -> tuple[ArchiveImage, ...]:
        """What manifest.json of a docker-archive lists.

        Raises:
            PathError: the archive cannot be opened.
            SourceError: it is none, or is damaged; within the step ``retrieving-manifest`` where
                it could be opened.
        """
        from towline.source import docker_archive

        reference = DockerArchiveReference(path)
        source = docker_archive.open_source(reference, self._rules, self._archives)
        with closing(source), step("retrieving-manifest"):
            items = source.items()
        return tuple(ArchiveImage(index, item.names) for index, item in enumerate(items))

    def layout_name(self, path: str, image: str, *, archive: bool) -> str:
        """The name of the image chosen in an OCI layout or oci-archive, ``""`` if it has none.

        Raises:
            PathError, SourceError: what keeps the image from being chosen.
        """
        from towline.source import oci, oci_archive
        from towline.source.layout import choose

        files: oci.FolderFiles | oci_archive.ArchiveFiles
        if archive:
            files = oci_archive.open_files(path, self._rules, self._archives)
        else:
            files = oci.FolderFiles(path, self._rules.document_limit)
        with closing(files):
            return choose(files, image, self._rules).name

    def config_hex(self, source: object) -> str:
        """The hex of the config digest of the image that a source reference names.

        The algorithm is dropped: ID is what the hex is used for (GOAL-012).

        Raises:
            TowlineError: what keeps the image from being read; the config digest's own fault
                within the step ``getting-config-info``.
        """
        platform = self._platform or host_platform()
        reading = Reading(self._rules, platform, name_source=False)
        with closing(self._open(cast(ImageReference, source))) as opened:
            raw, _ = reading.manifest(opened)
            manifest = reading.parsed(opened, raw)
        with step("getting-config-info"):
            return manifest.config.digest.hex


def _resolved(path: str) -> str:
    """The absolute path without symbolic links; every part of it must exist."""
    whole = os.path.abspath(path)
    try:
        return os.path.realpath(whole, strict=True)
    except OSError as error:
        at_fault = whole if error.filename is None else os.fsdecode(error.filename)
        with naming_path("lstat", at_fault):
            raise
