"""Where configuration files are: paths only, no file is opened.

A `Locations` says which environment, home and ``/etc`` count, so that a test never sees those of
the machine.  `towline.config.load` reads the files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from towline.rules import Rules

__all__ = ["Locations", "alias_cache_path", "auth_file_paths", "certificate_directories"]


@dataclass(frozen=True, slots=True)
class Locations:
    """Where this user's and this machine's configuration is.

    Attributes:
        environ: the environment variables that count.
        etc: the directory that stands for ``/etc``.
        run: the directory that stands for ``/run``.
        uid: who asks; 0 is not rootless.
        var: the directory that stands for ``/var``.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    etc: str = "/etc"
    run: str = "/run"
    uid: int = field(default_factory=os.getuid)
    var: str = "/var"

    @property
    def home(self) -> str:
        """The home directory, ``""`` where none is known: then no file of the user is read."""
        return self.environ.get("HOME", "")

    def system(self, name: str) -> str:
        """A file or directory of the machine's configuration of containers."""
        return os.path.join(self.etc, "containers", name)

    def user(self, name: str) -> str | None:
        """The same of the user's own, where there is a home."""
        return os.path.join(self.home, ".config", "containers", name) if self.home else None


def alias_cache_path(locations: Locations) -> str | None:
    """Where podman keeps the aliases that it learned; towline reads them and writes none."""
    name = os.path.join("containers", "short-name-aliases.conf")
    if locations.uid == 0:
        return os.path.join(locations.var, "cache", name)
    cache = locations.environ.get("XDG_CACHE_HOME", "")
    if not cache and locations.home:
        cache = os.path.join(locations.home, ".cache")
    return os.path.join(cache, name) if cache else None


def auth_file_paths(
    locations: Locations, rules: Rules, explicit: str | Path | None = None
) -> tuple[tuple[str, bool, bool], ...]:
    """The auth files in the order of asking: path, legacy form, must exist (AUTH-001)."""
    environ = locations.environ
    given = str(explicit) if explicit is not None else environ.get("REGISTRY_AUTH_FILE", "")
    if given and rules.authfile == "only":
        return ((given, False, True),)
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    paths = [given or _runtime_auth_file(locations, runtime)]
    if rules.authfile == "only":
        config = environ.get("XDG_CONFIG_HOME") or (
            os.path.join(locations.home, ".config") if locations.home else ""
        )
        if config:
            paths.append(os.path.join(config, "containers", "auth.json"))
        if docker := environ.get("DOCKER_CONFIG"):
            paths.append(os.path.join(docker, "config.json"))
    docker_is_elsewhere = rules.authfile == "only" and bool(environ.get("DOCKER_CONFIG"))
    if locations.home and not docker_is_elsewhere:
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


def certificate_directories(locations: Locations, rules: Rules, host: str) -> list[str]:
    """The directories of a host's certificates, in the order of looking (TLS-001)."""
    user = locations.user("certs.d") if rules.certs_home else None
    bases = [user] if user else []
    bases += [locations.system("certs.d"), os.path.join(locations.etc, "docker", "certs.d")]
    return [os.path.join(base, host) for base in bases]
