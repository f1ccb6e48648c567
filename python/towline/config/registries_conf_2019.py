"""Parser of registries.conf as in podman v1.3.2: v1 tables, or the first form of ``[[registry]]``.

In this form an entry has the keys ``url`` and ``unqualified-search``.  Later keys, such as
``location`` and ``unqualified-search-registries``, are unknown and ignored.  (CONF-002 to CONF-008)
"""

from __future__ import annotations

from towline.config.registries import Mirror, Registries, Registry
from towline.config.toml_2013 import load_2013
from towline.config.toml_table import Table
from towline.frozen import replace

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
    parsed = tuple((entry, _parse_entry(entry)) for entry in top.tables("registry"))
    lists = top.table("registries")
    names = {key: lists.table(key).texts("registries") for key in ("search", "insecure", "block")}

    converted = _convert_lists(lists, names)  # CONF-005: its errors precede registries_conf.mixed
    if converted and parsed:
        raise lists.fault("registries_conf.mixed")
    entries = converted or tuple(_check_entry(table, entry) for table, entry in parsed)
    _check_conflicts(top, entries)
    search = tuple(entry.location for entry in entries if entry.search)
    origins = (("registries.search", path),) if search else ()
    return Registries(entries, search, files=(path,), origins=origins)


def _parse_entry(table: Table) -> Registry:
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


def _convert_lists(table: Table, names: dict[str, tuple[str, ...]]) -> tuple[Registry, ...]:
    found: dict[str, Registry] = {}

    def entry(name: str) -> Registry:
        url = _url(table, name)
        return found.get(url, Registry(url, url))

    # CONF-004: entries of the search list come first, then the blocked, then the insecure ones
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


def _check_entry(table: Table, entry: Registry) -> Registry:
    location = _url(table, entry.location)
    prefix = _url(table, entry.prefix) if entry.prefix else location
    for mirror in entry.mirrors:
        _url(table, mirror.location)  # CONF-007: checked, but not normalized
    return replace(entry, prefix=prefix, location=location)


def _url(table: Table, text: str) -> str:
    """A url without its trailing slashes (CONF-006)."""
    url = text.rstrip("/")
    if not url:
        raise table.fault("registries_conf.empty_url")
    if url.startswith(("http://", "https://")):
        raise table.fault("registries_conf.scheme", location=text)
    return url


def _check_conflicts(top: Table, entries: tuple[Registry, ...]) -> None:
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
