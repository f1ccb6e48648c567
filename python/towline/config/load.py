"""Reads the configuration files; the only module of this package that opens files.

A file that exists but cannot be read or parsed is always an error.
"""

from __future__ import annotations

import os
from errno import EFBIG
from typing import TYPE_CHECKING

from towline.config.locations import Locations, alias_cache_path, certificate_directories
from towline.errors import PathError, path_errors, step

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from towline.config.auth_json import AuthFile
    from towline.config.registries import Registries
    from towline.errors import Warn
    from towline.registry.certificates import Certificates
    from towline.rules.config import ConfigRules

__all__ = [
    "find_certificates",
    "load_registries",
    "read_auth_file",
    "read_policy",
    "registries_conf_path",
]

_SIZE_MAX = 16 << 20  # bytes of a configuration file


# --- registries.conf ----------------------------------------------------------------------------


def registries_conf_path(
    locations: Locations, rules: ConfigRules, explicit: str | Path | None = None
) -> tuple[str, bool]:
    """The path of the main registries.conf, and whether it must exist (CONF-011).

    It must exist if an option or an environment variable names it.
    """
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
    rules: ConfigRules,
    explicit: str | Path | None = None,
    cache: dict[str, Registries] | None = None,
) -> Registries:
    """Read registries.conf, its drop-in files and the alias cache.

    Args:
        locations: of the configuration files.
        rules: which form of the file is read, and whether it is cached.
        explicit: a file to read instead of the usual ones.
        cache: used if the edition caches the configuration.

    Raises:
        PathError: a file that must exist is missing, or one cannot be read.
        ConfigurationError: ``registries_conf.*``.
    """
    path, required = registries_conf_path(locations, rules, explicit)
    if cache is not None and rules.registries_cached and path in cache:
        return cache[path]
    data = _read(path, required=required)
    if rules.registries_conf == "libpod-1.3":  # CONF-001
        registries = _parsed_2019(data, path)
    else:
        # CONF-012: the main file of the user also replaces the drop-ins of the system
        own = explicit is None and path == locations.user("registries.conf")
        registries = _merged(locations, data, path, system=not own)
    if cache is not None and rules.registries_cached:
        cache[path] = registries
    return registries


def _parsed_2019(data: bytes | None, path: str) -> Registries:
    from towline.config.registries import Registries
    from towline.config.registries_conf_2019 import parse

    return Registries() if data is None else parse(data, path)


def _merged(locations: Locations, data: bytes | None, path: str, *, system: bool) -> Registries:
    from towline.config.registries_conf import merge, parse, parse_alias_cache

    files = [] if data is None else [parse(data, path)]
    for drop_in in _drop_ins(locations, system=system):
        text = _read(drop_in, required=False)  # it may have been removed since
        if text is not None:
            files.append(parse(text, drop_in, drop_in=True))
    alias_cache = alias_cache_path(locations)
    text = None if alias_cache is None else _read(alias_cache, required=False)
    cached = None
    if alias_cache is not None and text is not None:
        cached = parse_alias_cache(text, alias_cache)
    return merge(files, cached)


def _drop_ins(locations: Locations, *, system: bool) -> Iterator[str]:
    """The drop-in files in order (CONF-012), with those of the system only if `system` is set."""
    name = "registries.conf.d"
    directories = [locations.system(name)] if system else []
    if user := locations.user(name):
        directories.append(user)
    for directory in directories:
        with path_errors("open", directory):
            try:
                names = sorted(os.listdir(directory))
            except (FileNotFoundError, NotADirectoryError):
                continue
        for file in names:
            path = os.path.join(directory, file)
            if file.endswith(".conf") and not os.path.isdir(path):
                yield path


# --- policy.json --------------------------------------------------------------------------------


def read_policy(
    locations: Locations, rules: ConfigRules, explicit: str | Path | None = None
) -> tuple[bytes, str] | None:
    """The text of policy.json and its path; None if there is no such file.

    Args:
        locations: of the configuration files.
        rules: whether the file of the user is used, and whether a file is required.
        explicit: a file to read instead of the usual ones; it must exist.

    Raises:
        PathError: a file that must exist is missing, or one cannot be read.
    """
    user = locations.user("policy.json") if rules.policy_home else None
    system = locations.system("policy.json")
    if explicit is not None:
        candidates = [(str(explicit), True)]
    else:
        candidates = [(user, False)] if user else []
        candidates.append((system, rules.missing_policy == "refuse"))
    for path, required in candidates:
        with step("reading-policy"):
            # A dangling link counts as a broken file, not as a missing one.
            data = _read(path, required=required or os.path.islink(path))
        if data is not None:
            return data, path
    return None


# --- auth files ---------------------------------------------------------------------------------


def read_auth_file(
    path: str, *, legacy: bool, required: bool, target_required: bool = False
) -> AuthFile | None:
    """Read an auth file; None if it does not exist and is not required.

    Args:
        path: of the file.
        legacy: it is a ``.dockercfg``.
        required: it must exist.
        target_required: the target of a link must exist.

    Raises:
        PathError: it cannot be read, or is required and does not exist.
        ConfigurationError: ``auth.not_json``.
    """
    with step("reading-auth-file", path=path):
        data = _read(path, required=required or (target_required and os.path.islink(path)))
        if data is None:
            return None
        from towline.config.auth_json import parse_auth_file

        return parse_auth_file(data, path, legacy=legacy)


# --- certs.d -----------------------------------------------------------------------------------


def find_certificates(
    locations: Locations,
    rules: ConfigRules,
    host: str,
    explicit: str | Path | None = None,
    warn: Warn | None = None,
) -> Certificates | None:
    """The certificates for ``host[:port]``, None if there is no directory for it.

    Only the first directory that exists is read.

    Args:
        locations: of the configuration files.
        rules: whether the directory of the user is used.
        host: as in image names.
        explicit: a directory to read instead.
        warn: called with each error that is only a warning; None: such an error is raised.

    Raises:
        ConfigurationError: ``certs.lacks_key``, ``certs.lacks_certificate``.
        PathError: `explicit`, or a directory that exists, cannot be read.
    """
    directories = (
        [str(explicit)] if explicit is not None else certificate_directories(locations, rules, host)
    )
    for directory in directories:
        with path_errors("open", directory):
            try:
                names = sorted(os.listdir(directory))
            except (FileNotFoundError, PermissionError):
                if explicit is not None:
                    raise
                continue  # TLS-002: also a directory without read permission is skipped
        from towline.config.certs_d import certificates_of

        usable = rules.certificates == "usable"  # TLS-008
        return certificates_of(directory, names, warn if usable else None)
    return None


# --- reading ------------------------------------------------------------------------------------


def _read(path: str, *, required: bool) -> bytes | None:
    with path_errors("open", path):
        try:
            with open(path, "rb", opener=_open_blocking) as file:
                data = file.read(_SIZE_MAX + 1)
        except (FileNotFoundError, NotADirectoryError):
            if required:
                raise
            return None
        except IsADirectoryError as error:
            raise PathError.of("read", path, error) from None
    if len(data) > _SIZE_MAX:
        raise PathError("path.unusable", operation="read", path=path, errno=EFBIG)
    return data


def _open_blocking(path: str, flags: int) -> int:
    # Shells pass FIFOs as files, so they are read.  Opening one without a writer must not block.
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    return descriptor
