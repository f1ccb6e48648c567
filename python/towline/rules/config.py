"""The rules for configuration files."""

from __future__ import annotations

from typing import Literal

from towline.frozen import frozen

__all__ = ["ConfigRules"]


@frozen
class ConfigRules:
    """The settings of one edition for configuration files.

    Attributes:
        registries_conf: the version of registries.conf whose keys are read (CONF-001).
        registries_conf_variables: the environment variables that name another registries.conf, in
            order (CONF-011).
        registries_conf_home: read registries.conf in the home directory of root too (CONF-011).
        mirrors: registries.conf can block a registry, relocate it and list mirrors (CONF-040 to
            CONF-045).
        broken_auth: an auth file or helper that cannot be used ends the pull, or gives a warning
            (AUTH-015).
        plain_passwords: an entry of an auth file may have ``username`` and ``password``
            (AUTH-005).
        credentials_store: an auth file may name one helper for all hosts (AUTH-013).
        registries_cached: registries.conf is read once per process (CONF-009).
        missing_policy: without a policy.json, refuse, or use the built-in policy, which accepts
            (POLICY-003).
        policy_home: read policy.json in the home directory too (POLICY-002).
        authfile: read a given auth file before the default ones, or as the only one, which must
            exist (AUTH-001).
        auth_keys: the keys of auth files are hosts, or also namespaces and repositories
            (AUTH-003).
        certificates: require that every file in a directory of certs.d can be used, or use those
            that can be (TLS-008).
        certs_home: read certs.d in the home directory too (TLS-001).
    """

    registries_conf: Literal["libpod-1.3", "current"]
    registries_conf_variables: tuple[str, ...]
    registries_conf_home: bool
    mirrors: bool
    broken_auth: Literal["refuse", "warn"]
    plain_passwords: bool
    credentials_store: bool
    registries_cached: bool
    missing_policy: Literal["refuse", "accept"]
    policy_home: bool
    authfile: Literal["first", "only"]
    auth_keys: Literal["host", "namespaces"]
    certificates: Literal["all", "usable"]
    certs_home: bool
