"""All that a caller can choose, in one frozen record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from towline.cancel import CancelToken
from towline.config.auth_json import Credentials
from towline.config.locations import Locations
from towline.events import Event
from towline.image.platform import Platform
from towline.progress import BlobProgress
from towline.rules import Rules
from towline.timeouts import Timeouts

__all__ = ["Options"]


@dataclass(frozen=True, slots=True)
class Options:
    """The choices of a `towline.Runtime`; what is None is looked up where podman would.

    Attributes:
        rules: the edition of the surrounding conventions.
        registries_conf: a registries.conf instead of the usual locations.
        policy: a policy.json instead of the usual locations.
        authfile: an auth.json instead of the usual locations.
        credentials: for every registry of the call; they win over auth files.
        cert_dir: ``*.crt``, ``*.cert`` and ``*.key`` instead of the usual locations.
        tls_verify: True: HTTPS with a trusted certificate only.  False: anything goes.  None:
            what registries.conf says of the registry.
        platform: which instance of a list is taken; None: Linux on this machine's processor.
        remove_signatures: signatures are neither read nor kept.
        verify_diff_ids: decompress every layer and check it against the config.
        timeouts: how long registries are waited for.
        locations: where configuration files are looked for.
        cancel: stops every pull that uses these options.
        on_event: called with each event, after it happened.
        on_progress: called with the state of each blob, from any thread, one call at a time.
    """

    rules: Rules = Rules.CURRENT
    registries_conf: Path | None = None
    policy: Path | None = None
    authfile: Path | None = None
    credentials: Credentials | None = None
    cert_dir: Path | None = None
    tls_verify: bool | None = None
    platform: Platform | None = None
    remove_signatures: bool = False
    verify_diff_ids: bool = False
    timeouts: Timeouts = field(default_factory=Timeouts)
    locations: Locations = field(default_factory=Locations)
    cancel: CancelToken = field(default_factory=CancelToken)
    on_event: Callable[[Event], None] | None = None
    on_progress: Callable[[BlobProgress], None] | None = None
