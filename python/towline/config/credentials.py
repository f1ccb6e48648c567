"""Finds the credentials for a registry in auth files and credential helpers, in order.

(AUTH-001, AUTH-002, AUTH-010 to AUTH-015)
"""

from __future__ import annotations

from errno import ENOENT, ENOTDIR
from typing import TYPE_CHECKING, Any, Literal

from towline.config.load import read_auth_file
from towline.config.locations import Locations, auth_file_paths
from towline.errors import (
    ConfigurationError,
    PathError,
    PullCancelledError,
    TowlineError,
    raise_or_warn,
    step,
)
from towline.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from towline.cancel import CancelToken
    from towline.config.auth_json import AuthFile
    from towline.errors import Warn
    from towline.registry.credentials import Credentials
    from towline.rules.config import ConfigRules

__all__ = ["AUTH_FILES", "AuthLookup", "explain_credentials", "find_credentials"]

AUTH_FILES = "containers-auth.json"  # in credential-helpers, stands for the auth files
_REGISTRIES_CONF = "registries.conf"

Outcome = Literal[
    "broken",
    "empty-entry",
    "found",
    "helper-empty",
    "helper-missing",
    "no-entry",
    "no-file",
    "skipped",
]


@frozen
class AuthLookup:
    """One lookup of credentials, without secrets.

    Attributes:
        path: the auth file, or ``registries.conf`` if that names the helper.
        outcome: the result; the error of a ``broken`` file or helper ends a pull, and the search
            continues after one that is ``skipped``.
        key: the key in the file that matched, ``""`` if none did.
        helper: the helper program, ``""`` if none was used.
        username: of the credentials that were found, ``""`` if none or if they have no name.
        identity_token: the credentials are a token instead of a password.
        error: why the file or helper is broken.
    """

    path: str
    outcome: Outcome
    key: str = ""
    helper: str = ""
    username: str = ""
    identity_token: bool = False
    error: TowlineError | None = None

    def to_json(self) -> dict[str, Any]:
        """The lookup as a JSON document."""
        return {
            "path": self.path,
            "outcome": self.outcome,
            "key": self.key,
            "helper": self.helper,
            "username": self.username,
            "identity_token": self.identity_token,
            "error": None if self.error is None else self.error.to_json(),
        }


def find_credentials(
    locations: Locations,
    rules: ConfigRules,
    name: str,
    explicit: str | Path | None = None,
    *,
    helpers: Sequence[str] = (),
    lookups: list[AuthLookup] | None = None,
    warn: Warn | None = None,
    cancel: CancelToken | None = None,
) -> Credentials | None:
    """Find the credentials for a repository.

    Args:
        locations: of the configuration files.
        rules: which files are used, and how their keys are matched.
        name: host and path of the repository, without tag or digest.
        explicit: an auth file to use instead of the usual ones.
        helpers: ``credential-helpers`` of registries.conf; if empty, only auth files are used.
        lookups: a list to which each lookup is appended; it has the origin of the credentials.
        warn: called with each error that is only a warning; None: such an error is raised.
        cancel: ends the helpers.

    Returns:
        The credentials; None if there are none.

    Raises:
        PathError: a file cannot be read, or one that must exist is missing.
        ConfigurationError: ``auth.*``.
        PullCancelledError: the caller cancelled.
    """
    search = _Search(locations, rules, name, [] if lookups is None else lookups, warn, cancel)
    with step("finding-credentials", name=name):
        for helper in helpers or (AUTH_FILES,):
            if helper == AUTH_FILES:
                found = search.find_in_files(explicit)
            else:
                found = search.find_by_helper(helper, search.host, _REGISTRIES_CONF)
            if found is not None:
                return found
    return None


def explain_credentials(
    locations: Locations,
    rules: ConfigRules,
    name: str,
    explicit: str | Path | None = None,
    *,
    helpers: Sequence[str] = (),
    cancel: CancelToken | None = None,
) -> tuple[AuthLookup, ...]:
    """The lookups of a pull; one whose error ends the pull is the last."""
    lookups: list[AuthLookup] = []
    # The lookups have the errors.
    warn: Warn | None = (lambda _: None) if rules.broken_auth == "warn" else None
    try:
        find_credentials(
            locations,
            rules,
            name,
            explicit,
            helpers=helpers,
            lookups=lookups,
            warn=warn,
            cancel=cancel,
        )
    except PullCancelledError:
        raise
    except TowlineError:
        pass  # the last lookup has it
    return tuple(lookups)


