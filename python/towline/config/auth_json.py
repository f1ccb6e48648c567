"""Auth files, such as ``auth.json``: the credentials for registries.

No ``repr`` and no error contains a secret.  (AUTH-001 to AUTH-009)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from towline.errors import ConfigurationError
from towline.frozen import field, frozen
from towline.go import go_base64
from towline.go.go_json import GoJsonError, decode, string, strings_by_key, struct
from towline.registry.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towline.rules.config import ConfigRules

__all__ = ["AuthEntry", "AuthFile", "parse_auth_file"]

_SCHEME = re.compile(r"https?://")
_HUB = "index.docker.io"
_HUB_HOSTS = ("docker.io", "registry-1.docker.io")
HUB_ADDRESS = "https://index.docker.io/v1/"


@frozen
class AuthEntry:
    """The entry of one key.

    Attributes:
        key: a host, a URL, or a part of a repository's name.
        auth: the encoded name and password.
        identity_token: for the token service.
        username: the name in plain text, used if `auth` is empty.
        password: the password in plain text.
    """

    key: str
    auth: str = field(repr=False)
    identity_token: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)


@frozen
class AuthFile:
    """One auth file.

    Attributes:
        path: its name in messages.
        entries: in the order of the file, each key once.
        helpers: hosts and the credential helpers for them.
        legacy: the file is a ``.dockercfg``, whose keys are URLs.
        store: the credential helper for all other hosts, ``""`` if there is none.
    """

    path: str
    entries: tuple[AuthEntry, ...] = ()
    helpers: tuple[tuple[str, str], ...] = ()
    legacy: bool = False
    store: str = ""

    def helper_for(self, host: str) -> tuple[str, str] | None:
        """The key and the helper of a host, None if the file has none for it (AUTH-002)."""
        named = dict(self.helpers)
        if named.get(host):
            return host, named[host]
        for key, helper in self.helpers:
            if (
                helper
                and _SCHEME.match(key)
                and _normal_host(key, cut=True) == _normal_host(host, cut=True)
            ):
                return key, helper
        return None

    def store_server(self, host: str) -> str:
        """The name of a host in the credentials store; docker uses a URL for Docker Hub."""
        return HUB_ADDRESS if _normal_host(host, cut=True) == _HUB else host

    def match(self, name: str, rules: ConfigRules) -> AuthEntry | None:
        """The entry for a repository, None if there is none (AUTH-003, AUTH-004).

        Args:
            name: host and path of the repository, without tag or digest.
            rules: whether keys are hosts only, or also namespaces.
        """
        return self._entry(name, name.partition("/")[0], namespaces=rules.auth_keys == "namespaces")

    def credentials_of(self, entry: AuthEntry, rules: ConfigRules) -> Credentials | None:
        """The credentials in an entry, None if it is empty or incomplete.

        Raises:
            ConfigurationError: ``auth.not_base64``.
        """
        if rules.auth_keys == "host":
            username, password = self._decoded(entry) or ("", "")
            return Credentials(username, password) if username and password else None
        plain = rules.plain_passwords and entry.password and not entry.auth
        pair = (entry.username, entry.password) if plain else self._decoded(entry)
        if pair is None:  # AUTH-005: a token counts only together with a name, even an empty one
            return None
        username, password = pair
        token = entry.identity_token
        return Credentials(username, password, token) if username or password or token else None

    def _entry(self, name: str, host: str, *, namespaces: bool) -> AuthEntry | None:
        by_key = {entry.key: entry for entry in self.entries}
        exact = _parents(name) if namespaces and not self.legacy else (host,)
        for key in exact:
            if key in by_key:
                return by_key[key]
        wanted = _normal_host(host, cut=True)
        for entry in self.entries:  # AUTH-004
            cut = self.legacy or not namespaces or _SCHEME.match(entry.key) is not None
            if _normal_host(entry.key, cut=cut) == wanted:
                return entry
        return None

    def _decoded(self, entry: AuthEntry) -> tuple[str, str] | None:
        """Name and password; None without a colon, as the entry is invalid then."""
        try:
            decoded = go_base64.decode(entry.auth)
        except go_base64.Base64Error as fault:
            raise ConfigurationError(
                "auth.not_base64", path=self.path, key=entry.key, offset=fault.offset
            ) from None
        username, colon, password = decoded.decode("utf-8", "surrogateescape").partition(":")
        # Some tools pad passwords with null characters.
        return (username, password.strip("\0")) if colon else None


def parse_auth_file(data: bytes, path: str, *, legacy: bool = False) -> AuthFile:
    """Read the text of an auth file.

    Args:
        data: the content of the file.
        path: its name in messages.
        legacy: it is a ``.dockercfg``: the top level is the table that is ``auths`` elsewhere.

    Raises:
        ConfigurationError: ``auth.not_json``.
    """
    try:
        top = struct(decode(data))
        if legacy:
            return AuthFile(path, _entries(top), legacy=True)
        entries: tuple[AuthEntry, ...] = top.get("auths", _entries, ())
        none: dict[str, str] = {}
        helpers = top.get("credHelpers", strings_by_key, none)
        store = top.get("credsStore", string, "")
    except GoJsonError as fault:
        reason = str(fault)
    except RecursionError:
        reason = "it is nested too deeply"
    else:
        return AuthFile(path, entries, tuple(helpers.items()), store=store)
    raise ConfigurationError("auth.not_json", path=path, reason=reason)


def _entries(raw: Any) -> tuple[AuthEntry, ...]:
    entries: dict[str, AuthEntry] = {}
    for key, value in struct(raw).pairs():
        fields = struct(value)
        entries[key] = AuthEntry(
            key,
            fields.get("auth", string, ""),
            fields.get("identitytoken", string, ""),
            fields.get("username", _text, ""),
            fields.get("password", _text, ""),
        )
    return tuple(entries.values())


def _text(raw: Any) -> str:
    """A text; ``""`` for other values, since podman does not read the field."""
    return raw if isinstance(raw, str) else ""


def _parents(name: str) -> Iterator[str]:
    while name:
        yield name
        name = name.rpartition("/")[0]


def _normal_host(key: str, *, cut: bool) -> str:
    host = _SCHEME.sub("", key, count=1) if _SCHEME.match(key) else key
    if cut:
        host = host.partition("/")[0]
    return _HUB if host in _HUB_HOSTS else host
