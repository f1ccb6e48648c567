"""``docker-archive:``: reading an image from a tar as ``docker save`` writes it.

Such an archive has no manifest.  This module makes a schema 2 manifest whose layers are the plain
tars, so that the digest does not depend on the compression of the layers.  (ARCH-001 to ARCH-030)
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from towline.errors import LimitExceededError, SourceError, TowlineError, step
from towline.frozen import frozen, replace
from towline.go.go_json import GoJsonError, Struct, decode, list_of, string, struct
from towline.image.manifest import DOCKER_CONFIG, DOCKER_LAYER_GZIP, DOCKER_SCHEMA2, RawManifest
from towline.name.digest import Digest, sha256_of
from towline.name.reference import parse_normalized
from towline.source.archive_cache import ArchiveCache, MemberBlob, open_members
from towline.source.checks import check_config
from towline.source.other_kinds import recognising
from towline.transport.facts import ArchiveImage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towline.core import Member
    from towline.image.descriptor import Descriptor
    from towline.rules.archives import ArchiveRules
    from towline.rules.limits import TransferLimits
    from towline.source.archive import ArchiveMembers
    from towline.transport import ImageReference
    from towline.transport.docker_archive import DockerArchiveReference

__all__ = ["ArchiveItem", "DockerArchiveSource", "open_source", "read_items"]

_MANIFEST = "manifest.json"
_LAYERS_MAX = 100_000  # of one image
_PAIRS_MAX = 10_000  # images and names in one archive; each becomes a pair


@frozen
class ArchiveItem:
    """One image in manifest.json: names of members, and names of the image."""

    config: str = ""
    names: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()


@frozen
class _Contents:
    """The contents of an image, except the layers.

    Attributes:
        config: its bytes.
        diff_ids: as in the config, including repeated ones.
        layers: the name of the member of each layer, by diff ID.
        sizes: of the uncompressed layers, by diff ID.
    """

    config: bytes
    diff_ids: tuple[str, ...]
    layers: Mapping[str, str]
    sizes: Mapping[str, int]


def open_source(
    reference: DockerArchiveReference,
    rules: ArchiveRules,
    limits: TransferLimits,
    archives: ArchiveCache | None = None,
) -> DockerArchiveSource:
    """The source of an image in a docker-archive.

    Args:
        reference: the archive, and the image in it.
        rules: how the archive is read.
        limits: of its documents.
        archives: a cache of open archives; without it, the source opens and closes the archive.

    Raises:
        PathError: the archive cannot be opened.
        SourceError: it cannot be decompressed.
    """
    formats = rules.archive_formats
    with recognising(reference.transport, reference.path):
        members, shared = open_members(reference.path, formats, archives, sizes=True)
    return DockerArchiveSource(reference, rules, limits, members, shared=shared)


def read_items(
    members: ArchiveMembers, rules: ArchiveRules, limits: TransferLimits
) -> tuple[ArchiveItem, ...]:
    """The images in manifest.json.

    Raises:
        SourceError: ``archive.no_member``, ``archive.manifest_not_json``, a damaged archive.
        LimitExceededError: ``limit.document``, ``limit.archive`` for too many images and names.
    """
    with recognising("docker-archive", members.path):
        data = _document(members, _MANIFEST, rules, limits)
    try:
        listed = decode(data)
        found = [] if listed is None else list_of(_item, ArchiveItem())(listed)
        items = tuple(_without_names(item, rules.ignored_names) for item in found)  # ARCH-025
        if sum(max(1, len(item.names)) for item in items) > _PAIRS_MAX:
            detail = f"manifest.json lists more than {_PAIRS_MAX} images and names"
            raise LimitExceededError("limit.archive", path=members.path, detail=detail)
        return items
    except GoJsonError as fault:
        raise SourceError(
            "archive.manifest_not_json", path=members.path, reason=str(fault)
        ) from None


class DockerArchiveSource:
    """One image of a docker-archive.  Safe in any number of threads."""

    def __init__(
        self,
        reference: DockerArchiveReference,
        rules: ArchiveRules,
        limits: TransferLimits,
        members: ArchiveMembers,
        *,
        shared: bool,
    ) -> None:
        self.reference: ImageReference = reference
        self._wanted = reference
        self.rules = rules
        self.limits = limits
        # A compressed archive is read sequentially, so more tasks would only wait.
        self.parallel = 1 if members.framing else 4
        self._members = members
        self._shared = shared
        self._contents_cache: _Contents | None = None

    def __repr__(self) -> str:
        return f"DockerArchiveSource({self.reference.within_transport!r})"

    def items(self) -> tuple[ArchiveItem, ...]:
        """The images in manifest.json; raises as `read_items`."""
        return self._members.remember(
            "items", lambda: read_items(self._members, self.rules, self.limits)
        )

    def listed_images(self) -> tuple[ArchiveImage, ...]:
        """The images in manifest.json, with their names; raises as `read_items`."""
        return tuple(ArchiveImage(index, item.names) for index, item in enumerate(self.items()))

    def manifest(self, instance: Digest | None = None) -> RawManifest:
        """The manifest, made from the archive's list, the config and the layers (ARCH-020).

        Raises:
            SourceError: ``archive.*``; ``archive.no_instance`` for the digest of another one.
        """
        raw = _make_manifest(self._contents())
        if instance is not None and instance != raw.digest:
            raise SourceError("archive.no_instance", path=self._members.path, instance=instance)
        return raw

    def config(self, descriptor: Descriptor) -> bytes:
        """The config; VerificationError if the descriptor has another digest."""
        return check_config(self._contents().config, descriptor.digest, self._members.path)

    def in_order(self, wanted: Sequence[Descriptor]) -> Sequence[Descriptor]:
        """The order of the archive, so that one pass delivers all of them."""
        return sorted(wanted, key=lambda descriptor: self._member(descriptor).header)

    def open_blob(self, descriptor: Descriptor, offset: int = 0) -> MemberBlob:
        """A layer, decompressed if it is compressed in the archive (ARCH-022).

        Raises:
            SourceError: the archive has no such layer.
        """
        member = self._member(descriptor)
        compressed = self._members.compressed(member)
        return MemberBlob(self._members, member, offset, decompress=compressed)

    def close(self) -> None:
        """Close the archive, unless others use it; idempotent."""
        if not self._shared:
            self._members.close()

    def _contents(self) -> _Contents:
        if self._contents_cache is None:
            item = _choose(self.items(), self._wanted, self.rules)
            self._contents_cache = _read_contents(self._members, item, self.rules, self.limits)
        return self._contents_cache

    def _member(self, descriptor: Descriptor) -> Member:
        name = self._contents().layers.get(descriptor.digest_text)
        if name is None:
            raise SourceError(
                "archive.unknown_layer", path=self._members.path, digest=descriptor.digest_text
            )
        with step("loading-component", member=name):
            return _find(self._members, name, self.rules)


def _item(raw: object) -> ArchiveItem:
    entry = struct(raw)
    return ArchiveItem(
        config=entry.get("Config", string, ""),
        names=tuple(entry.get("RepoTags", list_of(string, ""), [])),
        layers=tuple(entry.get("Layers", list_of(string, ""), [])),
    )


def _without_names(item: ArchiveItem, dropped: Sequence[str]) -> ArchiveItem:
    return replace(item, names=tuple(name for name in item.names if name not in dropped))


def _find(members: ArchiveMembers, name: str, rules: ArchiveRules) -> Member:
    if rules.archive_members == "literal":
        return members.literal(name)
    member = members.resolved(name)
    if member is None:
        raise members.missing(name)
    return member


def _document(
    members: ArchiveMembers, name: str, rules: ArchiveRules, limits: TransferLimits
) -> bytes:
    with step("loading-component", member=name):
        member = _find(members, name, rules)
        what = _MANIFEST if name == _MANIFEST else "config"  # not the name, which is untrusted
        return members.document(member, what, limits.document_size)


def _choose(
    items: Sequence[ArchiveItem], reference: DockerArchiveReference, rules: ArchiveRules
) -> ArchiveItem:
    """The item for a reference; under libpod-1.3 the only one (ARCH-012)."""
    path = reference.path
    if rules.several_images == "refuse":
        if len(items) != 1:
            raise SourceError("archive.item_count", path=path, count=len(items))
        return items[0]
    if not items:
        raise SourceError("archive.no_images", path=path)
    if reference.reference is not None:
        wanted = str(reference.reference)
        for item in items:
            if wanted in map(_stored_name, item.names):
                return item
        names = [name for item in items for name in item.names]
        raise SourceError("archive.no_such_image", path=path, name=wanted, names=names)
    if reference.index >= len(items):
        raise SourceError("archive.no_such_index", path=path, index=reference.index)
    return items[reference.index]


def _stored_name(name: str) -> str:
    try:
        return str(parse_normalized(name).tagged())
    except TowlineError:
        return ""


def _read_contents(
    members: ArchiveMembers, item: ArchiveItem, rules: ArchiveRules, limits: TransferLimits
) -> _Contents:
    config = _document(members, item.config, rules, limits)
    diff_ids = _diff_ids(members, item.config, config)
    layers = _layers(members, item, diff_ids)
    if members.failure is not None:
        raise members.failure  # ARCH-015: a damaged archive is refused even if nothing is missing
    found = {diff_id: _layer_member(members, name, rules) for diff_id, name in layers.items()}
    missing = [layers[diff_id] for diff_id, member in found.items() if member is None]
    if missing:
        raise SourceError("archive.layers_missing", path=members.path, members=missing)
    present = [(diff_id, member) for diff_id, member in found.items() if member is not None]
    present.sort(key=lambda pair: pair[1].header)  # so that measuring takes one pass
    members.examine(member for _, member in present)
    sizes = {diff_id: _size(members, member) for diff_id, member in present}
    return _Contents(config, diff_ids, layers, sizes)


def _diff_ids(members: ArchiveMembers, name: str, config: bytes) -> tuple[str, ...]:
    try:
        rootfs: Struct | None = struct(decode(config)).get("rootfs", _rootfs, None)
        if rootfs is None:
            raise SourceError("archive.no_rootfs", path=members.path, member=name)
        return tuple(rootfs.get("diff_ids", list_of(string, ""), []))
    except GoJsonError as fault:
        raise SourceError(
            "archive.config_not_json", path=members.path, member=name, reason=str(fault)
        ) from None


def _rootfs(raw: object) -> Struct | None:
    return struct(raw)


def _layers(members: ArchiveMembers, item: ArchiveItem, diff_ids: Sequence[str]) -> dict[str, str]:
    """The names of the layers' members by diff ID, in the order of the image."""
    if len(diff_ids) > _LAYERS_MAX:
        detail = f"an image has more than {_LAYERS_MAX} layers"
        raise LimitExceededError("limit.archive", path=members.path, detail=detail)
    if len(item.layers) != len(diff_ids):
        raise SourceError(
            "archive.layer_count",
            path=members.path,
            in_manifest=len(item.layers),
            in_config=len(diff_ids),
        )
    if "" in item.layers:  # ARCH-026
        raise SourceError("archive.unnamed_layers", path=members.path, count=item.layers.count(""))
    layers: dict[str, str] = {}
    used: set[str] = set()
    for diff_id, name in zip(diff_ids, item.layers, strict=True):
        if diff_id in layers:  # ARCH-017: a repeated layer has the member of its first occurrence
            continue
        if name in used:
            raise SourceError("archive.layer_used_twice", path=members.path, member=name)
        used.add(name)
        layers[diff_id] = name
    return layers


