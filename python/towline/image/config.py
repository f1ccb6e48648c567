"""The config of an image: its platform, labels and diff IDs.

Source: the OCI image specification, config.md; parsed as the original parses it (MANIFEST-010).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from towline.errors import InvalidNameError, SourceError
from towline.frozen import frozen
from towline.go.go_json import GoJsonError, Struct, decode, list_of, string, struct
from towline.image.manifest import (
    DOCKER_CONFIG,
    OCI_CONFIG,
    SCHEMA1,
    Manifest,
    RawManifest,
    parse_manifest,
)
from towline.image.platform import Platform
from towline.name.digest import Digest, parse_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "IMAGE_CONFIGS",
    "ConfigValues",
    "ImageConfig",
    "config_of",
    "parse_config",
    "require_config",
]

# A config without a media type is that of an image; some old registries name only bytes.
IMAGE_CONFIGS = (OCI_CONFIG, DOCKER_CONFIG, "application/octet-stream", "")


@frozen
class ImageConfig:
    """The fields of a config that towline uses; absent texts are empty.

    Attributes:
        os: the operating system, such as ``linux``.
        architecture: in Go's spelling, such as ``amd64``.
        variant: of the architecture, such as ``v8``.
        labels: by key.
        diff_id_texts: as written, lowest layer first; `diff_ids` are the validated values.
        created: when the image was made; None if that is unknown or not a valid time.
        env: ``NAME=VALUE`` entries.
        entrypoint: the program and its first arguments.
        cmd: the default arguments.
        user: that runs the program.
        working_dir: in which the program starts.
    """

    os: str
    architecture: str
    variant: str
    labels: Mapping[str, str]
    diff_id_texts: tuple[str, ...]
    created: datetime | None = None
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""

    @property
    def platform(self) -> Platform:
        """The platform that the image is for."""
        return Platform(self.os, self.architecture, self.variant)

    @property
    def diff_ids(self) -> tuple[Digest, ...] | None:
        """The validated diff IDs; None if one of them is not a digest."""
        try:
            return tuple(parse_digest(text) for text in self.diff_id_texts)
        except InvalidNameError:
            return None


class _HasConfig(Protocol):
    @property
    def manifest(self) -> RawManifest: ...
    @property
    def raw_config(self) -> bytes: ...


class ConfigValues:
    """The values of the config of an image, for classes that have `manifest` and `raw_config`.

    Each of them raises SourceError (``config.artifact``) for an artifact, whose config is another
    document.
    """

    __slots__ = ()

    @property
    def config(self: _HasConfig) -> ImageConfig:
        """The parsed config; without values if there is none."""
        return _parsed(self)

    @property
    def labels(self: _HasConfig) -> Mapping[str, str]:
        """The labels in the config."""
        return _parsed(self).labels

    @property
    def platform(self: _HasConfig) -> Platform:
        """The platform in the config."""
        return _parsed(self).platform

    @property
    def created(self: _HasConfig) -> datetime | None:
        """When the image was made; None if that is unknown."""
        return _parsed(self).created


def _parsed(image: _HasConfig) -> ImageConfig:
    if image.manifest.media_type in SCHEMA1:
        return parse_config(image.raw_config)
    manifest = parse_manifest(image.manifest)
    if not manifest.config.digest_text:
        return parse_config(b"{}")
    return require_config(manifest, config_of(manifest, image.raw_config))


def config_of(manifest: Manifest, data: bytes) -> ImageConfig | None:
    """Parse the config of a manifest; None if it is that of an artifact (MANIFEST-013).

    Raises:
        SourceError: ``config.not_json``, for the config of an image.
    """
    if manifest.config.media_type not in IMAGE_CONFIGS:
        return None
    try:
        return parse_config(data)
    except SourceError:
        if manifest.artifact_type:
            return None
        raise


def require_config(manifest: Manifest, config: ImageConfig | None) -> ImageConfig:
    """Return the config of an image.

    Raises:
        SourceError: ``config.artifact``: the manifest is that of an artifact.
    """
    if config is None:
        kind = manifest.artifact_type or manifest.config.media_type
        raise SourceError("config.artifact", media_type=kind)
    return config


def parse_config(data: bytes) -> ImageConfig:
    """Parse a config.

    Raises:
        SourceError: ``config.not_json``.
    """
    empty = Struct([])
    try:
        document = struct(decode(data))
        rootfs = document.get("rootfs", struct, empty)
        run_config: Any = document.get_lenient("config", struct, empty)
        return ImageConfig(
            os=document.get("os", string, ""),
            architecture=document.get("architecture", string, ""),
            variant=_text(document, "variant"),
            labels=run_config.get_lenient("Labels", _labels, {}),
            diff_id_texts=tuple(rootfs.get("diff_ids", list_of(string, ""), [])),
            created=_time(_text(document, "created")),
            env=_texts(run_config, "Env"),
            entrypoint=_texts(run_config, "Entrypoint"),
            cmd=_texts(run_config, "Cmd"),
            user=_text(run_config, "User"),
            working_dir=_text(run_config, "WorkingDir"),
        )
    except GoJsonError as fault:
        raise SourceError("config.not_json", reason=str(fault)) from None


# The fields below decide nothing, so a wrong type in them does not make the image unusable.


def _text(document: Struct, key: str) -> str:
    return document.get_lenient(key, string, "")


def _texts(document: Struct, key: str) -> tuple[str, ...]:
    return tuple(document.get_lenient(key, list_of(string, ""), []))


def _labels(raw: object) -> dict[str, str]:
    """The labels whose values are strings."""
    values = {key: "" if value is None else value for key, value in struct(raw).pairs()}
    return {key: value for key, value in values.items() if isinstance(value, str)}


def _time(text: str) -> datetime | None:
    """A time of RFC 3339, as in ``2026-01-02T03:04:05.123456789Z``."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo is not None else None
