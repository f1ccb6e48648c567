"""The three functions of the basic API: `open_store`, `pull` and `resolve`."""

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
        name: a short name, a full name, or ``transport:rest``.
        root: the directory of the store; None for the default.
        label: refuse images whose config does not have this label.
        options: all other options; None for the defaults.

    Raises:
        PullFailedError: no image was pulled.
        TowlineError: an error stopped the call before the first attempt or between two.
    """
    return Runtime(open_store(root), options).pull(name, label)


def resolve(
    name: str,
    root: str | os.PathLike[str] | None = None,
    *,
    options: Options | None = None,
) -> PullGoal:
    """Return the goal that `pull` would run.  No request is sent and no directory is made.

    Raises:
        TowlineError: the name, or a file that is read to resolve it, is invalid.
    """
    return Runtime(existing_store(root), options).resolve(name)
