"""From a name or a digest to image IDs, without reading every record.

A lookup file holds the IDs of records that may have the key, newest first; the record decides.  So
it is written *before* the records change, and a reader at any moment finds the one or the other.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence, Set

from towline.errors import PathError
from towline.store.layout import files
from towline.store.layout.paths import StorePaths, is_id

__all__ = ["decode", "encode", "ids", "read", "rebuild"]


def encode(key: str, image_ids: tuple[str, ...]) -> bytes:
    """A lookup file."""
    return json.dumps({"key": key, "ids": image_ids}).encode()


def decode(data: bytes) -> tuple[str, tuple[str, ...]] | None:
    """The key and the IDs of a lookup file; None where it is damaged, as a loss of power may do."""
    try:
        document = json.loads(data)
        key, image_ids = document["key"], document["ids"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(key, str) or not isinstance(image_ids, list):
        return None
    if not all(isinstance(image_id, str) and is_id(image_id) for image_id in image_ids):
        return None
    return key, tuple(image_ids)


def ids(paths: StorePaths, key: str) -> tuple[str, ...] | None:
    """The IDs that may have the key, newest first; None where only the records can tell."""
    path = paths.key(key)
    decoded = read(path)
    if decoded is None and not os.path.lexists(path):
        return ()
    if decoded is None or decoded[0] != key:
        return None
    return decoded[1]


def read(path: str) -> tuple[str, tuple[str, ...]] | None:
    """The key and the IDs in a lookup file; None where it is not there, or cannot be used."""
    try:
        return decode(files.read(path) or b"")
    except PathError:
        return None


def rebuild(paths: StorePaths, wanted: Mapping[str, Sequence[str]], damaged: Set[str]) -> None:
    """Make all lookups again.

    Args:
        paths: the store.
        wanted: the IDs of each key, newest first.
        damaged: IDs whose records cannot be read; they stay where they are listed.
    """
    due = {paths.key(key): (key, tuple(ids)) for key, ids in wanted.items()}
    with files.using("readdir", paths.lookup):
        present = os.listdir(paths.lookup)
    for name in present:
        path = f"{paths.lookup}/{name}"
        decoded = read(path)
        if decoded is not None:
            # What cannot be read may have the key still: asking for it then says so.
            key, holders = due.get(path, (decoded[0], ()))
            holders += tuple(other for other in decoded[1] if other in damaged)
            if holders:
                due[path] = (key, holders)
            if decoded == due.get(path):
                del due[path]
                continue
        if path not in due:
            files.remove(path)
    for path, (key, holders) in due.items():
        files.write(paths.tmp, path, encode(key, holders), sync=False)
