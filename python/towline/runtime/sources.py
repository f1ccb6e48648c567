"""Which source reads which reference: the only room that names them all."""

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
        archives: keeps archives open between the questions of the goal and the copies.
        platform: what a tarball's image is said to be for; None: this machine.
        docker: opens the source of an image in a registry; None where no network may be used.
        own: sources that the caller opens himself; asked first, None where it has none.
        stop: ends what an opening has to read.
    """

    rules: Rules
    archives: ArchiveCache | None = None
    platform: Platform | None = None
    docker: Callable[[DockerReference], Source] | None = None
    own: Callable[[ImageReference], Source | None] | None = None
    stop: Stop | None = None

    def open(self, reference: ImageReference) -> Source:
        """The source of a reference; what it needs is imported here, when one is wanted.

        Raises:
            UnsupportedError: a transport that towline does not read.
            TowlineError: the source cannot be opened.
        """
        if self.own is not None and (source := self.own(reference)) is not None:
            return source
        match reference:
            case DockerReference() if self.docker is not None:
                return self.docker(reference)
            case DockerArchiveReference():
                from towline.source import docker_archive

                return docker_archive.open_source(reference, self.rules, self.archives)
            case OciArchiveReference():
                from towline.source import oci_archive

                return oci_archive.open_source(reference, self.rules, self.archives)
            case OciReference():
                from towline.source import oci

                return oci.open_source(reference, self.rules)
            case DirReference():
                from towline.source import dir

                return dir.open_source(reference, self.rules)
            case TarballReference():
                from towline.source import tarball

                return tarball.open_source(reference, self.rules, self.platform, self.stop)
            case _:
                return unsupported.open_source(reference)
