"""The version of a store's own format.

1 recorded only which manifests an image has; 2 records by which of them each name was pulled.
"""

from __future__ import annotations

import json
from typing import Any

from towline.errors import StoreError
from towline.store.layout import files
from towline.store.layout.paths import StorePaths

__all__ = ["FIRST", "VERSION", "read_version", "unrepaired", "write_version"]

FIRST = 1
VERSION = 2
_UNREPAIRED = "unrepaired"  # records of version 1 may be left that do not say what names are of


def read_version(paths: StorePaths) -> int | None:
    """The version of a store, None where there is no store.

    Raises:
        StoreError: ``store.newer``: it is none that this towline knows.
    """
    document = _read(paths)
    if document is None:
        return None
    version = document.get("version")
    if not isinstance(version, int) or isinstance(version, bool):
        version = None  # what is no number is not repeated
    if version not in (FIRST, VERSION):
        raise StoreError("store.newer", path=paths.root, version=version, known=VERSION)
    return version


def unrepaired(paths: StorePaths) -> bool:
    """Whether records of version 1 were not looked at yet since the store got version 2."""
    document = _read(paths) or {}
    return document.get("version") == FIRST or document.get(_UNREPAIRED) is True


def write_version(paths: StorePaths, *, repaired: bool = True) -> None:
    """Say that a store has the newest version."""
    document = {"version": VERSION} | ({} if repaired else {_UNREPAIRED: True})
    files.write(paths.tmp, paths.version, json.dumps(document).encode(), sync=True)


def _read(paths: StorePaths) -> dict[str, Any] | None:
    data = files.read(paths.version)
    if data is None:
        return None
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
