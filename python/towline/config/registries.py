"""What registries.conf says, as values: the registries, and where short names are searched."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Mirror", "PullFrom", "Registries", "Registry", "ShortNameMode"]

PullFrom = Literal["all", "digest-only", "tag-only"]
ShortNameMode = Literal["disabled", "enforcing", "permissive"]

_ENDS_OF_PREFIX = ("", ":", "/", "@")


@dataclass(frozen=True, slots=True)
class Mirror:
    """A place that has the images of a registry as well.

    Attributes:
        location: host, and a path where the mirror has one.
        insecure: plain HTTP and unverified TLS are accepted.
        pull_from: for which references the mirror is asked.
    """

    location: str
    insecure: bool = False
    pull_from: PullFrom = "all"


@dataclass(frozen=True, slots=True)
class Registry:
    """One ``[[registry]]``: what holds for the names under a prefix.

    Attributes:
        prefix: the names that this is about.
        location: what takes the place of the prefix; ``""`` only for wildcards, which keep it.
        search: short names are searched here (only the early form of the file says so here).
        insecure: plain HTTP and unverified TLS are accepted.
        blocked: nothing may be pulled from here.
        mirrors: in the order of the file.
        mirror_by_digest_only: the mirrors are asked only for references with a digest.
        wildcard: the prefix is of the form ``*.example.com`` and means the hosts below it.
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
        """How many characters of `name` the prefix covers, None where it does not match (CONF-020).

        A prefix ends where the name ends, or before ``:``, ``/`` or ``@``: so ``example.com``
        covers ``example.com:5000/x`` too.  A wildcard covers the whole host.
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


@dataclass(frozen=True, slots=True)
class Registries:
    """The whole configuration, merged from its files.

    Attributes:
        registries: the entries; in the order of the file where the form of 2019 was read, else
            by prefix.
        search: the registries of short names, in order.
        aliases: short names and the full names that they stand for, by short name.
        short_name_mode: what is done with a short name that is no alias.
        credential_helpers: where credentials come from, in order.
        files: the files that were read, the main one first; empty where there are none.
        origins: which file has the last word on what: by the key of the file, and by
            ``registry.PREFIX`` and ``aliases.NAME``.
    """

    registries: tuple[Registry, ...] = ()
    search: tuple[str, ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()
    short_name_mode: ShortNameMode = "permissive"
    credential_helpers: tuple[str, ...] = ("containers-auth.json",)
    files: tuple[str, ...] = ()
    origins: tuple[tuple[str, str], ...] = field(default=(), compare=False, repr=False)

    def origin(self, key: str) -> str | None:
        """The file that decides about a key, None where none says anything of it."""
        return dict(self.origins).get(key)

    def search_registries(self) -> tuple[str, ...]:
        """The registries in which short names are searched, in order (CONF-010)."""
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
        """The full name that a short name without tag and digest stands for."""
        return dict(self.aliases).get(name)
