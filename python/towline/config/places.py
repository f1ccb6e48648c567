"""Where configuration files are, and the reading of them: the only room here that does I/O.

A `Places` says which environment, home and ``/etc`` count, so that a test never sees those of the
machine.  A file that exists and cannot be read or understood is always an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from errno import EFBIG, EINVAL
from pathlib import Path

from towline.config import registries_conf, registries_conf_2019
from towline.config.auth_json import AuthFile, parse_auth_file
from towline.config.policy_json import ACCEPT_ANYTHING, Policy, parse_policy
from towline.config.registries import Registries
from towline.errors import PathUnusable, step
from towline.rules import Rules

__all__ = [
    "BUILT_IN",
    "Places",
    "RegistriesCache",
    "alias_cache_path",
    "auth_file_paths",
    "load_policy",
    "load_registries",
    "read_auth_file",
    "registries_conf_path",
]

_LARGEST = 16 << 20  # bytes of a configuration file
BUILT_IN = "built-in"  # the origin of a policy that no file gave


@dataclass(frozen=True, slots=True)
class Places:
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


@dataclass(slots=True)
class RegistriesCache:
    """What was read before, by path; it belongs to the caller, and holds no errors (CONF-009)."""

    read: dict[str, Registries] = field(default_factory=dict)


# --- registries.conf ----------------------------------------------------------------------------


def registries_conf_path(
    places: Places, rules: Rules, explicit: str | Path | None = None
) -> tuple[str, bool]:
    """The main registries.conf, and whether it was asked for, so that it must exist (CONF-011)."""
    if explicit is not None:
        return str(explicit), True
    for variable in rules.registries_conf_variables:
        if path := places.environ.get(variable, ""):
            return path, True
    user = places.user("registries.conf")
    if user and (places.uid != 0 or rules.registries_conf_home) and os.path.exists(user):
        return user, True
    return places.system("registries.conf"), False


def load_registries(
    places: Places,
    rules: Rules,
    explicit: str | Path | None = None,
    cache: RegistriesCache | None = None,
) -> Registries:
    """Read registries.conf and what belongs to it.

    Args:
        places: where files are looked for.
        rules: which form of the file is read, and whether it is read once only.
        explicit: a file to read instead of the usual ones.
        cache: where `rules` keep what was read.

    Raises:
        PathUnusable: a file that was asked for is missing, or one cannot be read.
        ConfigurationError: ``registries_conf.*``.
    """
    path, required = registries_conf_path(places, rules, explicit)
    if cache is not None and rules.registries_cached and path in cache.read:
        return cache.read[path]
    data = _read(path, required=required)
    if rules.registries_conf == "libpod-1.3":  # CONF-001
        registries = Registries() if data is None else registries_conf_2019.parse(data, path)
    else:
        files = [] if data is None else [registries_conf.parse(data, path)]
        # CONF-012: the user's own main file puts the machine's drop-ins out of effect as well
        own = explicit is None and path == places.user("registries.conf")
        for drop_in in _drop_ins(places, system=not own):
            text = _read(drop_in, required=False)  # gone since it was listed: not there
            if text is not None:
                files.append(registries_conf.parse(text, drop_in, drop_in=True))
        learned = alias_cache_path(places)
        text = None if learned is None else _read(learned, required=False)
        cached = None
        if learned is not None and text is not None:
            cached = registries_conf.parse_alias_cache(text, learned)
        registries = registries_conf.merge(files, cached)
    if cache is not None and rules.registries_cached:
        cache.read[path] = registries
    return registries


def alias_cache_path(places: Places) -> str | None:
    """Where podman keeps the aliases that it learned; towline reads them and writes none."""
    name = os.path.join("containers", "short-name-aliases.conf")
    if places.uid == 0:
        return os.path.join(places.var, "cache", name)
    cache = places.environ.get("XDG_CACHE_HOME", "")
    if not cache and places.home:
        cache = os.path.join(places.home, ".cache")
    return os.path.join(cache, name) if cache else None


def _drop_ins(places: Places, *, system: bool) -> Iterator[str]:
    """The drop-in files, first to last (CONF-012); the machine's only where `system` says so."""
    name = "registries.conf.d"
    directories = [places.system(name)] if system else []
    if user := places.user(name):
        directories.append(user)
    for directory in directories:
        try:
            names = sorted(os.listdir(directory))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as fault:
            raise _unusable("open", directory, fault) from None
        for file in names:
            path = os.path.join(directory, file)
            if file.endswith(".conf") and not os.path.isdir(path):
                yield path


