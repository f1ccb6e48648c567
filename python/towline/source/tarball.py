"""``tarball:``: an image made of plain layer files, without manifest and config.

Each file is read once on opening, for its digests.  The config depends only on the files and the
platform, not on the time of the pull, so that the same files always give the same image.
(TARBALL-001 to TARBALL-006)
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from towline.core import CoreError, Stop, layer_pass
from towline.errors import SourceError
from towline.frozen import frozen
from towline.image.manifest import OCI_CONFIG, OCI_MANIFEST, RawManifest
from towline.image.platform import Platform, host_platform
from towline.name.digest import Digest, sha256_of
from towline.source.archive_cache import ArchiveCache
from towline.source.checks import check_config
from towline.source.files import FileBlob, is_stream, open_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.image.descriptor import Descriptor
    from towline.transport import ImageReference
    from towline.transport.tarball import TarballReference

__all__ = ["TarballSource", "open_source"]

_LATEST = 253_402_300_799  # the last second of the year 9999
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_LAYER_TYPES = {"none": _LAYER, "gzip": f"{_LAYER}+gzip", "zstd": f"{_LAYER}+zstd"}


@frozen
class _Layer:
    """A file that becomes a layer; `path` has its bytes, `name` is the argument of the user."""

    name: str
    path: str
    media_type: str
    digest: str
    size: int
    diff_id: str
    modified: float


def open_source(
    reference: TarballReference,
    platform: Platform | None = None,
    stop: Stop | None = None,
    archives: ArchiveCache | None = None,
) -> TarballSource:
    """The source of the image that the files make.

    Args:
        reference: the files.
        platform: of the image, for the config; None for that of this machine.
        stop: cancels the reading of the files.
        archives: keeps copies of pipes and the standard input; without it, the source does.

    Raises:
        PathError: a file cannot be read.
        SourceError: ``tarball.not_a_layer``, ``tarball.compression``.
    """
    with ExitStack() as resources:
        copies = archives or resources.enter_context(ArchiveCache(stop))
        layers = [_read_layer(name, copies, stop) for name in reference.files]
        return TarballSource(reference, layers, platform or host_platform(), resources.pop_all())


class TarballSource:
    """An image of plain files."""

    parallel = 4

    def __init__(
        self,
        reference: TarballReference,
        layers: Sequence[_Layer],
        platform: Platform,
        resources: ExitStack,
    ) -> None:
        self.reference: ImageReference = reference
        self._paths = {layer.digest: layer.path for layer in layers}
        self._config = _make_config(layers, platform)
        self._manifest = _make_manifest(layers, self._config)
        self._resources = resources

    def __repr__(self) -> str:
        return f"TarballSource({self.reference.within_transport!r})"

    def manifest(self, instance: Digest | None = None) -> RawManifest:
        """The manifest that was made; SourceError for the digest of another one."""
        if instance is not None and instance != self._manifest.digest:
            raise SourceError(
                "archive.no_instance", path=self.reference.within_transport, instance=instance
            )
        return self._manifest

    def config(self, descriptor: Descriptor) -> bytes:
        """The config that was made."""
        return check_config(self._config, descriptor.digest, self.reference.within_transport)

    def in_order(self, wanted: Sequence[Descriptor]) -> Sequence[Descriptor]:
        """The same order."""
        return wanted

    def open_blob(self, descriptor: Descriptor, offset: int = 0) -> FileBlob:
        """One of the files; SourceError if none has this digest."""
        path = self._paths.get(descriptor.digest_text)
        if path is None:
            raise SourceError(
                "archive.unknown_layer",
                path=self.reference.within_transport,
                digest=descriptor.digest_text,
            )
        return FileBlob(path, offset)

    def close(self) -> None:
        """Remove the copies of streams that it keeps; idempotent."""
        self._resources.close()


def _read_layer(name: str, copies: ArchiveCache, stop: Stop | None) -> _Layer:
    path = _copied(name, copies) if is_stream(name) else name
    fd = open_file(path)
    modified = os.fstat(fd).st_mtime
    os.close(fd)
    try:
        found = layer_pass(path, stop=stop)
    except CoreError as error:
        raise SourceError(
            "tarball.not_a_layer",
            path=name,
            reason=error.code,
            offset=error.offset,
            detail=error.detail,
        ) from None
    media_type = _LAYER_TYPES.get(found.compression)
    if media_type is None:  # TARBALL-004
        raise SourceError("tarball.compression", path=name, compression=found.compression)
    return _Layer(name, path, media_type, found.digest, found.size, found.diff_id, modified)


def _copied(name: str, copies: ArchiveCache) -> str:
    """The path of a copy of a stream, since its digest must be known before it is delivered."""
    try:
        return copies.copy_of_stream(name)
    except CoreError as error:
        raise SourceError(
            "core.file", path=name, reason=error.code, offset=error.offset, detail=error.detail
        ) from None


def _make_config(layers: Sequence[_Layer], platform: Platform) -> bytes:
    def timestamp(seconds: float) -> str:
        valid = min(max(int(seconds), 0), _LATEST)  # file times may be outside the range of dates
        return datetime.fromtimestamp(valid, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    created = max((layer.modified for layer in layers), default=0.0)
    machine = {"architecture": platform.architecture, "os": platform.os}
    if platform.variant:
        machine["variant"] = platform.variant
    document = {
        "created": timestamp(created),
        **machine,
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [
            {
                "created": timestamp(layer.modified),
                "created_by": f"tarball:{os.path.basename(layer.name)}",
            }
            for layer in layers
        ],
    }
    return _json(document)


def _make_manifest(layers: Sequence[_Layer], config: bytes) -> RawManifest:
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {
            "mediaType": OCI_CONFIG,
            "digest": str(sha256_of(config)),
            "size": len(config),
        },
        "layers": [
            {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size}
            for layer in layers
        ],
    }
    return RawManifest(_json(document), OCI_MANIFEST)


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
