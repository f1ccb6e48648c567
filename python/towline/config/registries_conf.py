"""Parser of the current form of registries.conf, and the merging of drop-in files.

CONF-030 to CONF-039.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.config.registries import Mirror, Registries, Registry, ShortNameMode
from towline.config.toml_table import Table, load
from towline.errors import ConfigurationError, InvalidNameError
from towline.frozen import frozen, replace
from towline.name.parts import is_registry
from towline.name.reference import Reference, parse_reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["RegistriesFile", "merge", "parse", "parse_alias_cache"]

_SHORT_NAME_MODES: dict[str, ShortNameMode] = {
    "disabled": "disabled",
    "enforcing": "enforcing",
    "permissive": "permissive",
}
_NEW_ONLY = ("short-name-mode", "credential-helpers")
_TOP_ONLY = ("unqualified-search-registries", *_NEW_ONLY)


@frozen
class RegistriesFile:
    """One file; None for a key that is not set, so that the value of an earlier file remains."""

    path: str
    registries: tuple[Registry, ...] = ()
    search: tuple[str, ...] | None = None
    aliases: tuple[tuple[str, str], ...] = ()
    short_name_mode: ShortNameMode | None = None
    credential_helpers: tuple[str, ...] | None = None
    misplaced: tuple[ConfigurationError, ...] = ()


def parse(data: bytes, path: str, *, drop_in: bool = False) -> RegistriesFile:
    """Read the text of one registries.conf, or of one of its drop-ins.

    Args:
        data: the content of the file.
        path: its name in messages.
        drop_in: it is a drop-in: the old form with ``[registries.search]`` is an error.

    Raises:
        ConfigurationError: ``registries_conf.*``.
    """
    top = load(data, path)
    lists = top.table("registries")
    names = {key: lists.table(key).texts("registries") for key in ("search", "insecure", "block")}
    tables = top.tables("registry")
    search = top.texts("unqualified-search-registries")
    aliases = top.table("aliases")
    if any(names.values()):
        if drop_in:  # CONF-033
            raise lists.fault("registries_conf.old_drop_in")
        if tables or search or any(top.has(key) for key in _NEW_ONLY) or aliases.values:
            raise lists.fault("registries_conf.mixed")
        return _old_form(lists, names, path)

    entries = tuple(_entry(table) for table in tables)
    _check_conflicts(tables, entries)
    search = tuple(_search_entry(top, name) for name in search)
    by_prefix: dict[str, Registry] = {}
    for entry in entries:
        by_prefix.setdefault(entry.prefix, entry)  # CONF-035: the first of equal prefixes is used
    mode = _short_name_mode(top)
    for table, entry in zip(tables, entries, strict=True):
        if entry.wildcard and any(char in entry.prefix for char in "/@:"):
            raise table.fault("registries_conf.wildcard", prefix=entry.prefix)
    helpers = top.texts("credential-helpers")
    return RegistriesFile(
        path,
        tuple(by_prefix.values()),
        search if top.has("unqualified-search-registries") else None,
        _aliases(aliases),
        mode,
        helpers if top.has("credential-helpers") else None,
        tuple(_misplaced(top)),
    )


def _misplaced(top: Table) -> Iterator[ConfigurationError]:
    """The keys of the top level that stand in a table: TOML assigns them to the header above."""
    for table in _tables_below(top):
        for key in _TOP_ONLY:
            if table.has(key):
                yield top.fault("registries_conf.misplaced", key=key, table=table.name)


def _tables_below(table: Table) -> Iterator[Table]:
    for key, value in table.values.items():
        if isinstance(value, dict):
            below = [table.table(key)]
        elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            below = list(table.tables(key))
        else:
            continue
        for each in below:
            yield each
            yield from _tables_below(each)


def parse_alias_cache(data: bytes, path: str) -> RegistriesFile:
    """Read the alias cache of podman: a file that has only ``[aliases]`` (CONF-043).

    Raises:
        ConfigurationError: ``registries_conf.*``.
    """
    return RegistriesFile(path, aliases=_aliases(load(data, path).table("aliases")))


def merge(files: Sequence[RegistriesFile], alias_cache: RegistriesFile | None = None) -> Registries:
    """Merge a main file and its drop-ins, in order: later ones override earlier ones (CONF-034).

    A later entry for a prefix replaces the whole entry.  A later alias replaces the alias, and an
    empty one removes it.
    """
    registries: dict[str, Registry] = {}
    aliases: dict[str, str] = {}
    origins: dict[str, str] = {}
    misplaced: tuple[ConfigurationError, ...] = ()
    merged = Registries(files=tuple(file.path for file in files))
    for file in files:
        registries |= {entry.prefix: entry for entry in file.registries}
        aliases |= dict(file.aliases)
        origins |= dict.fromkeys(_keys_set_by(file), file.path)
        misplaced += file.misplaced
        if file.search is not None:
            merged = replace(merged, search=file.search)
        if file.short_name_mode is not None:
            merged = replace(merged, short_name_mode=file.short_name_mode)
        if file.credential_helpers is not None:
            merged = replace(merged, credential_helpers=file.credential_helpers)
    if alias_cache is not None:
        aliases |= dict(alias_cache.aliases)
        origins |= dict.fromkeys(_keys_set_by(alias_cache), alias_cache.path)
    return replace(
        merged,
        misplaced=misplaced,
        origins=tuple(origins.items()),
        registries=tuple(registries[prefix] for prefix in sorted(registries)),
        aliases=tuple((short, full) for short, full in sorted(aliases.items()) if full),
    )


def _keys_set_by(file: RegistriesFile) -> Iterator[str]:
    """The keys that a file sets, as in `Registries.origins`."""
    yield from (f"registry.{entry.prefix}" for entry in file.registries)
    yield from (f"aliases.{short}" for short, _ in file.aliases)
    if file.search is not None:
        yield "unqualified-search-registries"
    if file.short_name_mode is not None:
        yield "short-name-mode"
    if file.credential_helpers is not None:
        yield "credential-helpers"


def _old_form(lists: Table, names: dict[str, tuple[str, ...]], path: str) -> RegistriesFile:
    search = tuple(_search_entry(lists, name) for name in names["search"])
    entries: dict[str, Registry] = {}
    for key, setting in (("block", "blocked"), ("insecure", "insecure")):
        for name in names[key]:
            location = _location(lists, name)
            if not location:
                raise lists.fault("registries_conf.no_location", old_url=False)
            entry = entries.get(location, Registry(location, location))
            entries[location] = replace(
                entry,
                blocked=entry.blocked or setting == "blocked",
                insecure=entry.insecure or setting == "insecure",
            )
    return RegistriesFile(path, tuple(entries.values()), search)


def _entry(table: Table) -> Registry:
    """One ``[[registry]]``, checked in the order of CONF-032."""
    location = _location(table, table.text("location"))
    prefix = _location(table, table.text("prefix")) or location
    if not prefix:
        raise table.fault("registries_conf.no_location", old_url=table.has("url"))
    wildcard = prefix.startswith("*.")
    if not location and not wildcard:
        raise table.fault("registries_conf.prefix_alone", prefix=prefix)
    if table.text("pull-from-mirror"):
        raise table.fault("registries_conf.pull_from_on_registry", prefix=prefix)
    digest_only = table.flag("mirror-by-digest-only")
    mirrors = tuple(
        _mirror(mirror, prefix, digest_only=digest_only) for mirror in table.tables("mirror")
    )
    return Registry(
        prefix,
        location,
        insecure=table.flag("insecure"),
        blocked=table.flag("blocked"),
        mirrors=mirrors,
        mirror_by_digest_only=digest_only,
        wildcard=wildcard,
    )


def _mirror(table: Table, prefix: str, *, digest_only: bool) -> Mirror:
    location = _location(table, table.text("location"))
    insecure = table.flag("insecure")
    if not location:
        raise table.fault("registries_conf.mirror_location", prefix=prefix)
    wanted = table.text("pull-from-mirror")
    if wanted and digest_only:
        raise table.fault("registries_conf.pull_from_twice", prefix=prefix, mirror=location)
    match wanted:
        case "" | "all":
            return Mirror(location, insecure)
        case "digest-only":
            return Mirror(location, insecure, "digest-only")
        case "tag-only":
            return Mirror(location, insecure, "tag-only")
        case _:
            raise table.fault("registries_conf.pull_from", value=wanted, mirror=location)


def _location(table: Table, text: str) -> str:
    location = text.rstrip("/")
    if location.startswith(("http://", "https://")):
        raise table.fault("registries_conf.scheme", location=text)
    return location


def _search_entry(top: Table, text: str) -> str:
    name = _location(top, text)
    try:
        if parse_reference(f"{name}/x", addresses=False).domain == name != "":
            return name
    except InvalidNameError:
        pass  # reported below, with the position in the file
    key = "unqualified-search-registries"
    raise top.fault("registries_conf.search_entry", key=key, entry=text)


def _check_conflicts(tables: Sequence[Table], entries: Sequence[Registry]) -> None:
    first: dict[str, Registry] = {}
    for table, entry in zip(tables, entries, strict=True):
        name = entry.location or entry.prefix
        other = first.setdefault(name, entry)
        for setting in ("insecure", "blocked"):
            if getattr(entry, setting) != getattr(other, setting):
                raise table.fault("registries_conf.conflict", location=name, setting=setting)


def _short_name_mode(top: Table) -> ShortNameMode | None:
    mode = top.text("short-name-mode")
    if mode and mode not in _SHORT_NAME_MODES:
        raise top.fault("registries_conf.short_name_mode", key="short-name-mode", mode=mode)
    return _SHORT_NAME_MODES.get(mode)


def _aliases(table: Table) -> tuple[tuple[str, str], ...]:
    aliases = []
    for short, value in table.values.items():
        if short.lower() in _TOP_ONLY and not isinstance(value, str):
            raise table.fault("registries_conf.misplaced", key=short, table=table.name)
        full = table.text(short)
        key = _parse_bare_name(table, short, short)
        if is_registry(key.domain):
            raise table.fault("registries_conf.alias", key=short, name=short, problem="registry")
        if full and not is_registry(_parse_bare_name(table, short, full).domain):
            raise table.fault("registries_conf.alias", key=short, name=full, problem="unqualified")
        aliases.append((short, full))
    return tuple(aliases)


def _parse_bare_name(table: Table, key: str, name: str) -> Reference:
    try:
        parsed = parse_reference(name)
    except InvalidNameError:
        raise table.fault("registries_conf.alias", key=key, name=name, problem="invalid") from None
    if parsed.digest is not None:
        raise table.fault("registries_conf.alias", key=key, name=name, problem="digest")
    if parsed.tag is not None:
        raise table.fault("registries_conf.alias", key=key, name=name, problem="tag")
    return parsed