def _layer_member(members: ArchiveMembers, name: str, rules: ArchiveRules) -> Member | None:
    """The member whose size is used for a layer, None if there is none."""
    if rules.archive_members == "literal":
        return members.named(name)  # ARCH-018: a link counts as an empty file
    return members.resolved(name)


def _size(members: ArchiveMembers, member: Member) -> int:
    """The size of an uncompressed layer."""
    if members.compressed(member):
        return members.measure(member)
    return members.size_of(member)


def _make_manifest(contents: _Contents) -> RawManifest:
    # ARCH-020: identical to the original's bytes, since their digest is the digest of the image.
    layers = [
        _entry(DOCKER_LAYER_GZIP, contents.sizes[diff_id], diff_id) for diff_id in contents.diff_ids
    ]
    config = _entry(DOCKER_CONFIG, len(contents.config), str(sha256_of(contents.config)))
    head = f'{{"schemaVersion":2,"mediaType":"{DOCKER_SCHEMA2}"'
    text = f'{head},"config":{config},"layers":[{",".join(layers)}]}}'
    return RawManifest(text.encode(), DOCKER_SCHEMA2)


def _entry(media_type: str, size: int, digest: str) -> str:
    text = json.dumps(digest, ensure_ascii=False)
    for char in "<>&\u2028\u2029":  # as the original's encoder writes them
        text = text.replace(char, f"\\u{ord(char):04x}")
    return f'{{"mediaType":"{media_type}","size":{size},"digest":{text}}}'
