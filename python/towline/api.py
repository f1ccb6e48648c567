"""The functions of the basic API: `pull`, `pull_async` and `resolve`."""

from __future__ import annotations

from types import NoneType
from typing import TYPE_CHECKING, Any

from towline.frozen import replace
from towline.runtime.arguments import typed
from towline.runtime.options import Auth, Options, StrPath
from towline.runtime.runtime import Runtime
from towline.runtime.stores import existing_store, open_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from towline.cancel import CancelToken
    from towline.events import Event
    from towline.goal import PullGoal
    from towline.image.platform import Platform
    from towline.progress import BlobProgress
    from towline.runtime.results import PullResult

__all__ = ["pull", "pull_async", "resolve"]


def pull(
    name: str,
    root: StrPath | None = None,
    *,
    label: str | None = None,
    platform: Platform | str | None = None,
    auth: Auth | None = None,
    authfile: StrPath | None = None,
    tls_verify: bool | None = None,
    cert_dir: StrPath | None = None,
    registries_conf: StrPath | None = None,
    policy: StrPath | None = None,
    verify_diff_ids: bool | None = None,
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
        platform: selects the image of a multi-platform image, such as ``"linux/arm64"``.
        auth: a user name and a password for the registry, or `Credentials`.
        authfile: an auth.json instead of the default locations.
        tls_verify: True requires trusted HTTPS; False allows untrusted certificates and plain HTTP.
        cert_dir: a directory of certificates for the registry.
        registries_conf: a registries.conf instead of the default locations.
        policy: a policy.json instead of the default locations.
        verify_diff_ids: decompress every layer and compare its diff ID with the config.
        options: the options that are not given above; None for the defaults.
        cancel: ends this pull.
        on_progress: called with the state of each blob, from any thread, one call at a time.
        on_event: called with each event, after it happened.

    Raises:
        PullFailedError: no image was pulled; `PullFailedError.errors` has the reason of each pair
            that was tried, and is empty if there was none to try.
        PullCancelledError: `cancel` was cancelled.
        TowlineError: an error stopped the call before the first attempt or between two.
        TypeError: an argument has another type.
    """
    merged = _merged(
        options,
        platform=platform,
        auth=auth,
        authfile=authfile,
        tls_verify=tls_verify,
        cert_dir=cert_dir,
        registries_conf=registries_conf,
        policy=policy,
        verify_diff_ids=verify_diff_ids,
    )
    runtime = Runtime(open_store(root), merged)
    return runtime.pull(name, label, cancel=cancel, on_progress=on_progress, on_event=on_event)


async def pull_async(
    name: str,
    root: StrPath | None = None,
    *,
    label: str | None = None,
    platform: Platform | str | None = None,
    auth: Auth | None = None,
    authfile: StrPath | None = None,
    tls_verify: bool | None = None,
    cert_dir: StrPath | None = None,
    registries_conf: StrPath | None = None,
    policy: StrPath | None = None,
    verify_diff_ids: bool | None = None,
    options: Options | None = None,
    cancel: CancelToken | None = None,
    on_progress: Callable[[BlobProgress], None] | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> PullResult:
    """Pull an image into the embedded store, in a thread; cancelling the task ends the pull.

    The arguments, the result and the errors are those of `pull`.
    """
    merged = _merged(
        options,
        platform=platform,
        auth=auth,
        authfile=authfile,
        tls_verify=tls_verify,
        cert_dir=cert_dir,
        registries_conf=registries_conf,
        policy=policy,
        verify_diff_ids=verify_diff_ids,
    )
    runtime = Runtime(open_store(root), merged)
    return await runtime.pull_async(
        name, label, cancel=cancel, on_progress=on_progress, on_event=on_event
    )


def resolve(
    name: str,
    root: StrPath | None = None,
    *,
    registries_conf: StrPath | None = None,
    platform: Platform | str | None = None,
    options: Options | None = None,
) -> PullGoal:
    """Return the goal that `pull` would run.  No request is sent and no directory is made.

    Args:
        name: as for `pull`.
        root: as for `pull`.
        registries_conf: as for `pull`.
        platform: as for `pull`.
        options: as for `pull`.

    Raises:
        TowlineError: the name, or a file that is read to resolve it, is invalid.
    """
    merged = _merged(options, registries_conf=registries_conf, platform=platform)
    return Runtime(existing_store(root), merged).resolve(name)


def _merged(options: Options | None, **given: Any) -> Options:
    """The options, with the arguments that are not None."""
    changes = {name: value for name, value in given.items() if value is not None}
    typed("options", options, Options, NoneType)
    if options is None:
        return Options(**changes)
    return replace(options, **changes) if changes else options
