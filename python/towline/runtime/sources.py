"""Opens the source of a reference; the only module that imports every source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from towline.image.platform import Platform
from towline.rules import Rules
from towline.source import unsupported
from towline.source.protocol import Source
from towline.transport import ImageReference
from towline.transport.dir import DirReference
from towline.transport.docker import DockerReference
from towline.transport.docker_archive import DockerArchiveReference
from towline.transport.oci import OciReference
from towline.transport.oci_archive import OciArchiveReference
from towline.transport.tarball import TarballReference

if TYPE_CHECKING:
    from towline.core import Stop
    from towline.source.archive_cache import ArchiveCache

__all__ = ["Sources"]


@dataclass(frozen=True, slots=True)
class Sources:
    """Opens sources for one call.

    Attributes:
        archives: keeps archives open between the building of the goal and the copies.
        platform: the platform of a tarball's image; None: the host platform.
        docker: opens the source of an image in a registry; None if the network must not be used.
        custom: opens the caller's own sources, and is called first; it returns None for others.
        stop: stops reads during the opening.
    """

    rules: Rules
    archives: ArchiveCache | None = None
    platform: Platform | None = None
    docker: Callable[[DockerReference], Source] | None = None
    custom: Callable[[ImageReference], Source | None] | None = None
    stop: Stop | None = None

    def open(self, reference: ImageReference) -> Source:
        """Open the source of a reference; its module is imported only now.

        Raises:
            UnsupportedError: towline does not support the transport.
            TowlineError: the source cannot be opened.
        """
        if self.custom is not None and (source := self.custom(reference)) is not None:
            return source
        rules = self.rules
        match reference:
            case DockerReference() if self.docker is not None:
                return self.docker(reference)
            case DockerArchiveReference():
                from towline.source import docker_archive

                return docker_archive.open_source(
                    reference, rules.archives, rules.limits, self.archives
                )
            case OciArchiveReference():
                from towline.source import oci_archive

                return oci_archive.open_source(
                    reference,
                    rules.archives,
                    rules.limits,
                    self.archives,
                    typeless=rules.copying.typeless,
                    blob_size=rules.registry.blob_size,
                )
            case OciReference():
                from towline.source import oci

                return oci.open_source(
                    reference,
                    rules.archives,
                    rules.limits,
                    typeless=rules.copying.typeless,
                    blob_size=rules.registry.blob_size,
                )
            case DirReference():
                from towline.source import dir

                return dir.open_source(reference, rules.limits, blob_size=rules.registry.blob_size)
            case TarballReference():
                from towline.source import tarball

                return tarball.open_source(reference, self.platform, self.stop)
            case _:
                return unsupported.open_source(reference)
