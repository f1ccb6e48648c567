"""The three calls with which most people begin."""

from __future__ import annotations

import os
from pathlib import Path

from towline.errors import StoreError
from towline.goal import PullGoal
from towline.runtime.options import Options
from towline.runtime.results import PullResult
from towline.runtime.runtime import Runtime
from towline.store.absent import AbsentStore
from towline.store.layout import Durability, LayoutStore
from towline.store.layout import open_store as _open_store
from towline.store.protocol import Store

__all__ = ["default_root", "existing_store", "open_store", "pull", "resolve"]


def default_root() -> Path:
    """``$TOWLINE_ROOT``, else ``towline`` in the user's data directory."""
    if root := os.environ.get("TOWLINE_ROOT"):
        return Path(root)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    return Path(data) / "towline"


def open_store(
    root: str | os.PathLike[str] | None = None, *, durability: Durability = "process"
) -> LayoutStore:
    """The embedded store in a directory, made where there is none.

    Args:
        root: the directory; None for `default_root`.
        durability: what a stored image survives: with ``"process"`` the death of the process at
            any moment, with ``"power"`` a loss of power too, for which blobs are flushed as well.

    Raises:
        StoreError: the directory cannot be a store.
    """
    return _open_store(default_root() if root is None else root, durability=durability)


def existing_store(root: str | os.PathLike[str] | None = None) -> Store:
    """The store in a directory; where there is none, none is made, and it has no images.

    Raises:
        StoreError: the directory has a store that cannot be used.
    """
    path = default_root() if root is None else root
    try:
        return _open_store(path, create=False)
    except StoreError as error:
        if error.code != "store.missing":
            raise
        return AbsentStore(os.path.abspath(path))


def pull(
    name: str,
    root: str | os.PathLike[str] | None = None,
    *,
    label: str | None = None,
    options: Options | None = None,
) -> PullResult:
    """Pull an image into the embedded store.

    Args:
        name: a short name, a full one, or ``transport:rest``.
        root: the store's directory; None for the usual one.
        label: refuse images whose config has no such label.
        options: everything else.

    Raises:
        PullFailedError: nothing was pulled.
        TowlineError: whatever stopped the call before.
    """
    return Runtime(open_store(root), options).pull(name, label)


def resolve(
    name: str,
    root: str | os.PathLike[str] | None = None,
    *,
    options: Options | None = None,
) -> PullGoal:
    """What `pull` would try, in order; no registry is asked, and no directory is made.

    Raises:
        TowlineError: the name, or what must be read to understand it.
    """
    return Runtime(existing_store(root), options).resolve(name)