@frozen
class _Search:
    locations: Locations
    rules: ConfigRules
    name: str
    lookups: list[AuthLookup]
    warn: Warn | None
    cancel: CancelToken | None

    @property
    def host(self) -> str:
        return self.name.partition("/")[0]

    def find_in_files(self, explicit: str | Path | None) -> Credentials | None:
        is_explicit = explicit is not None
        target_required = self.warn is not None
        for path, legacy, required in auth_file_paths(self.locations, self.rules, explicit):
            try:
                file = read_auth_file(
                    path, legacy=legacy, required=required, target_required=target_required
                )
            except (ConfigurationError, PathError) as error:
                missing = error.facts.get("errno") in (ENOENT, ENOTDIR)
                self.skip(error, path, fatal=missing and is_explicit)
                continue
            if file is None:
                self.lookups.append(AuthLookup(path, "no-file"))
            elif (found := self.find_in_file(file)) is not None:
                return found
        return None

    def find_in_file(self, file: AuthFile) -> Credentials | None:
        named = file.helper_for(self.host)
        if named is not None:  # AUTH-002: the entries of the file are not used then
            server, helper = named
            return self.find_by_helper(helper, server, file.path, key=server)
        entry = file.match(self.name, self.rules)
        key = "" if entry is None else entry.key
        try:
            credentials = None if entry is None else file.credentials_of(entry, self.rules)
        except ConfigurationError as error:
            self.skip(error, file.path, key=key)
            return None
        if credentials is not None:
            return self.found(credentials, file.path, key=key)
        if file.store and self.rules.credentials_store:  # AUTH-013
            return self.find_by_store_helper(file)
        outcome: Outcome = "no-entry" if entry is None else "empty-entry"
        self.lookups.append(AuthLookup(file.path, outcome, key))
        return None

    def find_by_store_helper(self, file: AuthFile) -> Credentials | None:
        from towline.config.credential_helper import helper_missing, helper_program  # rarely needed

        server = file.store_server(self.host)
        if helper_program(file.store, self.locations.environ) is not None:
            return self.find_by_helper(file.store, server, file.path)
        error = helper_missing(file.store, server, file.path)
        program = str(error.facts["helper"])
        self.lookups.append(AuthLookup(file.path, "helper-missing", helper=program))
        if self.warn is not None:
            self.warn(error)
        return None

    def find_by_helper(
        self, helper: str, server: str, path: str, key: str = ""
    ) -> Credentials | None:
        from towline.config.credential_helper import ask_helper  # rarely needed

        program = f"docker-credential-{helper}"
        environ = self.locations.environ
        try:
            credentials = ask_helper(helper, server, environ, origin=path, cancel=self.cancel)
        except ConfigurationError as error:
            self.skip(error, path, key=key, helper=program)
            return None
        if credentials is None:
            self.lookups.append(AuthLookup(path, "helper-empty", key=key, helper=program))
            return None
        return self.found(credentials, path, key=key, helper=program)

    def skip(
        self,
        error: TowlineError,
        path: str,
        *,
        key: str = "",
        helper: str = "",
        fatal: bool = False,
    ) -> None:
        """Record the error of a file or helper, and raise it unless it is a warning (AUTH-015)."""
        warn = None if fatal else self.warn
        outcome: Outcome = "broken" if warn is None else "skipped"
        self.lookups.append(AuthLookup(path, outcome, key, helper, error=error))
        if warn is not None and isinstance(error, PathError):
            error = error.copied().during("skipping-auth-file")
        raise_or_warn(error, warn)

    def found(
        self, credentials: Credentials, path: str, *, key: str = "", helper: str = ""
    ) -> Credentials:
        token = bool(credentials.identity_token)
        self.lookups.append(AuthLookup(path, "found", key, helper, credentials.username, token))
        return credentials