# --- policy.json --------------------------------------------------------------------------------


def load_policy(
    places: Places, rules: Rules, explicit: str | Path | None = None
) -> tuple[Policy, str]:
    """The signature policy and where it comes from: a path, or `BUILT_IN`.

    Args:
        places: where files are looked for.
        rules: whether the user's own file counts, and what is done where there is none.
        explicit: a file to read instead of the usual ones; it must exist.

    Raises:
        PathUnusable: a file that was asked for is missing, one cannot be read, or there is none
            and `rules` want one.
        ConfigurationError: ``policy_json.*``.
    """
    user = places.user("policy.json") if rules.policy_home else None
    system = places.system("policy.json")
    if explicit is not None:
        wanted = [(str(explicit), True)]
    else:
        wanted = [(user, False)] if user else []
        wanted.append((system, rules.missing_policy == "refuse"))
    for path, required in wanted:
        with step("reading-policy"):
            # A link that leads nowhere is a file that exists and is broken.
            data = _read(path, required=required or os.path.islink(path))
        if data is not None:
            return parse_policy(data, path, rules), path
    return ACCEPT_ANYTHING, BUILT_IN  # POLICY-003


# --- auth files ---------------------------------------------------------------------------------


def auth_file_paths(
    places: Places, rules: Rules, explicit: str | Path | None = None
) -> tuple[tuple[str, bool, bool], ...]:
    """The auth files in the order of asking: path, legacy form, must exist (AUTH-001)."""
    environ = places.environ
    given = str(explicit) if explicit is not None else environ.get("REGISTRY_AUTH_FILE", "")
    if given and rules.authfile == "only":
        return ((given, False, True),)
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    paths = [given or _runtime_auth_file(places, runtime)]
    if rules.authfile == "only":
        config = environ.get("XDG_CONFIG_HOME") or (
            os.path.join(places.home, ".config") if places.home else ""
        )
        if config:
            paths.append(os.path.join(config, "containers", "auth.json"))
        if docker := environ.get("DOCKER_CONFIG"):
            paths.append(os.path.join(docker, "config.json"))
    docker_is_elsewhere = rules.authfile == "only" and bool(environ.get("DOCKER_CONFIG"))
    if places.home and not docker_is_elsewhere:
        paths.append(os.path.join(places.home, ".docker", "config.json"))
    legacy = [os.path.join(places.home, ".dockercfg")] if places.home else []
    return (
        *((path, False, False) for path in paths),
        *((path, True, False) for path in legacy),
    )


def _runtime_auth_file(places: Places, runtime: str) -> str:
    if runtime:
        return os.path.join(runtime, "containers", "auth.json")
    return os.path.join(places.run, "containers", str(places.uid), "auth.json")


def read_auth_file(path: str, *, legacy: bool, required: bool) -> AuthFile | None:
    """An auth file, None where there is none and none must be.

    Raises:
        PathUnusable: it cannot be read, or must exist and does not.
        ConfigurationError: ``auth.not_json``.
    """
    with step("reading-auth-file", path=path):
        data = _read(path, required=required)
        return None if data is None else parse_auth_file(data, path, legacy=legacy)


# --- reading ------------------------------------------------------------------------------------


def _read(path: str, *, required: bool) -> bytes | None:
    try:
        with open(path, "rb", opener=_opened) as file:
            data = file.read(_LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError) as fault:
        if required:
            raise _unusable("open", path, fault) from None
        return None
    except IsADirectoryError as fault:
        raise _unusable("read", path, fault) from None
    except OSError as fault:
        raise _unusable("open", path, fault) from None
    except ValueError:  # a path with a null character
        raise PathUnusable("path.unusable", operation="open", path=path, errno=EINVAL) from None
    if len(data) > _LARGEST:
        raise PathUnusable("path.unusable", operation="read", path=path, errno=EFBIG)
    return data


def _opened(path: str, flags: int) -> int:
    # A FIFO is read like a file, as shells make them; one that nobody writes is empty, and no trap.
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    return descriptor


def _unusable(operation: str, path: str, fault: OSError) -> PathUnusable:
    return PathUnusable("path.unusable", operation=operation, path=path, errno=fault.errno)
