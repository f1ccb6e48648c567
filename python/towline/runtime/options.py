"""The options of a pull, in one immutable value."""

from __future__ import annotations

import os
from types import NoneType
from typing import TYPE_CHECKING

from towline.config.locations import Locations
from towline.errors import ConfigurationError
from towline.frozen import frozen
from towline.image.platform import Platform, parse_platform
from towline.registry.credentials import Credentials
from towline.rules import Rules
from towline.runtime.arguments import typed
from towline.timeouts import Timeouts

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Auth", "Options", "StrPath"]

StrPath = str | os.PathLike[str]
Auth = Credentials | tuple[str, str]


@frozen
class Options:
    """The options of a `towline.Runtime`; for None the default locations of podman are used.

    Options are values: they can be compared, copied and pickled.  A pickle contains the
    credentials and, in `locations`, the environment variables; the repr contains neither.

    Attributes:
        rules: the edition of the rules.
        registries_conf: a registries.conf instead of the default locations.
        policy: a policy.json instead of the default locations.
        authfile: an auth.json instead of the default locations.
        auth: credentials for every registry of the call, but not its mirrors; they override auth
            files.
        cert_dir: a directory of ``*.crt``, ``*.cert`` and ``*.key`` files instead of the default
            locations.
        tls_verify: True requires HTTPS with a trusted certificate.  False allows untrusted
            certificates and plain HTTP.  None applies the setting of registries.conf.
        platform: selects the instance of a manifest list, and a single image for another platform
            is refused; None: Linux on the host's processor, and other images give a warning.
        allow_other_platform: a single image for another platform than `platform` gives a warning.
        remove_signatures: signatures are neither read nor kept.
        verify_diff_ids: decompress every layer and compare its diff ID with the config.
        timeouts: the timeouts of requests to registries.
        locations: the directories in which configuration files are searched.
    """

    rules: Rules
    registries_conf: Path | None
    policy: Path | None
    authfile: Path | None
    auth: Credentials | None
    cert_dir: Path | None
    tls_verify: bool | None
    platform: Platform | None
    allow_other_platform: bool
    remove_signatures: bool
    verify_diff_ids: bool
    timeouts: Timeouts
    locations: Locations

    def __init__(
        self,
        *,
        rules: Rules | str = Rules.CURRENT,
        registries_conf: StrPath | None = None,
        policy: StrPath | None = None,
        authfile: StrPath | None = None,
        auth: Auth | None = None,
        cert_dir: StrPath | None = None,
        tls_verify: bool | None = None,
        platform: Platform | str | None = None,
        allow_other_platform: bool = False,
        remove_signatures: bool = False,
        verify_diff_ids: bool = False,
        timeouts: Timeouts | None = None,
        locations: Locations | None = None,
    ) -> None:
        """Options; the attributes have the meaning of the arguments.

        Args:
            rules: an edition, or its name: ``"current"`` or ``"libpod-1.3"``.
            registries_conf: a path.
            policy: a path.
            authfile: a path.
            auth: `Credentials`, or a user name and a password.
            cert_dir: a path.
            tls_verify: True, False or None.
            platform: a `Platform`, or ``"OS/ARCH"`` or ``"OS/ARCH/VARIANT"``.
            allow_other_platform: True or False.
            remove_signatures: True or False.
            verify_diff_ids: True or False.
            timeouts: None for the defaults.
            locations: None for those of this machine.

        Raises:
            ConfigurationError: ``option.platform``, ``option.rules``, ``option.no_path``.
            TypeError: an argument has another type.
        """
        values = {
            "rules": _rules(rules),
            "registries_conf": _path("registries_conf", registries_conf),
            "policy": _path("policy", policy),
            "authfile": _path("authfile", authfile),
            "auth": _credentials(auth),
            "cert_dir": _path("cert_dir", cert_dir),
            "tls_verify": typed("tls_verify", tls_verify, bool, NoneType),
            "platform": _platform(platform),
            "allow_other_platform": typed("allow_other_platform", allow_other_platform, bool),
            "remove_signatures": typed("remove_signatures", remove_signatures, bool),
            "verify_diff_ids": typed("verify_diff_ids", verify_diff_ids, bool),
            "timeouts": typed("timeouts", Timeouts() if timeouts is None else timeouts, Timeouts),
            "locations": typed(
                "locations", Locations() if locations is None else locations, Locations
            ),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        default = Options(locations=self.locations)
        changed = (
            f"{name}={getattr(self, name)!r}"
            for name in self.__match_args__
            if getattr(self, name) != getattr(default, name)
        )
        return f"Options({', '.join(changed)})"


def _rules(given: Rules | str) -> Rules:
    if not isinstance(given, str):
        return typed("rules", given, Rules, wanted="Rules or the name of an edition")
    try:
        return Rules.named(given)
    except KeyError:
        raise ConfigurationError("option.rules", text=given) from None


def _path(name: str, given: StrPath | None) -> Path | None:
    if given is None:
        return None
    typed(name, given, str, os.PathLike, wanted="a path")
    if not os.fspath(given):
        raise ConfigurationError("option.no_path", option=name)
    from pathlib import Path  # slow to import

    return Path(given)


def _credentials(given: object) -> Credentials | None:
    if given is None or isinstance(given, Credentials):
        return given
    # The message does not show the value, which contains a password.
    if isinstance(given, tuple) and len(given) == 2 and all(isinstance(it, str) for it in given):
        return Credentials(*given)
    raise TypeError("auth must be Credentials, or a tuple of a user name and a password")


def _platform(given: Platform | str | None) -> Platform | None:
    if isinstance(given, str):
        return parse_platform(given)
    typed("platform", given, Platform, NoneType, wanted="Platform or a text")
    return None if given is None else given.normalized()
