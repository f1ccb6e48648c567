"""certs.d: the certificates of one registry, in a directory named after it.

TLS-001 to TLS-004.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from towline.config.locations import Locations
from towline.errors import ConfigurationError, PathError
from towline.rules import Rules

__all__ = ["HostCertificates", "find_certificates"]


@dataclass(frozen=True, slots=True)
class HostCertificates:
    """What a directory has for a host.

    Attributes:
        authorities: ``*.crt``: trusted beside the system's.
        pairs: ``NAME.cert`` with ``NAME.key``: how we say who we are.
    """

    authorities: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()


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
    directories = [str(explicit)] if explicit is not None else _directories(locations, rules, host)
    for directory in directories:
        try:
            names = sorted(os.listdir(directory))
        except FileNotFoundError as fault:
            if explicit is not None:
                raise _unusable(directory, fault) from None
            continue
        except PermissionError as fault:
            if explicit is not None:
                raise _unusable(directory, fault) from None
            continue  # TLS-002: what we may not read is not meant for us
        except OSError as fault:
            raise _unusable(directory, fault) from None
        return _read(directory, names)
    return None


def _directories(locations: Locations, rules: Rules, host: str) -> list[str]:
    user = locations.user("certs.d") if rules.certs_home else None
    bases = [user] if user else []
    bases += [locations.system("certs.d"), os.path.join(locations.etc, "docker", "certs.d")]
    return [os.path.join(base, host) for base in bases]


def _read(directory: str, names: Sequence[str]) -> HostCertificates:
    authorities, pairs = [], []
    for name in names:
        stem, suffix = os.path.splitext(name)
        path = os.path.join(directory, name)
        if suffix == ".crt":
            authorities.append(path)
        elif suffix == ".cert":
            if f"{stem}.key" not in names:
                raise ConfigurationError("certs.lacks_key", path=path, key=f"{stem}.key")
            pairs.append((path, os.path.join(directory, f"{stem}.key")))
        elif suffix == ".key" and f"{stem}.cert" not in names:
            raise ConfigurationError(
                "certs.lacks_certificate", path=path, certificate=f"{stem}.cert"
            )
    return HostCertificates(tuple(authorities), tuple(pairs))


def _unusable(directory: str, fault: OSError) -> PathError:
    return PathError("path.unusable", operation="open", path=directory, errno=fault.errno)
