"""The version of the store's format.

Records of version 1 have the manifests and names of an image; those of version 2 also have the
manifest of each name.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from towline.errors import StoreError
from towline.store.layout import files

if TYPE_CHECKING:
    from towline.store.layout.paths import StorePaths

__all__ = ["FIRST", "VERSION", "read_version", "unrepaired", "write_version"]

FIRST = 1
VERSION = 2
_UNREPAIRED = "unrepaired"  # there may be undecided records of version 1


def read_version(paths: StorePaths) -> int | None:
    """Return the version of a store; None if there is no store.

    Raises:
        StoreError: ``store.newer``: this towline does not support the version.
    """
    document = _read(paths)
    if document is None:
        return None
    version = document.get("version")
    if not isinstance(version, int) or isinstance(version, bool):
        version = None  # a value of another type is not quoted in the message
    if version not in (FIRST, VERSION):
        raise StoreError("store.newer", path=paths.root, version=version, known=VERSION)
    return version


def unrepaired(paths: StorePaths) -> bool:
    """Whether the records of version 1 are not repaired yet."""
    document = _read(paths) or {}
    return document.get("version") == FIRST or document.get(_UNREPAIRED) is True


def write_version(paths: StorePaths, *, repaired: bool = True) -> None:
    """Write the newest version to a store."""
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
