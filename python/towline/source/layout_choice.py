"""The choice of an image among the entries of index.json (LAYOUT-005 to LAYOUT-009)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol

from towline.errors import SourceError, TowlineError
from towline.frozen import frozen
from towline.go.go_json import GoJsonError, decode_first, list_of, struct
from towline.image.config import IMAGE_CONFIGS
from towline.image.descriptor import Descriptor, read_descriptor
from towline.image.manifest import (
    DOCKER_LIST,
    DOCKER_SCHEMA2,
    OCI_INDEX,
    OCI_MANIFEST,
    RawManifest,
    parse_manifest,
    recognise,
)
from towline.image.oci_layout import CONTAINERD_NAME, REF_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towline.rules.archives import ArchiveRules

__all__ = ["INDEX", "Choice", "blob_name", "choose", "image_name_in"]

INDEX = "index.json"

_MANIFEST_TYPES = (OCI_MANIFEST, DOCKER_SCHEMA2, "")
_IMAGE_TYPES = (*_MANIFEST_TYPES, OCI_INDEX, DOCKER_LIST)
# cosign names signatures, attestations and SBOMs after the digest of the image.
_COSIGN_TAG = re.compile(r"(?:.*:)?sha(?:256|384|512)-[0-9a-f]{64,128}(?:\.[a-z0-9.]+)?", re.DOTALL)
# The kinds of entries in the layouts that ``cosign save`` writes.
_COSIGN_KIND = "kind"
_COSIGN_KINDS = ("dev.cosignproject.cosign/sigs", "dev.cosignproject.cosign/atts")
_EXAMINED_MAX = 100  # manifests that are read to find out which of them are images


class _Documents(Protocol):
    @property
    def origin(self) -> str: ...
    def document(self, name: str, what: str) -> bytes: ...


@frozen
class Choice:
    """The image that was chosen in a layout.

    Attributes:
        descriptor: of its manifest; None if index.json itself is the index of the image.
        index: the bytes of index.json.
        names: the names of the image in the layout.
    """

    descriptor: Descriptor | None
    index: bytes
    names: tuple[str, ...]


def choose(files: _Documents, image: str, rules: ArchiveRules) -> Choice:
    """Choose an image of a layout.

    Args:
        files: the layout.
        image: its name; its number, as in ``@0``; or ``""`` for the only image in the layout.
        rules: which images can be chosen.

    Raises:
        SourceError: ``layout.index_not_json``, ``layout.choose_image``, ``layout.no_such_image``,
            ``layout.no_such_number``, ``layout.ambiguous``.
    """
    data = files.document(INDEX, "index")
    try:
        document = struct(decode_first(data))
        empty: list[Descriptor] = []
        entries = document.get("manifests", list_of(read_descriptor, Descriptor("", "", 0)), empty)
    except GoJsonError as fault:
        raise SourceError("layout.index_not_json", path=files.origin, reason=str(fault)) from None
    if rules.layout_images == "oci":
        chosen = [_choose_libpod_1_3(files, entries, image)]
    else:
        chosen = _Layout(files, entries).choose(image)
    names = (image_name_in(entry.annotations, rules) for entry in chosen)
    descriptor = chosen[0] if len({entry.digest_text for entry in chosen}) == 1 else None
    return Choice(descriptor, data, tuple(dict.fromkeys(filter(None, names))))


def image_name_in(annotations: Mapping[str, str], rules: ArchiveRules) -> str:
    """The image name in the annotations of a descriptor, ``""`` if none (LAYOUT-007)."""
    if rules.layout_images == "any" and annotations.get(CONTAINERD_NAME):
        return annotations[CONTAINERD_NAME]
    return annotations.get(REF_NAME, "")


def blob_name(descriptor: Descriptor) -> str:
    """The name of a blob in a layout; InvalidNameError for an invalid digest."""
    digest = descriptor.digest  # raises unless it is valid, so the path stays in the layout
    return f"blobs/{digest.algorithm}/{digest.hex}"


def _choose_libpod_1_3(files: _Documents, entries: Sequence[Descriptor], image: str) -> Descriptor:
    """The only entry, or the first one with a name: only OCI manifests have one (LAYOUT-006)."""
    if not image:
        if len(entries) == 1:
            return entries[0]
        raise SourceError("layout.choose_image", path=files.origin, count=len(entries), entries=[])
    for entry in entries:
        if entry.media_type == OCI_MANIFEST and entry.annotations.get(REF_NAME) == image:
            return entry
    raise SourceError("layout.no_such_image", path=files.origin, image=image, entries=[])


@frozen
class _Layout:
    files: _Documents
    entries: Sequence[Descriptor]

    def choose(self, image: str) -> list[Descriptor]:
        """Choose the entries of one image; several if it has several names or platforms."""
        if image.startswith("@"):
            return [self._numbered(int(image[1:]))]
        if image:
            matching = [entry for entry in self.entries if image in _names(entry)]
            if not matching:
                raise self._error("layout.no_such_image", image=image)
        else:
            matching = list(self.entries)
        found = matching
        if len({entry.digest_text for entry in found}) > 1:
            found = self._without_attachments(matching) or matching
        if not found:
            raise self._error("layout.choose_image", count=0)
        if len({entry.digest_text for entry in found}) == 1 or self._is_one_image(found):
            return found
        if image:
            raise self._error("layout.ambiguous", image=image, entries=self._described(found))
        raise self._error("layout.choose_image", count=len({e.digest_text for e in found}))

    def _numbered(self, number: int) -> Descriptor:
        if number < len(self.entries):
            return self.entries[number]
        raise self._error("layout.no_such_number", number=number)

    def _without_attachments(self, entries: Sequence[Descriptor]) -> list[Descriptor]:
        """The entries without signatures, attestations, SBOMs and other artifacts (LAYOUT-009)."""
        images = [entry for entry in entries if not _is_attachment(entry)]
        digests = {entry.digest_text for entry in images}
        if len(digests) > _EXAMINED_MAX:
            return images
        artifacts = {entry.digest_text for entry in images if self._is_artifact(entry)}
        return [entry for entry in images if entry.digest_text not in artifacts]

    def _is_artifact(self, entry: Descriptor) -> bool:
        """Whether the manifest of an entry is that of an artifact; False if it is unreadable."""
        if entry.media_type not in _MANIFEST_TYPES:
            return False
        try:
            data = self.files.document(blob_name(entry), "manifest")
            manifest = parse_manifest(RawManifest(data, entry.media_type or recognise(data)))
        except TowlineError:
            return False
        config = manifest.config.media_type
        return bool(manifest.has_subject or manifest.artifact_type) or config not in IMAGE_CONFIGS

    def _is_one_image(self, found: Sequence[Descriptor]) -> bool:
        # LAYOUT-008: one name, or none, and each manifest is for another platform.  The index of
        # the image is index.json, so nothing else but attestations may be in it.
        names = {entry.annotations.get(REF_NAME, "") for entry in found}
        platforms = {entry.platform for entry in found}
        others = [entry for entry in self.entries if entry not in found and not entry.attestation]
        distinct = None not in platforms and len(platforms) == len(found)
        return not others and len(names) == 1 and distinct

    def _error(self, code: str, **facts: Any) -> SourceError:
        return SourceError(
            code, path=self.files.origin, **{"entries": self._described(self.entries), **facts}
        )

    def _described(self, entries: Sequence[Descriptor]) -> list[dict[str, Any]]:
        """The entries for a message: number, names, digest, platform and kind of artifact."""
        return [
            {
                "number": self.entries.index(entry),
                "names": list(_names(entry)),
                "digest": entry.digest_text,
                "platform": "" if entry.platform is None else str(entry.platform),
                "artifact_type": entry.artifact_type,
            }
            for entry in entries
        ]


def _names(entry: Descriptor) -> tuple[str, ...]:
    """The names by which an entry can be chosen."""
    if entry.media_type not in _IMAGE_TYPES:
        return ()
    names = (entry.annotations.get(key, "") for key in (CONTAINERD_NAME, REF_NAME))
    return tuple(dict.fromkeys(filter(None, names)))


def _is_attachment(entry: Descriptor) -> bool:
    """Whether the entry alone shows that it is no image."""
    return (
        entry.attestation
        or bool(entry.artifact_type)
        or entry.media_type not in _IMAGE_TYPES
        or entry.annotations.get(_COSIGN_KIND) in _COSIGN_KINDS
        or _has_only_tags_of_cosign(entry)
    )


def _has_only_tags_of_cosign(entry: Descriptor) -> bool:
    """Whether every name is a tag of cosign; another name may be that of an image."""
    names = _names(entry)
    return bool(names) and all(_COSIGN_TAG.fullmatch(name) for name in names)
