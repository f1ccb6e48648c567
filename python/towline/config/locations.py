"""The paths of the configuration files; `towline.config.load` reads the files.

A `Locations` has the environment variables and directories to use, so that tests can replace those
of the machine.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from towline.frozen import field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from towline.rules.config import ConfigRules

__all__ = ["Locations", "alias_cache_path", "auth_file_paths", "certificate_directories"]


@frozen
class Locations:
    """The locations of the configuration of the user and of the system.

    Attributes:
        environ: the environment variables.
        etc: the directory to use as ``/etc``.
        run: the directory to use as ``/run``.
        uid: of the user; 0 is not rootless.
        var: the directory to use as ``/var``.
    """

    environ: Mapping[str, str] = field(
        default_factory=lambda: dict(os.environ), repr=False, hash=False
    )
    etc: str = "/etc"
    run: str = "/run"
    uid: int = field(default_factory=os.getuid)
    var: str = "/var"

    @property
    def home(self) -> str:
        """The home directory, ``""`` if unknown: then no files of the user are read."""
        return self.environ.get("HOME", "")

    def system(self, name: str) -> str:
        """The path of a file or directory in the system's configuration of containers."""
        return os.path.join(self.etc, "containers", name)

    def user(self, name: str) -> str | None:
        """The path of the same in the user's configuration, None without a home directory."""
        return os.path.join(self.home, ".config", "containers", name) if self.home else None


def alias_cache_path(locations: Locations) -> str | None:
    """The file in which podman records short-name aliases; towline only reads it."""
    name = os.path.join("containers", "short-name-aliases.conf")
    if locations.uid == 0:
        return os.path.join(locations.var, "cache", name)
    cache = locations.environ.get("XDG_CACHE_HOME", "")
    if not cache and locations.home:
        cache = os.path.join(locations.home, ".cache")
    return os.path.join(cache, name) if cache else None


def auth_file_paths(
    locations: Locations, rules: ConfigRules, explicit: str | Path | None = None
) -> tuple[tuple[str, bool, bool], ...]:
    """The auth files in order: path, whether legacy form, whether it must exist (AUTH-001)."""
    environ = locations.environ
    named = str(explicit) if explicit is not None else environ.get("REGISTRY_AUTH_FILE", "")
    if named and rules.authfile == "only":
        return ((named, False, True),)
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    paths = [named or _runtime_auth_file(locations, runtime)]
    if rules.authfile == "only":
        config = environ.get("XDG_CONFIG_HOME") or (
            os.path.join(locations.home, ".config") if locations.home else ""
        )
        if config:
            paths.append(os.path.join(config, "containers", "auth.json"))
        if docker := environ.get("DOCKER_CONFIG"):
            paths.append(os.path.join(docker, "config.json"))
    replaced = rules.authfile == "only" and bool(environ.get("DOCKER_CONFIG"))
    if locations.home and not replaced:
        paths.append(os.path.join(locations.home, ".docker", "config.json"))
    legacy = [os.path.join(locations.home, ".dockercfg")] if locations.home else []
    return (
        *((path, False, False) for path in paths),
        *((path, True, False) for path in legacy),
    )


def _runtime_auth_file(locations: Locations, runtime: str) -> str:
    if runtime:
        return os.path.join(runtime, "containers", "auth.json")
    return os.path.join(locations.run, "containers", str(locations.uid), "auth.json")


def certificate_directories(locations: Locations, rules: ConfigRules, host: str) -> list[str]:
    """The possible directories of a host's certificates, in order (TLS-001)."""
    user = locations.user("certs.d") if rules.certs_home else None
    bases = [user] if user else []
    bases += [locations.system("certs.d"), os.path.join(locations.etc, "docker", "certs.d")]
    return [os.path.join(base, host) for base in bases]
