"""registries.conf as podman v1.3.2 reads it: v1 tables, or the first form of ``[[registry]]``.

Here an entry has a ``url``, ``unqualified-search`` stands in the entry, and nothing later than
that is known: ``location`` and ``unqualified-search-registries`` are unknown keys, which are
ignored.  (CONF-002 to CONF-008)
"""

from __future__ import annotations

from dataclasses import replace

from towline.config.registries import Mirror, Registries, Registry
from towline.config.toml_table import Table, load_2013

__all__ = ["parse"]


def parse(data: bytes, path: str) -> Registries:
    """Read the text of a registries.conf.

    Args:
        data: the content of the file.
        path: its name in messages.

    Raises:
        ConfigurationError: ``registries_conf.not_toml``, ``.wrong_type``, ``.empty_url``,
            ``.scheme``, ``.mixed`` or ``.conflict``.
    """
    top = load_2013(data, path)
    written = tuple((entry, _written(entry)) for entry in top.tables("registry"))
    lists = top.table("registries")
    names = {key: lists.table(key).texts("registries") for key in ("search", "insecure", "block")}

    converted = _converted(lists, names)  # CONF-005: its faults come before that of a mixture
    if converted and written:
        raise lists.fault("registries_conf.mixed")
    entries = converted or tuple(_checked(table, entry) for table, entry in written)
    _refuse_conflicts(top, entries)
    search = tuple(entry.location for entry in entries if entry.search)
    return Registries(entries, search, files=(path,))


def _written(table: Table) -> Registry:
    mirrors = tuple(
        Mirror(mirror.text("url"), mirror.flag("insecure")) for mirror in table.tables("mirror")
    )
    return Registry(
        table.text("prefix"),
        table.text("url"),
        table.flag("unqualified-search"),
        table.flag("insecure"),
        table.flag("blocked"),
        mirrors,
    )


def _converted(table: Table, names: dict[str, tuple[str, ...]]) -> tuple[Registry, ...]:
    found: dict[str, Registry] = {}

    def entry(name: str) -> Registry:
        url = _url(table, name)
        return found.get(url, Registry(url, url))

    # CONF-004: the search list gives the order, then the blocked ones follow, then the insecure
    for name in names["search"]:
        made = replace(entry(name), search=True)
        found[made.location] = made
    for name in names["block"]:
        made = replace(entry(name), blocked=True)
        found[made.location] = made
    for name in names["insecure"]:
        made = replace(entry(name), insecure=True)
        found[made.location] = made
    return tuple(found.values())


def _checked(table: Table, entry: Registry) -> Registry:
    location = _url(table, entry.location)
    prefix = _url(table, entry.prefix) if entry.prefix else location
    for mirror in entry.mirrors:
        _url(table, mirror.location)  # CONF-007: checked, and kept as written
    return replace(entry, prefix=prefix, location=location)


def _url(table: Table, text: str) -> str:
    """A url without its trailing slashes (CONF-006)."""
    url = text.rstrip("/")
    if not url:
        raise table.fault("registries_conf.empty_url")
    if url.startswith(("http://", "https://")):
        raise table.fault("registries_conf.scheme", location=text)
    return url


def _refuse_conflicts(top: Table, entries: tuple[Registry, ...]) -> None:
    by_url: dict[str, list[Registry]] = {}
    for entry in entries:
        by_url.setdefault(entry.location, []).append(entry)
    for first, *others in by_url.values():
        for other in others:  # CONF-008: insecure is compared before blocked
            for setting in ("insecure", "blocked"):
                if getattr(first, setting) != getattr(other, setting):
                    raise top.fault(
                        "registries_conf.conflict", location=first.location, setting=setting
                    )
