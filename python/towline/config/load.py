"""Reading of configuration files: the only module of this package that opens files.

A file that exists and cannot be read or parsed is always an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from errno import EFBIG, EINVAL
from pathlib import Path

from towline.config import registries_conf, registries_conf_2019
from towline.config.auth_json import AuthFile, parse_auth_file
from towline.config.locations import Locations, alias_cache_path, registries_conf_path
from towline.config.registries import Registries
from towline.errors import PathError, step
from towline.rules import Rules
from towline.trust.policy_json import ACCEPT_ANYTHING, Policy, parse_policy

__all__ = ["BUILT_IN", "RegistriesCache", "load_policy", "load_registries", "read_auth_file"]

_LARGEST = 16 << 20  # bytes of a configuration file
BUILT_IN = "built-in"  # the origin of a policy that no file gave


@dataclass(slots=True)
class RegistriesCache:
    """What was read before, by path; it belongs to the caller, and holds no errors (CONF-009)."""

    read: dict[str, Registries] = field(default_factory=dict)


# --- registries.conf ----------------------------------------------------------------------------


def load_registries(
    locations: Locations,
    rules: Rules,
    explicit: str | Path | None = None,
    cache: RegistriesCache | None = None,
) -> Registries:
    """Read registries.conf and what belongs to it.

    Args:
        locations: where files are looked for.
        rules: which form of the file is read, and whether it is read once only.
        explicit: a file to read instead of the usual ones.
        cache: where `rules` keep what was read.

    Raises:
        PathError: a file that was asked for is missing, or one cannot be read.
        ConfigurationError: ``registries_conf.*``.
    """
    path, required = registries_conf_path(locations, rules, explicit)
    if cache is not None and rules.registries_cached and path in cache.read:
        return cache.read[path]
    data = _read(path, required=required)
    if rules.registries_conf == "libpod-1.3":  # CONF-001
        registries = Registries() if data is None else registries_conf_2019.parse(data, path)
    else:
        files = [] if data is None else [registries_conf.parse(data, path)]
        # CONF-012: the user's own main file puts the machine's drop-ins out of effect as well
        own = explicit is None and path == locations.user("registries.conf")
        for drop_in in _drop_ins(locations, system=not own):
            text = _read(drop_in, required=False)  # gone since it was listed: not there
            if text is not None:
                files.append(registries_conf.parse(text, drop_in, drop_in=True))
        learned = alias_cache_path(locations)
        text = None if learned is None else _read(learned, required=False)
        cached = None
        if learned is not None and text is not None:
            cached = registries_conf.parse_alias_cache(text, learned)
        registries = registries_conf.merge(files, cached)
    if cache is not None and rules.registries_cached:
        cache.read[path] = registries
    return registries


def _drop_ins(locations: Locations, *, system: bool) -> Iterator[str]:
    """The drop-in files, first to last (CONF-012); the machine's only where `system` says so."""
    name = "registries.conf.d"
    directories = [locations.system(name)] if system else []
    if user := locations.user(name):
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
    locations: Locations, rules: Rules, explicit: str | Path | None = None
) -> tuple[Policy, str]:
    """The signature policy and where it comes from: a path, or `BUILT_IN`.

    Args:
        locations: where files are looked for.
        rules: whether the user's own file counts, and what is done where there is none.
        explicit: a file to read instead of the usual ones; it must exist.

    Raises:
        PathError: a file that was asked for is missing, one cannot be read, or there is none
            and `rules` want one.
        ConfigurationError: ``policy_json.*``.
    """
    user = locations.user("policy.json") if rules.policy_home else None
    system = locations.system("policy.json")
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


def read_auth_file(path: str, *, legacy: bool, required: bool) -> AuthFile | None:
    """An auth file, None where there is none and none must be.

    Raises:
        PathError: it cannot be read, or must exist and does not.
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
        raise PathError("path.unusable", operation="open", path=path, errno=EINVAL) from None
    if len(data) > _LARGEST:
        raise PathError("path.unusable", operation="read", path=path, errno=EFBIG)
    return data


def _opened(path: str, flags: int) -> int:
    # A FIFO is read like a file, as shells make them; one that nobody writes is empty, and no trap.
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    return descriptor


def _unusable(operation: str, path: str, fault: OSError) -> PathError:
    return PathError("path.unusable", operation=operation, path=path, errno=fault.errno)
