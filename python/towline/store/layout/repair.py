"""Repairs records of version 1 that may mix the manifests of several images.

A name is kept only if its image is certain.  (STORE-023)
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from towline.errors import StoreError, TowlineError
from towline.frozen import replace
from towline.image.manifest import RawManifest, parse_index, recognise
from towline.store.layout.proof import prove
from towline.store.layout.records import (
    LASTING_PROOFS,
    Link,
    Proof,
    Record,
    StoredManifest,
    UndecidedRecord,
    same_image,
)
from towline.store.layout.version import unrepaired, write_version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towline.cancel import CancelToken
    from towline.name.digest import Digest
    from towline.store.layout.blobs import Blobs
    from towline.store.layout.identity import Evidence
    from towline.store.layout.record_store import RecordStore

__all__ = ["repair"]

_LOG = logging.getLogger("towline")


def repair(blobs: Blobs, records: RecordStore, cancel: CancelToken) -> tuple[str, ...]:
    """Replace every undecided record by one record per image.

    Layers are decompressed before the index lock is acquired.  A record stays undecided if one of
    its blobs cannot be read at this moment.

    Returns:
        The names that were removed, since their image is not certain.

    Raises:
        PullCancelledError: the caller cancelled; records that were already repaired stay repaired.
    """
    undecided, _ = records.reader.undecided()
    if not undecided and not unrepaired(records.paths):
        return ()
    lost: list[str] = []
    for old in undecided:
        evidence = {each.content: prove(blobs, each, cancel) for each in old.manifests}
        if Proof.UNREADABLE in evidence.values():
            continue
        listed: dict[str, set[str]] = {}
        for each in old.lists:
            if (instances := _instances(blobs, each)) is not None:
                listed[str(each)] = instances
        if len(listed) < len(old.lists):
            continue
        with records.locked(cancel):
            if records.reader.read(old.id) == old:
                lost.extend(_replace(records, _without_taken(records, old), evidence, listed))
    with records.locked(cancel):
        left, unreadable = records.reader.undecided()
        if not left and not unreadable and unrepaired(records.paths):
            write_version(records.paths)
    for name in lost:
        _LOG.warning("the name %s was removed: pull it again", name)
    return tuple(lost)


def _without_taken(records: RecordStore, old: UndecidedRecord) -> UndecidedRecord:
    """The record without names that a later pull moved to another image."""
    taken = {name for record in records.reader.all()[0] for name in record.names}
    return replace(old, names=tuple(name for name in old.names if name not in taken))


def _replace(
    records: RecordStore, old: UndecidedRecord, evidence: Evidence, listed: Mapping[str, set[str]]
) -> Sequence[str]:
    proven = [replace(each, proof=_lasting(evidence[each.content])) for each in old.manifests]
    staying = [
        each
        for each in proven
        if each.proof is Proof.PROVEN and each.config and each.config.hex == old.id
    ]
    links = _links(old, proven, listed)
    for index, manifest in enumerate(proven):
        if manifest not in staying:
            keys = [key for key, owner in links.items() if owner == index]
            names = [name for name in old.names if name in keys]
            lists = [key for key in keys if key not in names]
            records.store(manifest.digest.hex, manifest, lists, names, evidence)
    records.replace(old, _staying(old, proven, staying, links))
    return [name for name in old.names if name not in links]


def _lasting(proof: Proof) -> Proof | None:
    return proof if proof in LASTING_PROOFS else None


def _staying(
    old: UndecidedRecord,
    proven: Sequence[StoredManifest],
    staying: Sequence[StoredManifest],
    links: Mapping[str, int],
) -> Record | None:
    if not staying:
        return None

    def kept(keys: Sequence[str]) -> tuple[Link, ...]:
        owners = ((key, proven[links[key]]) for key in keys if key in links)
        return tuple(Link(key, staying.index(owner)) for key, owner in owners if owner in staying)

    lists = tuple(str(listed) for listed in old.lists)
    return Record(old.id, kept(old.names), old.named_at, tuple(staying), kept(lists))


def _links(
    old: UndecidedRecord, manifests: Sequence[StoredManifest], listed: Mapping[str, set[str]]
) -> dict[str, int]:
    """The index of the manifest of each name or list for which it is certain.

    If all manifests belong to one image, a name without a digest is linked to the first one, as
    before.
    """
    indexes = {str(each.lookup_digest): index for index, each in enumerate(manifests)}
    links = {}
    for key, instances in listed.items():
        found = sorted(indexes[instance] for instance in instances if instance in indexes)
        if len(found) == 1:
            links[key] = found[0]
    for name in old.names:
        _, at, digest = name.partition("@")
        if at and (digest in indexes or digest in links):
            links[name] = indexes[digest] if digest in indexes else links[digest]
        elif same_image(manifests):
            links[name] = 0
    return links


def _instances(blobs: Blobs, listed: Digest) -> set[str] | None:
    """The digests in a stored list; empty if it is missing or invalid, None if it is unreadable."""
    try:
        data = blobs.get(listed)
        instances = parse_index(RawManifest(data, recognise(data))).instances
    except StoreError as error:
        return None if error.code == "store.blob_closed" else set()
    except TowlineError:
        return set()
    return {instance.digest_text for instance in instances}
