"""The three calls with which most people begin."""

from __future__ import annotations

import os

from towline.goal import PullGoal
from towline.runtime.options import Options
from towline.runtime.results import PullResult
from towline.runtime.runtime import Runtime
from towline.runtime.stores import existing_store, open_store

__all__ = ["open_store", "pull", "resolve"]


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
