"""Docker's image manifest version 2 schema 1, and the config that is made of its history.

Such a manifest has no config: what an image is stands in its history, and the image's ID is that of
a config of schema 2 which is made once the layers are here.  Where a manifest is signed, nothing
outside of what was signed is read.
Source: Docker's description of the format; the behaviour of the original.
(MANIFEST-020 to MANIFEST-025)
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from towline.errors import SourceError
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

__all__ = ["Schema1", "known_digest", "parse_image", "parse_schema1"]

_ID = re.compile(r"[a-f0-9]{64}")
_DROPPED = ("id", "parent", "parent_id", "layer_id", "throwaway", "Size")
_NEVER = "0001-01-01T00:00:00Z"
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)T(\d\d?)(:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)


@dataclass(frozen=True, slots=True)
class _Entry:
    """What one entry of the history says of its layer; `text` is the entry as it was written."""

    text: str
    id: str
    parent: str
    created: str
    author: str
    created_by: str
    comment: str
    throwaway: bool

    def encoded(self) -> str:
        """As an item of the history of a config."""
        members = [f'"created":"{self.created}"']
        for key in ("author", "created_by", "comment"):
            value: str = getattr(self, key)
            if value:
                members.append(f'"{key}":{quoted(value)}')
        if self.throwaway:
            members.append('"empty_layer":true')
        return "{" + ",".join(members) + "}"


@dataclass(frozen=True, slots=True)
class Schema1:
    """An image of schema 1.

    Attributes:
        media_type: of the plain or of the signed form, whatever it was served as.
        layers: every blob that is listed, lowest first, of unknown size.
        history: one entry for each of them, lowest first.
    """

    media_type: str
    layers: tuple[Descriptor, ...]
    history: tuple[_Entry, ...]

    @property
    def content(self) -> tuple[Descriptor, ...]:
        """The layers that change something, lowest first: those that are not throwaway."""
        pairs = zip(self.layers, self.history, strict=True)
        return tuple(layer for layer, entry in pairs if not entry.throwaway)

    @property
    def empty(self) -> tuple[Descriptor, ...]:
        """The throwaway layers, lowest first."""
        pairs = zip(self.layers, self.history, strict=True)
        return tuple(layer for layer, entry in pairs if entry.throwaway)

    def described(self) -> ImageConfig:
        """What the newest entry says of the image; it knows no diff IDs.

        Raises:
            SourceError: ``config.not_json``.
        """
        return parse_config(self.history[-1].text.encode())

    @property
    def config(self) -> Descriptor:
        """Of nothing: the manifest names no config."""
        return Descriptor("", "", -1)

    def config_with(self, diff_ids: Sequence[Digest]) -> bytes:
        """The config of the image, byte for byte as the original makes it (MANIFEST-024).

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
    """Read an image manifest of whatever kind its media type says.

    Raises:
        SourceError: as `parse_manifest` and `parse_schema1`.
    """
    if raw.media_type in SCHEMA1:
        return parse_schema1(raw)
    return parse_manifest(raw)


def known_digest(raw: RawManifest, algorithm: str = "sha256") -> Digest:
    """The digest by which a manifest is known: that of its bytes, or of what was signed.

    Only what will be read as schema 1, by its signed part alone, is known by that part: else
    signatures around any manifest would let a server append to it under its digest (MANIFEST-023).

    Raises:
        SourceError: ``manifest.schema1_signatures``.
    """
    whole = raw.media_type in WHOLE_TYPES
    return digest_of(raw.data if whole else _payload(raw.data), algorithm)


def parse_schema1(raw: RawManifest) -> Schema1:
    """Read a manifest of schema 1 (MANIFEST-021).

    Raises:
        SourceError: ``manifest.schema_version`` where it says that it is of another schema,
            ``manifest.not_json``, or a ``manifest.schema1_*`` fault.
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
    kept = _unbroken(history)
    return Schema1(
        DOCKER_SCHEMA1 if payload is raw.data else DOCKER_SCHEMA1_SIGNED,
        tuple(layers[index] for index in reversed(kept)),
        tuple(history[index] for index in reversed(kept)),
    )


def _unbroken(history: Sequence[_Entry]) -> list[int]:
    """Which entries count, newest first: of neighbours with one ID the lowest (MANIFEST-022)."""
    for entry in history:
        if not _ID.fullmatch(entry.id):
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
        ran = document.get("container_config", struct, Struct([]))
        return _Entry(
            text=text,
            id=document.get("id", string, ""),
            parent=document.get("parent", string, ""),
            created=document.get("created", _time, _NEVER),
            author=document.get("author", string, ""),
            created_by=" ".join(ran.get("Cmd", list_of(string, ""), list[str]())),
            comment=document.get("comment", string, ""),
            throwaway=document.get("throwaway", _truth, False),
        )
    except GoJsonError as fault:
        raise SourceError("manifest.schema1_history", index=index, reason=str(fault)) from None


def _truth(raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    raise GoJsonError("cannot use that as a truth value")


def _time(raw: object) -> str:
    """A time of RFC 3339, written as the original writes it again."""
    text = string(raw)
    found = _TIME.fullmatch(text)
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
    """What was signed of a signed manifest of schema 1; of any other document all of it.

    Each signature says how long the beginning of the document is that it is for, and what follows
    on it there (MANIFEST-023).
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
    header = struct(decode(_unwrapped(struct(raw).get("protected", string, ""))))
    tail = _unwrapped(header.get("formatTail", string, ""))
    return header.get("formatLength", integer, -1), tail


def _unwrapped(text: str) -> bytes:
    """The bytes of base64url, which has no padding here."""
    return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
