"""The contents of registries.conf: registries, mirrors, search registries and aliases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from towline.frozen import field, frozen

if TYPE_CHECKING:
    from towline.errors import ConfigurationError

__all__ = ["Mirror", "PullFrom", "Registries", "Registry", "ShortNameMode"]

PullFrom = Literal["all", "digest-only", "tag-only"]
ShortNameMode = Literal["disabled", "enforcing", "permissive"]

_ENDS_OF_PREFIX = ("", ":", "/", "@")


@frozen
class Mirror:
    """A mirror of a registry.

    Attributes:
        location: host, with a path if the mirror has one.
        insecure: plain HTTP and unverified TLS are accepted.
        pull_from: for which references the mirror is used.
    """

    location: str
    insecure: bool = False
    pull_from: PullFrom = "all"


@frozen
class Registry:
    """One ``[[registry]]``: settings for the names with a prefix.

    Attributes:
        prefix: of the names.
        location: replaces the prefix; ``""``, only for wildcards, keeps it.
        search: it is a search registry for short names (set only by the form of 2019).
        insecure: plain HTTP and unverified TLS are accepted.
        blocked: pulls are refused.
        mirrors: in the order of the file.
        mirror_by_digest_only: the mirrors are used only for references with a digest.
        wildcard: the prefix has the form ``*.example.com`` and matches the hosts below it.
    """

    prefix: str
    location: str
    search: bool = False
    insecure: bool = False
    blocked: bool = False
    mirrors: tuple[Mirror, ...] = ()
    mirror_by_digest_only: bool = False
    wildcard: bool = False

    def matched(self, name: str) -> int | None:
        """How many characters of `name` the prefix covers, None if it does not match (CONF-020).

        After the prefix, the name must end or continue with ``:``, ``/`` or ``@``.  So
        ``example.com`` covers ``example.com:5000/x`` too.  A wildcard covers the whole host.
        """
        if self.wildcard:  # CONF-021
            suffix = self.prefix[1:]
            start = name.find(suffix)
            if start < 0 or "/" in name[:start]:
                return None
            end = start + len(suffix)
        else:
            if not name.startswith(self.prefix):
                return None
            end = len(self.prefix)
        return end if name[end : end + 1] in _ENDS_OF_PREFIX else None


@frozen
class Registries:
    """The whole configuration, merged from its files.

    Attributes:
        registries: the entries; in the order of the file for the form of 2019, else sorted by
            prefix.
        search: the search registries for short names, in order.
        aliases: short names and their full names, sorted by short name.
        short_name_mode: how to resolve a short name that is not an alias.
        credential_helpers: the sources of credentials, in order.
        files: the files that were read, the main one first; empty if there are none.
        misplaced: the errors of keys in a wrong table, which have no effect (CONF-048).
        origins: the file that set each value, by its key, ``registry.PREFIX`` or
            ``aliases.NAME``.
    """

    registries: tuple[Registry, ...] = ()
    search: tuple[str, ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()
    short_name_mode: ShortNameMode = "permissive"
    credential_helpers: tuple[str, ...] = ("containers-auth.json",)
    files: tuple[str, ...] = ()
    misplaced: tuple[ConfigurationError, ...] = field(default=(), compare=False, repr=False)
    origins: tuple[tuple[str, str], ...] = field(default=(), compare=False, repr=False)

    def origin(self, key: str) -> str | None:
        """The file that set a key, None if none did."""
        return next((path for name, path in self.origins if name == key), None)

    def search_registries(self) -> tuple[str, ...]:
        """The search registries for short names, in order (CONF-010)."""
        return self.search

    def insecure_registries(self) -> tuple[str, ...]:
        """The locations of the entries marked insecure, in order."""
        return tuple(entry.location for entry in self.registries if entry.insecure)

    def blocked_registries(self) -> tuple[str, ...]:
        """The locations of the entries marked blocked, in order."""
        return tuple(entry.location for entry in self.registries if entry.blocked)

    def find(self, name: str) -> Registry | None:
        """The entry with the longest matching prefix, the first among equals (CONF-020).

        Args:
            name: host and path, without tag or digest.
        """
        matching = (entry for entry in self.registries if entry.matched(name) is not None)
        return max(matching, key=lambda entry: len(entry.prefix), default=None)

    def alias(self, name: str) -> str | None:
        """The full name for a short name without tag and digest, None if it is not an alias."""
        return dict(self.aliases).get(name)
