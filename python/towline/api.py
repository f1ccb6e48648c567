"""The three functions of the basic API: `open_store`, `pull` and `resolve`."""

from __future__ import annotations

import os
from collections.abc import Callable

from towline.cancel import CancelToken
from towline.events import Event
from towline.goal import PullGoal
from towline.progress import BlobProgress
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
    cancel: CancelToken | None = None,
    on_progress: Callable[[BlobProgress], None] | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> PullResult:
    """Pull an image into the embedded store.

    Args:
        name: a short name, a full name, or ``transport:rest``.
        root: the directory of the store; None for the default.
        label: refuse images whose config does not have this label.
        options: all other options; None for the defaults.
        cancel: ends this pull.
        on_progress: called with the state of each blob, from any thread, one call at a time.
        on_event: called with each event, after it happened.

    Raises:
        PullFailedError: no image was pulled.
        PullCancelledError: `cancel` was cancelled.
        TowlineError: an error stopped the call before the first attempt or between two.
    """
    runtime = Runtime(open_store(root), options)
    return runtime.pull(name, label, cancel=cancel, on_progress=on_progress, on_event=on_event)


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
