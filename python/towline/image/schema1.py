"""Docker's image manifest version 2 schema 1, and the config that is built from its history.

Such a manifest has no config.  Its history describes the image, and the image's ID is the digest of
a schema 2 config that is built once the layers are available.  Of a signed manifest only the signed
part is parsed.
Sources: Docker's description of the format; the behaviour of the original.
(MANIFEST-020 to MANIFEST-025)
"""

from __future__ import annotations

import base64
import re
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from towline.errors import SourceError
from towline.frozen import frozen
from towline.go.go_json import (
    GoJsonError,
    Struct,
    compacted,
    decode,
    integer,
    list_of,
    quoted,
    raw_members,
    string,
    struct,
)
from towline.image.config import ImageConfig, parse_config
from towline.image.descriptor import Descriptor
from towline.image.manifest import (
    DOCKER_SCHEMA1,
    DOCKER_SCHEMA1_SIGNED,
    SCHEMA1,
    WHOLE_TYPES,
    Manifest,
    RawManifest,
    parse_manifest,
    recognise,
)
from towline.name.digest import Digest, digest_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Schema1", "manifest_digest", "parse_image", "parse_schema1"]

# Compiled when they are first used: such images are rare.
_ID = r"[a-f0-9]{64}"
_DROPPED = ("id", "parent", "parent_id", "layer_id", "throwaway", "Size")
_NEVER = "0001-01-01T00:00:00Z"
_TIME = r"(\d{4}-\d\d-\d\d)T(\d\d?)(:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))"


@frozen
class _Entry:
    """One history entry, which describes one layer; `text` is the entry as written."""

    text: str
    id: str
    parent: str
    created: str
    author: str
    created_by: str
    comment: str
    throwaway: bool

    def encoded(self) -> str:
        """The entry as an item of the history of a config."""
        members = [f'"created":"{self.created}"']
        for key in ("author", "created_by", "comment"):
            value: str = getattr(self, key)
            if value:
                members.append(f'"{key}":{quoted(value)}')
        if self.throwaway:
            members.append('"empty_layer":true')
        return "{" + ",".join(members) + "}"


@frozen
class Schema1:
    """An image of schema 1.

    Attributes:
        media_type: of the plain or of the signed form, regardless of the served media type.
        layers: every listed blob, lowest first, of unknown size.
        history: one entry for each layer, lowest first.
    """

    media_type: str
    layers: tuple[Descriptor, ...]
    history: tuple[_Entry, ...]

    @property
    def content(self) -> tuple[Descriptor, ...]:
        """The layers with content, lowest first: those that are not throwaway."""
        pairs = zip(self.layers, self.history, strict=True)
        return tuple(layer for layer, entry in pairs if not entry.throwaway)

    @property
    def empty(self) -> tuple[Descriptor, ...]:
        """The throwaway layers, lowest first."""
        pairs = zip(self.layers, self.history, strict=True)
        return tuple(layer for layer, entry in pairs if entry.throwaway)

    def partial_config(self) -> ImageConfig:
        """The image config in the newest history entry; it has no diff IDs.

        Raises:
            SourceError: ``config.not_json``.
        """
        return parse_config(self.history[-1].text.encode())

    @property
    def config(self) -> Descriptor:
        """An empty descriptor: the manifest has no config."""
        return Descriptor("", "", -1)

    def config_with(self, diff_ids: Sequence[Digest]) -> bytes:
        """The config of the image, byte for byte as the original builds it (MANIFEST-024).

        Args:
            diff_ids: one for each layer of `content`, lowest first.

        Raises:
            SourceError: ``config.not_json``.
        """
        try:
            members = raw_members(self.history[-1].text)
        except GoJsonError as fault:
            raise SourceError("config.not_json", reason=str(fault)) from None
        kept = {key: compacted(text) for key, text in members.items() if key not in _DROPPED}
        listed = ",".join(f'"{diff_id}"' for diff_id in diff_ids)
        kept["rootfs"] = '{"type":"layers"' + (f',"diff_ids":[{listed}]' if listed else "") + "}"
        kept["history"] = "[" + ",".join(entry.encoded() for entry in self.history) + "]"
        return ("{" + ",".join(f"{quoted(key)}:{kept[key]}" for key in sorted(kept)) + "}").encode()


def parse_image(raw: RawManifest) -> Manifest | Schema1:
    """Parse an image manifest according to its media type.

    Raises:
        SourceError: as `parse_manifest` and `parse_schema1`.
    """
    if raw.media_type in SCHEMA1:
        return parse_schema1(raw)
    return parse_manifest(raw)


def manifest_digest(raw: RawManifest, algorithm: str = "sha256") -> Digest:
    """The digest of a manifest: of all its bytes or, for signed schema 1, of its signed part.

    The signed part is used only for documents that are parsed as schema 1, which ignores the rest.
    Otherwise a server could add signatures to any manifest and append to it under the same digest
    (MANIFEST-023).

    Raises:
        SourceError: ``manifest.schema1_signatures``.
    """
    whole = raw.media_type in WHOLE_TYPES
    return digest_of(raw.data if whole else _payload(raw.data), algorithm)


