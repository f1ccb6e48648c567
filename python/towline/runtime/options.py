"""The options of a pull, in one frozen dataclass."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path

from towline.config.locations import Locations
from towline.image.platform import Platform
from towline.registry.credentials import Credentials
from towline.rules import Rules
from towline.timeouts import Timeouts

__all__ = ["Options"]


@dataclass(frozen=True, slots=True, repr=False)
class Options:
    """The options of a `towline.Runtime`; for None the default locations of podman are used.

    Options are values: they can be compared, copied and pickled.  A pickle contains the
    credentials and, in `locations`, the environment variables; the repr contains neither.

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

    def __repr__(self) -> str:
        default = Options(locations=self.locations)
        changed = (
            f"{field.name}={getattr(self, field.name)!r}"
            for field in fields(self)
            if getattr(self, field.name) != getattr(default, field.name)
        )
        return f"Options({', '.join(changed)})"
