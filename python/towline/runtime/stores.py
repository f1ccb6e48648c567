"""Opens stores, and determines the default root."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from towline.errors import ConfigurationError, StoreError
from towline.runtime.arguments import typed

if TYPE_CHECKING:
    from pathlib import Path

    from towline.runtime.options import StrPath
    from towline.store.layout.store import Durability, LayoutStore
    from towline.store.protocol import ImageStore

__all__ = ["default_root", "existing_store", "open_store"]


def default_root() -> Path:
    """Return ``$TOWLINE_ROOT``, else ``towline`` in the user's data directory.

    Raises:
        ConfigurationError: ``option.no_home``: neither the environment nor the user database has
            an absolute path.
    """
    from pathlib import Path  # slow to import

    if root := os.environ.get("TOWLINE_ROOT"):
        return Path(root)
    # A relative path would be another store in each directory; the XDG specification ignores it.
    if os.path.isabs(data := os.environ.get("XDG_DATA_HOME", "")):
        return Path(data, "towline")
    home = os.environ.get("HOME", os.path.expanduser("~"))  # "~" if the user is unknown
    if not os.path.isabs(home):
        raise ConfigurationError("option.no_home")
    return Path(home, ".local/share/towline")


def open_store(
    root: StrPath | None = None,
    *,
    create: bool = True,
    durability: Durability = "process",
) -> LayoutStore:
    """Open the embedded store in a directory; it is created if there is none.

    Args:
        root: the directory; None for `default_root`.
        create: create the store if there is none.
        durability: stored images survive a kill of the process with ``"process"``, and also a loss
            of power with ``"power"``, which flushes every blob to the disk.

    Raises:
        StoreError: the directory cannot be used as a store.
        ConfigurationError: ``option.no_path``: `root` is an empty text; ``option.no_home``.
    """
    from towline.store.layout.store import open_store as open_layout

    path = _root(root)
    return open_layout(path, create=create, durability=durability)


def existing_store(root: StrPath | None = None) -> ImageStore:
    """Open the store in a directory without creating it; a missing store has no images.

    Raises:
        StoreError: there is a store that cannot be used.
    """
    path = _root(root)
    if os.path.lexists(path):
        try:
            return open_store(path, create=False)
        except StoreError as error:
            if error.code != "store.missing":
                raise
    from towline.store.absent import AbsentStore

    return AbsentStore(os.path.abspath(path))


def _root(root: StrPath | None) -> StrPath:
    if root is None:
        return default_root()
    typed("root", root, str, os.PathLike, wanted="a path")
    if not os.fspath(root):  # as an unset variable; it is not the present directory
        raise ConfigurationError("option.no_path", option="root")
    return root
