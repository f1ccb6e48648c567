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
from towline.config.certs_d import HostCertificates, certificates_of
from towline.config.locations import Locations, alias_cache_path, certificate_directories
from towline.config.registries import Registries
from towline.errors import PathError, step
from towline.rules import Rules

__all__ = [
    "RegistriesCache",
    "find_certificates",
    "load_registries",
    "read_auth_file",
    "read_policy",
    "registries_conf_path",
]

_LARGEST = 16 << 20  # bytes of a configuration file


@dataclass(slots=True)
class RegistriesCache:
    """What was read before, by path; it belongs to the caller, and holds no errors (CONF-009)."""

    read: dict[str, Registries] = field(default_factory=dict)


# --- registries.conf ----------------------------------------------------------------------------


def registries_conf_path(
    locations: Locations, rules: Rules, explicit: str | Path | None = None
) -> tuple[str, bool]:
    """The main registries.conf, and whether it was asked for, so that it must exist (CONF-011)."""
    if explicit is not None:
        return str(explicit), True
    for variable in rules.registries_conf_variables:
        if path := locations.environ.get(variable, ""):
            return path, True
    user = locations.user("registries.conf")
    if user and (locations.uid != 0 or rules.registries_conf_home) and os.path.exists(user):
        return user, True
    return locations.system("registries.conf"), False


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


def read_policy(
    locations: Locations, rules: Rules, explicit: str | Path | None = None
) -> tuple[bytes, str] | None:
    """The text of policy.json and its path; None if there is no such file.

    Args:
        locations: where files are looked for.
        rules: whether the user's own file counts, and what is done where there is none.
        explicit: a file to read instead of the usual ones; it must exist.

    Raises:
        PathError: a file that was asked for is missing, one cannot be read, or there is none
            and `rules` want one.
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
            return data, path
    return None


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


# --- certs.d -----------------------------------------------------------------------------------


def find_certificates(
    locations: Locations, rules: Rules, host: str, explicit: str | Path | None = None
) -> HostCertificates | None:
    """The certificates for ``host[:port]``, None where no directory is named after it.

    Args:
        locations: where directories are looked for; the first that exists is the only one read.
        rules: whether the user's own directory counts.
        host: as it stands in image names.
        explicit: a directory to read instead.

    Raises:
        ConfigurationError: ``certs.lacks_key``, ``certs.lacks_certificate``.
        PathError: a directory that was given, or that exists, cannot be read.
    """
    directories = (
        [str(explicit)] if explicit is not None else certificate_directories(locations, rules, host)
    )
    for directory in directories:
        try:
            names = sorted(os.listdir(directory))
        except FileNotFoundError as fault:
            if explicit is not None:
                raise _unusable("open", directory, fault) from None
            continue
        except PermissionError as fault:
            if explicit is not None:
                raise _unusable("open", directory, fault) from None
            continue  # TLS-002: what we may not read is not meant for us
        except OSError as fault:
            raise _unusable("open", directory, fault) from None
        return certificates_of(directory, names)
    return None


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
