"""Combines the records of one image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.frozen import replace
from towline.store.layout.records import (
    LASTING_PROOFS,
    Content,
    Link,
    Proof,
    Record,
    StoredManifest,
)

if TYPE_CHECKING:
    from towline.store.layout.identity import Evidence

__all__ = ["combine", "new_record", "with_evidence"]


def new_record(
    image_id: str, manifest: StoredManifest, lists: tuple[str, ...], names: tuple[str, ...]
) -> Record:
    """Return the record of an image that is stored for the first time."""
    return Record(
        id=image_id,
        name_links=tuple(Link(name, 0) for name in dict.fromkeys(names)),
        named_at=0,
        manifests=(manifest,),
        lists=tuple(Link(listed, 0) for listed in dict.fromkeys(lists)),
    )


def combine(kept: Record, other: Record, *, newer: bool) -> Record:
    """Combine two records; the result has the ID and the first manifest of `kept`.

    Args:
        kept: the record that is kept.
        other: the record that is merged into it.
        newer: the names of `other` come first, and its list links replace those of `kept`.
    """
    manifests = list(kept.manifests)
    indexes = []
    for manifest in other.manifests:
        key = (manifest.digest, manifest.media_type)
        same = [at for at, each in enumerate(manifests) if (each.digest, each.media_type) == key]
        if not same:
            manifests.append(manifest)
        else:
            proof = _stronger(manifests[same[0]].proof, manifest.proof)
            manifests[same[0]] = replace(manifests[same[0]], proof=proof)
        indexes.append(same[0] if same else len(manifests) - 1)

    def united(mine: tuple[Link, ...], theirs: tuple[Link, ...]) -> tuple[Link, ...]:
        moved = [Link(link.key, indexes[link.manifest]) for link in theirs]
        ordered = (*moved, *mine) if newer else (*mine, *moved)
        first = {link.key: link for link in reversed(ordered)}
        return tuple(first[key] for key in dict.fromkeys(link.key for link in ordered))

    return Record(
        id=kept.id,
        name_links=united(kept.name_links, other.name_links),
        named_at=max(kept.named_at, other.named_at),
        manifests=tuple(manifests),
        lists=united(kept.lists, other.lists),
    )


def with_evidence(record: Record, evidence: Evidence) -> Record:
    """The record with the lasting proofs; manifests of equal content have the same proof."""
    proofs: dict[Content, Proof | None] = {}
    for each in record.manifests:
        proofs[each.content] = _stronger(proofs.get(each.content), each.proof)
    for content, proof in evidence.items():
        if proof in LASTING_PROOFS:
            proofs[content] = _stronger(proofs.get(content), proof)
    return replace(
        record,
        manifests=tuple(replace(each, proof=proofs[each.content]) for each in record.manifests),
    )


def _stronger(first: Proof | None, second: Proof | None) -> Proof | None:
    """The stronger of two proofs of one content: verified blobs were proven once and for all."""
    if Proof.PROVEN in (first, second):
        return Proof.PROVEN
    return first if first is not None else second
