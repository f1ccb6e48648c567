"""Opens the source of a reference; the only module that imports every source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.frozen import frozen
from towline.transport.docker import DockerReference

if TYPE_CHECKING:
    from collections.abc import Callable

    from towline.core import Stop
    from towline.image.platform import Platform
    from towline.registry.endpoint_log import EndpointLog
    from towline.rules import Rules
    from towline.source.archive_cache import ArchiveCache
    from towline.source.protocol import Source
    from towline.transport import ImageReference

__all__ = ["Sources"]


@frozen
class Sources:
    """Opens sources for one call.

    Attributes:
        archives: keeps archives open between the building of the goal and the copies.
        platform: the platform of a tarball's image; None: the host platform.
        docker: opens the source of an image in a registry, which records the endpoints that it
            uses; None if the network must not be used.
        custom: opens the caller's own sources, and is called first; it returns None for others.
        stop: stops reads during the opening.
    """

    rules: Rules
    archives: ArchiveCache | None = None
    platform: Platform | None = None
    docker: Callable[[DockerReference, EndpointLog], Source] | None = None
    custom: Callable[[ImageReference], Source | None] | None = None
    stop: Stop | None = None

    def open(self, reference: ImageReference, log: EndpointLog | None = None) -> Source:
        """Open the source of a reference; its module is imported only now.

        Args:
            reference: of the image.
            log: records the endpoints that are used; None if nobody reads it.

        Raises:
            UnsupportedError: towline does not support the transport.
            TowlineError: the source cannot be opened.
        """
        if self.custom is not None and (source := self.custom(reference)) is not None:
            return source
        if isinstance(reference, DockerReference) and self.docker is not None:
            from towline.registry.endpoint_log import EndpointLog

            return self.docker(reference, log or EndpointLog())
        return self.open_local(reference)

    def open_local(self, reference: ImageReference) -> Source:
        """Open towline's own source of an image on the disk; raises as `open`."""
        from towline.transport.dir import DirReference
        from towline.transport.docker_archive import DockerArchiveReference
        from towline.transport.oci import OciReference
        from towline.transport.oci_archive import OciArchiveReference
        from towline.transport.tarball import TarballReference

        rules = self.rules
        match reference:
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
                )
            case OciReference():
                from towline.source import oci

                return oci.open_source(
                    reference,
                    rules.archives,
                    rules.limits,
                    typeless=rules.copying.typeless,
                )
            case DirReference():
                from towline.source import dir

                return dir.open_source(reference, rules.limits)
            case TarballReference():
                from towline.source import tarball

                return tarball.open_source(reference, self.platform, self.stop, self.archives)
            case _:
                from towline.source import unsupported

                return unsupported.open_source(reference)
