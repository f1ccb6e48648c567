"""Decides the IDs of images, from verified facts only.

An ID is normally the hex of the config's digest, and the config lists the diff IDs of its layers.
Anybody can combine a public config with other layers.  So the layers have to be decompressed and
their diff IDs compared with the config.  Then the manifest is proven or refuted.

Manifests share an image if their content is equal, or if both are proven for one config.
If several images want one ID, the first of these gets it:

1. the image that has the ID as an ID of its own (see `own_ids`),
2. an image of that config that is proven,
3. an image for which an archive requested the ID (``@<hex>``), against a refuted one,
4. the image that came first.

The others are stored under an ID of their own.  Names and digests always resolve to the manifest
that was pulled by them.  (STORE-004, STORE-006)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping

from towline.frozen import frozen
from towline.store.layout.records import (
    Content,
    Proof,
    Record,
    StoredManifest,
    UndecidedRecord,
)

__all__ = ["Evidence", "Find", "IdInUseError", "Placement", "own_ids", "place"]

#: The proof of each content that was examined in this publish.
Evidence = Mapping[Content, Proof]

#: Returns the record of an ID.
Find = Callable[[str], Record | UndecidedRecord | None]


@frozen
class Placement:
    """The ID of an image, and the records that have to move.

    Attributes:
        id: the ID.
        moves: pairs of an ID and the new ID of its image, in the order in which they are written.
        absorbed: the ID of a record of the same image, which is merged into this one.
    """

    id: str
    moves: tuple[tuple[str, str], ...] = ()
    absorbed: str | None = None


class IdInUseError(Exception):
    """The ID that an archive requested belongs to another image."""


def own_ids(manifest: StoredManifest) -> tuple[str, str]:
    """The IDs that only an image of this manifest can own, the preferred one first.

    The first is the hex of the manifest's digest.  One document can be read as two images under
    two media types; the second ID covers what was read as well.
    """
    read = (manifest.digest, manifest.media_type, *manifest.content[1], manifest.config)
    text = "towline image\n" + "\n".join(map(str, read))
    return manifest.digest.hex, hashlib.sha256(text.encode()).hexdigest()


def place(
    wanted: str, manifest: StoredManifest, find: Find, evidence: Evidence
) -> Placement | StoredManifest:
    """Decide under which ID an image is stored.

    Args:
        wanted: the ID that it should have.
        manifest: the manifest that was pulled.
        find: returns the present records.
        evidence: the proofs that are available.

    Returns:
        The placement; or a manifest that has to be examined before the decision is possible.

    Raises:
        IdInUseError: a requested ID belongs to another image.
    """
    placement = _place(wanted, manifest, find, evidence)
    if isinstance(placement, Placement):
        return _with_own_id_vacated(placement, manifest, find)
    return placement


def _place(
    wanted: str, manifest: StoredManifest, find: Find, evidence: Evidence
) -> Placement | StoredManifest:
    holder = find(wanted)
    if holder is None or _shares(holder, manifest):
        return _placement(wanted, manifest, find)
    if wanted in own_ids(manifest):
        return _separate(manifest, find)
    if not _is_config_id(wanted, manifest):
        return _place_on_request(wanted, manifest, holder, find, evidence)
    if isinstance(holder, UndecidedRecord) or wanted in own_ids(holder.manifests[0]):
        return _separate(manifest, find)
    proof = _proof(manifest, find, evidence)
    if proof is None:
        return manifest
    if proof is not Proof.PROVEN:
        return _separate(manifest, find)
    if _is_config_id(wanted, holder.manifests[0]):
        for each in holder.manifests:
            if (other := _proof(each, find, evidence)) is None:
                return each
            if other is Proof.UNREADABLE:  # a transient failure is not damage
                return _separate(manifest, find)
            if other is not Proof.PROVEN:
                break
        else:
            return _placement(wanted, manifest, find)
    return _evict(wanted, manifest, find)


def _place_on_request(
    wanted: str,
    manifest: StoredManifest,
    holder: Record | UndecidedRecord,
    find: Find,
    evidence: Evidence,
) -> Placement | StoredManifest:
    """The placement of an image for which an archive requested an ID that is in use."""
    if isinstance(holder, UndecidedRecord) or not _is_config_id(wanted, holder.manifests[0]):
        raise IdInUseError
    for each in holder.manifests:
        proof = _proof(each, find, evidence)
        if proof is None:
            return each
        if proof is not Proof.REFUTED:
            raise IdInUseError
    return _evict(wanted, manifest, find)


def _placement(
    image_id: str, manifest: StoredManifest, find: Find, moves: tuple[tuple[str, str], ...] = ()
) -> Placement:
    """A placement that absorbs the record of the same image, if one is kept under an own ID."""
    taken = {image_id, *(target for _, target in moves)}
    kept = [own for own in own_ids(manifest) if own not in taken and _shares(find(own), manifest)]
    return Placement(image_id, moves, kept[0] if kept else None)


def _separate(manifest: StoredManifest, find: Find) -> Placement:
    image_id = _own_id(manifest, find, ())
    holder = find(image_id)
    if holder is None or _shares(holder, manifest):
        return Placement(image_id)
    return _evict(image_id, manifest, find)


def _evict(image_id: str, manifest: StoredManifest, find: Find) -> Placement:
    """A placement that moves the holder of an ID, and in turn the holder of the new ID."""
    return _placement(image_id, manifest, find, _moves_from(image_id, find, ()))


def _with_own_id_vacated(placement: Placement, manifest: StoredManifest, find: Find) -> Placement:
    """The placement, with the image moved that requested the digest of this manifest as its ID."""
    own = own_ids(manifest)[0]
    touched = {placement.id, *(each for move in placement.moves for each in move)}
    holder = find(own)
    if own in touched or not isinstance(holder, Record):
        return placement
    if _shares(holder, manifest) or own in own_ids(holder.manifests[0]):
        return placement
    if placement.absorbed is not None:
        touched.add(placement.absorbed)
    moves = (*placement.moves, *_moves_from(own, find, touched))
    return Placement(placement.id, moves, placement.absorbed)


def _moves_from(vacated: str, find: Find, taken: Collection[str]) -> tuple[tuple[str, str], ...]:
    """The moves that vacate an ID, in the order of writing; none leads to an ID that is taken."""
    moves: list[tuple[str, str]] = []
    used = {vacated, *taken}
    while True:
        holder = find(vacated)
        assert isinstance(holder, Record)  # an undecided record is never evicted
        target = _own_id(holder.manifests[0], find, used)
        moves.append((vacated, target))
        used.add(target)
        next_holder = find(target)
        if next_holder is None or _shares(next_holder, holder.manifests[0]):
            return tuple(reversed(moves))
        vacated = target


def _own_id(manifest: StoredManifest, find: Find, taken: Collection[str]) -> str:
    """The first own ID that is free, has this image already, or can be taken from another one."""
    for image_id in own_ids(manifest):
        holder = find(image_id)
        if image_id in taken or isinstance(holder, UndecidedRecord):
            continue
        if holder is None or _shares(holder, manifest):
            return image_id
        if image_id not in own_ids(holder.manifests[0]):
            return image_id
    raise IdInUseError  # unreachable: the second ID is a hash of exactly this image


def _is_config_id(image_id: str, manifest: StoredManifest) -> bool:
    return manifest.config is not None and manifest.config.hex == image_id


def _shares(record: Record | UndecidedRecord | None, manifest: StoredManifest) -> bool:
    """Whether a manifest belongs to a record because their content is equal."""
    if not isinstance(record, Record):
        return False
    return any(each.content == manifest.content for each in record.manifests)


def _proof(manifest: StoredManifest, find: Find, evidence: Evidence) -> Proof | None:
    """The proof of a manifest; None if it was not examined."""
    if manifest.content in evidence:
        return evidence[manifest.content]
    if manifest.proof is not None:
        return manifest.proof
    for image_id in own_ids(manifest):  # the record of a separate image has its proof
        record = find(image_id)
        if isinstance(record, Record):
            for each in record.manifests:
                if each.content == manifest.content and each.proof is not None:
                    return each.proof
    return None
