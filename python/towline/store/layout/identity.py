"""Which image an ID belongs to: pure decisions, from what was verified and never from a claim.

An ID is normally the hex of the config's digest, and a config names the diff IDs of its layers.
Anybody can put a public config above layers of their own, so a config is only a claim until the
layers were decompressed here and found to have these diff IDs: then the manifest is *proven*.
Manifests share an image where their content is equal, or where both are proven of one config.

Of images that want one ID the highest of these has it:

1. the image whose manifest has that digest,
2. an image of that config that is proven,
3. an image for which an archive asked for that ID (``@<hex>``),
4. an image of that config that is not proven.

The others are stored under the hex of the digest of their own manifest.  Names and digests lead to
the manifest that was pulled by them in any case.  (STORE-004, STORE-006, STORE-023)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from towline.store.layout.records import Content, Link, Record, StoredManifest, UndecidedRecord

__all__ = [
    "Evidence",
    "Found",
    "IdInUseError",
    "Placement",
    "combine",
    "place",
    "record_of",
    "with_evidence",
]

#: Whether content is what its config names; None where its blobs cannot be read at this moment.
#: What is not among the keys was not decompressed.
Evidence = Mapping[Content, bool | None]

#: The record of an ID, as it is or as it will be.
Found = Callable[[str], Record | UndecidedRecord | None]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an image is stored.

    Attributes:
        id: under which.
        evicted: IDs whose images move to the digests of their manifests, in the order of moving.
        absorbed: an ID whose record is of the same manifest, and becomes part of this one.
    """

    id: str
    evicted: tuple[str, ...] = ()
    absorbed: str | None = None


class IdInUseError(Exception):
    """The ID that was asked for is that of another image."""


def place(
    wanted: str, manifest: StoredManifest, found: Found, evidence: Evidence
) -> Placement | StoredManifest:
    """Decide under which ID an image is stored.

    Args:
        wanted: the ID that it should have.
        manifest: by which it came.
        found: the records that are here.
        evidence: what was decompressed, and what came of it.

    Returns:
        The placement; or a manifest whose layers must be decompressed before it can be decided.

    Raises:
        IdInUseError: an ID that was asked for is that of another image.
    """
    holder = found(wanted)
    own = _own_id(manifest)
    if holder is None or _shares(holder, manifest):
        return _placed(wanted, manifest, found)
    if wanted == own:
        return _evicting(wanted, found)
    if not _is_config_id(wanted, manifest):
        return _placed_on_request(wanted, holder, found, evidence)
    if not _known(manifest, evidence) and _shares(found(own), manifest):
        return Placement(own)  # it was kept separate before
    if (unknown := _unknown((manifest,), evidence)) is not None:
        return unknown
    if not _proven(manifest, evidence) or isinstance(holder, UndecidedRecord):
        return _separate(manifest, found)
    if _own_id(holder.manifests[0]) == wanted:
        return _separate(manifest, found)
    if _is_config_id(wanted, holder.manifests[0]):
        if (unknown := _unknown(holder.manifests, evidence)) is not None:
            return unknown
        states = {_state(each, evidence) for each in holder.manifests}
        if states == {True}:
            return _placed(wanted, manifest, found)
        if None in states:  # what cannot be read now is not taken for wrong
            return _separate(manifest, found)
    return _evicting(wanted, found)


def _placed_on_request(
    wanted: str, holder: Record | UndecidedRecord, found: Found, evidence: Evidence
) -> Placement | StoredManifest:
    """The place of an image for which an archive asked for an ID that another image has."""
    if isinstance(holder, UndecidedRecord) or not _is_config_id(wanted, holder.manifests[0]):
        raise IdInUseError
    if (unknown := _unknown(holder.manifests, evidence)) is not None:
        return unknown
    if any(_state(each, evidence) is not False for each in holder.manifests):
        raise IdInUseError
    return _evicting(wanted, found)


def _placed(home: str, manifest: StoredManifest, found: Found) -> Placement:
    own = _own_id(manifest)
    kept = found(own) if own != home else None
    return Placement(home, absorbed=own if _shares(kept, manifest) else None)


