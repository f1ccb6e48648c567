"""Repairing the records of version 1 in which the manifests of several images may be mixed.

Nothing is guessed: a name goes on only with an image that it provably is of.  (STORE-023)
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from towline.cancel import CancelToken
from towline.errors import TowlineError
from towline.image.manifest import RawManifest, parse_index, recognise
from towline.name.digest import Digest
from towline.store.layout.blobs import Blobs
from towline.store.layout.identity import Evidence
from towline.store.layout.proof import prove
from towline.store.layout.record_store import RecordStore
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

__all__ = ["repair"]

_LOG = logging.getLogger("towline")


def repair(blobs: Blobs, records: RecordStore, cancel: CancelToken) -> tuple[str, ...]:
    """Replace every undecided record by records of which each is one image.

    Layers are decompressed before the index lock is taken.  A record some of whose blobs cannot
    be read at this moment stays as it is.

    Returns:
        The names that were taken away, since it cannot be known which image they are of.

    Raises:
        PullCancelledError: between two records; those that were repaired stay so.
    """
    lost: list[str] = []
    for old in records.reader.undecided():
        evidence = {each.content: prove(blobs, each, cancel) for each in old.manifests}
        if Proof.UNREADABLE in evidence.values():
            continue
        listed = {str(each): _instances(blobs, each) for each in old.lists}
        with records.locked(cancel):
            if records.reader.read(old.id) == old:
                lost.extend(_replace(records, _without_taken(records, old), evidence, listed))
    with records.locked(cancel):
        if unrepaired(records.paths):
            write_version(records.paths)
    for name in lost:
        _LOG.warning("the name %s was removed: pull it again", name)
    return tuple(lost)


def _without_taken(records: RecordStore, old: UndecidedRecord) -> UndecidedRecord:
    """The record without names that a later pull gave to another image."""
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
    for place, manifest in enumerate(proven):
        if manifest not in staying:
            mine = [key for key, owner in links.items() if owner == place]
            names = [name for name in old.names if name in mine]
            lists = [key for key in mine if key not in names]
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
    return Record(old.id, kept(old.names), old.named, tuple(staying), kept(lists))


def _links(
    old: UndecidedRecord, manifests: Sequence[StoredManifest], listed: Mapping[str, set[str]]
) -> dict[str, int]:
    """The place of the manifest that a name or list leads to, where that is certain.

    Where all manifests are of one image, a name without a digest leads to the first, as it did.
    """
    places = {str(each.known): place for place, each in enumerate(manifests)}
    links = {}
    for key, instances in listed.items():
        found = sorted(places[instance] for instance in instances if instance in places)
        if len(found) == 1:
            links[key] = found[0]
    for name in old.names:
        _, at, digest = name.partition("@")
        if at and (digest in places or digest in links):
            links[name] = places[digest] if digest in places else links[digest]
        elif same_image(manifests):
            links[name] = 0
    return links


def _instances(blobs: Blobs, listed: Digest) -> set[str]:
    """The digests that a stored list names; none where it cannot be read."""
    try:
        data = blobs.get(listed)
        instances = parse_index(RawManifest(data, recognise(data))).instances
    except TowlineError:
        return set()
    return {instance.digest_text for instance in instances}
