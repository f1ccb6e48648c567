"""The options of a pull, in one frozen dataclass."""

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
    """The options of a `towline.Runtime`; for None the default locations of podman are used.

    Attributes:
        rules: the edition of the rules.
        registries_conf: a registries.conf instead of the default locations.
        policy: a policy.json instead of the default locations.
        authfile: an auth.json instead of the default locations.
        credentials: for every registry of the call, but not its mirrors; they override auth files.
        cert_dir: a directory of ``*.crt``, ``*.cert`` and ``*.key`` files instead of the default
            locations.
        tls_verify: True requires HTTPS with a trusted certificate.  False allows untrusted
            certificates and plain HTTP.  None applies the setting of registries.conf.
        platform: selects the instance of a manifest list; None: Linux on the host's processor.
        remove_signatures: signatures are neither read nor kept.
        verify_diff_ids: decompress every layer and compare its diff ID with the config.
        timeouts: the timeouts of requests to registries.
        locations: the directories in which configuration files are searched.
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