def _separate(manifest: StoredManifest, found: Found) -> Placement:
    own = _own_id(manifest)
    holder = found(own)
    return Placement(own) if holder is None or _shares(holder, manifest) else _evicting(own, found)


def _evicting(home: str, found: Found) -> Placement:
    """The place of an image from which others have to move, perhaps from one to the next."""
    evicted = []
    target: str | None = home
    while target is not None and target not in evicted:
        holder = found(target)
        if isinstance(holder, UndecidedRecord):
            raise IdInUseError
        assert holder is not None  # only a record that is here is in the way
        evicted.append(target)
        first = holder.manifests[0]
        if _own_id(first) == target:  # one digest, read under two media types as two images
            raise IdInUseError
        target = _own_id(first)
        if (there := found(target)) is None or _shares(there, first):
            target = None
    return Placement(home, tuple(reversed(evicted)))


def _own_id(manifest: StoredManifest) -> str:
    return manifest.digest.hex


def _is_config_id(image_id: str, manifest: StoredManifest) -> bool:
    return manifest.config is not None and manifest.config.hex == image_id


def _shares(record: Record | UndecidedRecord | None, manifest: StoredManifest) -> bool:
    """Whether a manifest belongs to a record by what is equal, without any proof."""
    if not isinstance(record, Record):
        return False
    return any(each.content == manifest.content for each in record.manifests)


def _known(manifest: StoredManifest, evidence: Evidence) -> bool:
    return manifest.proven or manifest.content in evidence


def _state(manifest: StoredManifest, evidence: Evidence) -> bool | None:
    return True if manifest.proven else evidence[manifest.content]


def _proven(manifest: StoredManifest, evidence: Evidence) -> bool:
    return _known(manifest, evidence) and _state(manifest, evidence) is True


def _unknown(manifests: tuple[StoredManifest, ...], evidence: Evidence) -> StoredManifest | None:
    return next((each for each in manifests if not _known(each, evidence)), None)


# --- records ----------------------------------------------------------------


def record_of(
    image_id: str, manifest: StoredManifest, lists: tuple[str, ...], names: tuple[str, ...]
) -> Record:
    """The record of an image that comes for the first time."""
    return Record(
        id=image_id,
        tags=tuple(Link(name, 0) for name in dict.fromkeys(names)),
        named=0,
        manifests=(manifest,),
        lists=tuple(Link(listed, 0) for listed in dict.fromkeys(lists)),
    )


def combine(kept: Record, other: Record, *, newer: bool) -> Record:
    """One record of two of the same image; it has the ID and the first manifest of `kept`.

    Args:
        kept: the record that goes on.
        other: the one that becomes part of it.
        newer: the names of `other` come in front, and its lists count.
    """
    manifests = list(kept.manifests)
    places = []
    for manifest in other.manifests:
        same = [
            place
            for place, each in enumerate(manifests)
            if (each.digest, each.media_type) == (manifest.digest, manifest.media_type)
        ]
        if not same:
            manifests.append(manifest)
        elif manifest.proven:
            manifests[same[0]] = replace(manifests[same[0]], proven=True)
        places.append(same[0] if same else len(manifests) - 1)

    def united(mine: tuple[Link, ...], theirs: tuple[Link, ...]) -> tuple[Link, ...]:
        moved = [Link(link.key, places[link.manifest]) for link in theirs]
        ordered = (*moved, *mine) if newer else (*mine, *moved)
        first = {link.key: link for link in reversed(ordered)}
        return tuple(first[key] for key in dict.fromkeys(link.key for link in ordered))

    return Record(
        id=kept.id,
        tags=united(kept.tags, other.tags),
        named=max(kept.named, other.named),
        manifests=tuple(manifests),
        lists=united(kept.lists, other.lists),
    )


def with_evidence(record: Record, evidence: Evidence) -> Record:
    """The record with what was found of its manifests; equal content is proven together."""
    proven = {each.content for each in record.manifests if each.proven}
    proven |= {content for content, state in evidence.items() if state is True}
    return replace(
        record,
        manifests=tuple(replace(each, proven=each.content in proven) for each in record.manifests),
    )