def parse_schema1(raw: RawManifest) -> Schema1:
    """Parse a manifest of schema 1 (MANIFEST-021).

    Raises:
        SourceError: ``manifest.schema_version`` if its ``schemaVersion`` is not 1,
            ``manifest.not_json``, or ``manifest.schema1_*``.
    """
    payload = _payload(raw.data)
    try:
        document = struct(decode(payload))
        version = document.get("schemaVersion", integer, 0)
        blobs = document.get("fsLayers", list_of(_blob, ""), list[str]())
        texts = document.get("history", list_of(_compatibility, ""), list[str]())
    except GoJsonError as fault:
        raise SourceError("manifest.not_json", reason=str(fault)) from None
    if version != 1:
        raise SourceError("manifest.schema_version", media_type=raw.media_type, version=version)
    if len(blobs) != len(texts):
        raise SourceError("manifest.schema1_counts", layers=len(blobs), history=len(texts))
    if not blobs:
        raise SourceError("manifest.schema1_empty")
    layers = tuple(Descriptor("", blob, -1) for blob in blobs)
    history = tuple(_entry(index, text) for index, text in enumerate(texts))
    kept = _kept_entries(history)
    return Schema1(
        DOCKER_SCHEMA1 if payload is raw.data else DOCKER_SCHEMA1_SIGNED,
        tuple(layers[index] for index in reversed(kept)),
        tuple(history[index] for index in reversed(kept)),
    )


def _kept_entries(history: Sequence[_Entry]) -> list[int]:
    """Indexes of the entries to keep, newest first: of neighbours with one ID only the lowest.

    MANIFEST-022.
    """
    for entry in history:
        if not re.fullmatch(_ID, entry.id):
            raise SourceError("manifest.schema1_id", id=entry.id)
    if history[-1].parent:
        raise SourceError("manifest.schema1_base", parent=history[-1].parent)
    seen: set[str] = set()
    kept: list[int] = []
    for index, entry in enumerate(history):
        if kept and history[kept[-1]].id == entry.id:
            kept[-1] = index
            continue
        if entry.id in seen:
            raise SourceError("manifest.schema1_repeated", id=entry.id)
        seen.add(entry.id)
        kept.append(index)
    for upper, lower in reversed(list(pairwise(kept))):
        if history[upper].parent != history[lower].id:
            raise SourceError(
                "manifest.schema1_parent", want=history[lower].id, got=history[upper].parent
            )
    return kept


def _blob(raw: object) -> str:
    return struct(raw).get("blobSum", string, "")


def _compatibility(raw: object) -> str:
    return struct(raw).get("v1Compatibility", string, "")


def _entry(index: int, text: str) -> _Entry:
    try:
        document = struct(decode(text.encode()))
        container_config = document.get("container_config", struct, Struct([]))
        return _Entry(
            text=text,
            id=document.get("id", string, ""),
            parent=document.get("parent", string, ""),
            created=document.get("created", _time, _NEVER),
            author=document.get("author", string, ""),
            created_by=" ".join(container_config.get("Cmd", list_of(string, ""), list[str]())),
            comment=document.get("comment", string, ""),
            throwaway=document.get("throwaway", _boolean, False),
        )
    except GoJsonError as fault:
        raise SourceError("manifest.schema1_history", index=index, reason=str(fault)) from None


def _boolean(raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    raise GoJsonError("cannot use that as a truth value")


def _time(raw: object) -> str:
    """A time of RFC 3339 in the form in which the original writes it."""
    text = string(raw)
    found = re.fullmatch(_TIME, text, re.ASCII)
    try:
        if found is None:
            raise ValueError
        day, hour, rest, fraction, sign, hours, minutes = found.groups()
        time = f"{day}T{hour:0>2}{rest}"
        datetime.fromisoformat(time)
    except ValueError:
        raise GoJsonError(f"cannot use {text!r} as a time") from None
    fraction = (fraction or "").rstrip("0")
    zone = "Z" if sign is None or hours == minutes == "00" else f"{sign}{hours}:{minutes}"
    return time + (f".{fraction}" if fraction else "") + zone


def _payload(data: bytes) -> bytes:
    """The signed part of a signed manifest of schema 1; all of any other document.

    Each signature gives the length of the signed prefix of the document, and the tail that is
    appended to it (MANIFEST-023).
    """
    if b"signatures" not in data.lower() or recognise(data) != DOCKER_SCHEMA1_SIGNED:
        return data
    try:
        signed = struct(decode(data)).get("signatures", _signed_parts, None)
    except ValueError as fault:  # a GoJsonError, or no base64
        raise SourceError("manifest.schema1_signatures", reason=str(fault)) from None
    if signed is None:
        return data
    length, tail = signed.pop() if len(signed) == 1 else (-1, b"")
    if not 0 <= length <= len(data):
        raise SourceError("manifest.schema1_signatures", reason="they do not say what they sign")
    return data[:length] + tail


def _signed_parts(raw: object) -> set[tuple[int, bytes]] | None:
    return set(list_of(_signed_part, (-1, b""))(raw))


def _signed_part(raw: object) -> tuple[int, bytes]:
    header = struct(decode(_decode_base64url(struct(raw).get("protected", string, ""))))
    tail = _decode_base64url(header.get("formatTail", string, ""))
    return header.get("formatLength", integer, -1), tail


def _decode_base64url(text: str) -> bytes:
    """Decode base64url without padding."""
    return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
