"""Whose credentials a registry is given: every place is asked in order, and can say why not.

(AUTH-001, AUTH-002, AUTH-010 to AUTH-014)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from towline.config.auth_json import AuthFile, Credentials
from towline.config.load import read_auth_file
from towline.config.locations import Locations, auth_file_paths
from towline.errors import TowlineError, step
from towline.rules import Rules

__all__ = ["AUTH_FILES", "AuthLook", "explain_credentials", "find_credentials"]

AUTH_FILES = "containers-auth.json"  # in credential-helpers: the auth files
_REGISTRIES_CONF = "registries.conf"

Outcome = Literal[
    "broken", "empty-entry", "found", "helper-empty", "helper-missing", "no-entry", "no-file"
]


@dataclass(frozen=True, slots=True)
class AuthLook:
    """One look for credentials; there is no secret in it.

    Attributes:
        path: the auth file, or ``registries.conf`` where that names the helper.
        outcome: what came of it.
        key: the key of the file that matched, ``""`` where none did.
        helper: the program that was asked, ``""`` where none was.
        username: who we are, where that was found and has a name.
        identity_token: what was found is a token, not a password.
        error: why it is broken.
    """

    path: str
    outcome: Outcome
    key: str = ""
    helper: str = ""
    username: str = ""
    identity_token: bool = False
    error: TowlineError | None = None

    def to_json(self) -> dict[str, Any]:
        """The look as a JSON document."""
        return {
            "path": self.path,
            "outcome": self.outcome,
            "key": self.key,
            "helper": self.helper,
            "username": self.username,
            "identity_token": self.identity_token,
            "error": None
            if self.error is None
            else {"code": self.error.code, "message": str(self.error)},
        }


def find_credentials(
    locations: Locations,
    rules: Rules,
    name: str,
    explicit: str | Path | None = None,
    *,
    helpers: Sequence[str] = (),
    looks: list[AuthLook] | None = None,
) -> tuple[Credentials, str] | None:
    """The credentials for a repository and the place that has them; None where there are none.

    Args:
        locations: where files are looked for.
        rules: which files count, and how their keys are matched.
        name: host and path of the repository, without tag or digest.
        explicit: an auth file that was given.
        helpers: ``credential-helpers`` of registries.conf; without, only the auth files.
        looks: gets a note of each look.

    Raises:
        PathError: a file cannot be read, or one that must exist is missing.
        ConfigurationError: ``auth.*``.
    """
    search = _Search(locations, rules, name, [] if looks is None else looks)
    with step("finding-credentials", name=name):
        for helper in helpers or (AUTH_FILES,):
            if helper == AUTH_FILES:
                found = search.in_files(explicit)
            else:
                found = search.by_helper(helper, search.host, _REGISTRIES_CONF)
            if found is not None:
                return found
    return None


def explain_credentials(
    locations: Locations,
    rules: Rules,
    name: str,
    explicit: str | Path | None = None,
    *,
    helpers: Sequence[str] = (),
) -> tuple[AuthLook, ...]:
    """The looks that `find_credentials` takes, to the one that ends it; no error leaves this."""
    looks: list[AuthLook] = []
    try:
        find_credentials(locations, rules, name, explicit, helpers=helpers, looks=looks)
    except TowlineError as error:
        path = str(error.facts.get("path", ""))
        looks.append(AuthLook(path, "broken", error=error))
    return tuple(looks)


@dataclass(frozen=True, slots=True)
class _Search:
    locations: Locations
    rules: Rules
    name: str
    looks: list[AuthLook]

    @property
    def host(self) -> str:
        return self.name.partition("/")[0]

    def in_files(self, explicit: str | Path | None) -> tuple[Credentials, str] | None:
        for path, legacy, required in auth_file_paths(self.locations, self.rules, explicit):
            file = read_auth_file(path, legacy=legacy, required=required)
            if file is None:
                self.looks.append(AuthLook(path, "no-file"))
                continue
            found = self.in_file(file)
            if found is not None:
                return found
        return None

    def in_file(self, file: AuthFile) -> tuple[Credentials, str] | None:
        named = file.helper_for(self.host)
        if named is not None:  # AUTH-002: a helper's word is final for its file
            key, helper = named
            return self.by_helper(helper, key, file.path, key=key)
        entry = file.match(self.name, self.rules)
        credentials = None if entry is None else file.credentials_of(entry, self.rules)
        if credentials is not None:
            return self.found(credentials, file.path, key="" if entry is None else entry.key)
        if file.store and self.rules.credentials_store:  # AUTH-013
            server = file.store_server(self.host)
            from towline.config.credential_helper import helper_program  # as in `by_helper`

            if helper_program(file.store, self.locations.environ) is not None:
                return self.by_helper(file.store, server, file.path)
            program = f"docker-credential-{file.store}"
            self.looks.append(AuthLook(file.path, "helper-missing", helper=program))
        elif entry is not None:
            self.looks.append(AuthLook(file.path, "empty-entry", key=entry.key))
        else:
            self.looks.append(AuthLook(file.path, "no-entry"))
        return None

    def by_helper(
        self, helper: str, server: str, path: str, key: str = ""
    ) -> tuple[Credentials, str] | None:
        from towline.config.credential_helper import ask_helper  # runs programs, which few need

        program = f"docker-credential-{helper}"
        credentials = ask_helper(helper, server, self.locations.environ, origin=path)
        if credentials is None:
            self.looks.append(AuthLook(path, "helper-empty", key=key, helper=program))
            return None
        return self.found(credentials, path, key=key, helper=program)

    def found(
        self, credentials: Credentials, path: str, *, key: str = "", helper: str = ""
    ) -> tuple[Credentials, str]:
        token = bool(credentials.identity_token)
        self.looks.append(AuthLook(path, "found", key, helper, credentials.username, token))
        return credentials, path
