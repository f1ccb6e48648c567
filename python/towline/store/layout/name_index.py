"""The name index: one lookup file per name or digest, with the IDs of its images.

It avoids that every record has to be read.

A lookup file lists the IDs of records that may have the key, newest first; the records are
authoritative.  A change writes lookup files with old and new IDs *before* it changes the records,
so that a reader finds the old or the new record at any moment.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from towline.errors import PathError, path_errors
from towline.store.layout import files
from towline.store.layout.paths import StorePaths, is_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

__all__ = ["decode", "encode", "ids", "read", "rebuild"]


def encode(key: str, image_ids: tuple[str, ...]) -> bytes:
    """Return the content of a lookup file."""
    return json.dumps({"key": key, "ids": image_ids}).encode()


def decode(data: bytes) -> tuple[str, tuple[str, ...]] | None:
    """Return the key and the IDs of a lookup file; None if it is damaged, as by a loss of power."""
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
    """Return the IDs that may have the key, newest first; None if the lookup file is damaged."""
    path = paths.key(key)
    decoded = read(path)
    if decoded is None and not files.exists(path):
        return ()
    if decoded is None or decoded[0] != key:
        return None
    return decoded[1]


def read(path: str) -> tuple[str, tuple[str, ...]] | None:
    """Read the key and the IDs of a lookup file; None if it is missing or damaged."""
    try:
        return decode(files.read(path) or b"")
    except PathError:
        return None


def rebuild(paths: StorePaths, wanted: Mapping[str, Sequence[str]], damaged: Set[str]) -> None:
    """Rewrite all lookup files.

    Args:
        paths: the paths of the store.
        wanted: the IDs of each key, newest first.
        damaged: IDs of damaged records; lookup files that list them still do so afterwards.
    """
    due = {paths.key(key): (key, tuple(ids)) for key, ids in wanted.items()}
    with path_errors("readdir", paths.lookup):
        present = os.listdir(paths.lookup)
    for name in present:
        path = f"{paths.lookup}/{name}"
        decoded = read(path)
        if decoded is not None:
            # A damaged record may have the key; a lookup must then raise its error.
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
