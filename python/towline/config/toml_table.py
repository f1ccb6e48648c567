"""TOML tables of registries.conf: case-insensitive keys, types, errors with line numbers."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, NoReturn

from towline.errors import ConfigurationError
from towline.frozen import field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Table", "load", "parse_table"]

_DEPTH = 200  # fewer than tomllib can parse
_KINDS: Mapping[type, str] = {
    bool: "a boolean",
    dict: "a table",
    float: "a number",
    int: "a number",
    list: "a list",
    str: "a string",
}


@frozen
class Table:
    """One table of a file; reading a value of another type than requested is an error.

    Attributes:
        path: the file, for messages.
        values: the keys and values of the table.
        source: the text of the file.
        name: of the table, for messages; ``""`` for the top level.
        index: the number of the ``[[registry]]`` that this is or belongs to.
    """

    path: str
    values: Mapping[str, Any] = field(repr=False)
    source: str = field(default="", repr=False)
    name: str = ""
    index: int | None = None

    def has(self, key: str) -> bool:
        """Whether the key is set."""
        return self._get(key) is not None

    def text(self, key: str) -> str:
        """A string, ``""`` if the key is missing."""
        value = self._get(key)
        if value is not None and not isinstance(value, str):
            self._mismatch(key, "a string", value)
        return value or ""

    def flag(self, key: str) -> bool:
        """A boolean, False if the key is missing."""
        value = self._get(key)
        if value is not None and not isinstance(value, bool):
            self._mismatch(key, "true or false", value)
        return bool(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings, empty if the key is missing."""
        value = self._get(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            self._mismatch(key, "a list of strings", value)
        for item in value:
            if not isinstance(item, str):
                self._mismatch(key, "a list of strings only", item)
        return tuple(value)

    def table(self, key: str) -> Table:
        """A table, an empty one if the key is missing."""
        value = self._get(key)
        if value is None:
            value = {}
        if not isinstance(value, dict):
            self._mismatch(key, "a table", value)
        return Table(self.path, value, self.source, self._qualified(key), self.index)

    def tables(self, key: str) -> tuple[Table, ...]:
        """An array of tables, empty if the key is missing."""
        value = self._get(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            self._mismatch(key, f"an array of tables, written [[{key}]]", value)
        tables = []
        for number, item in enumerate(value):
            if not isinstance(item, dict):
                self._mismatch(key, f"an array of tables, written [[{key}]]", item)
            index = number if self.index is None else self.index
            tables.append(Table(self.path, item, self.source, self._qualified(key), index))
        return tuple(tables)

    def fault(self, code: str, **facts: Any) -> ConfigurationError:
        """An error about this table, with the file and, if it is known, the line."""
        line = self._line(str(facts.get("key", "")))
        where = self.path if line is None else f"{self.path}, line {line}"
        return ConfigurationError(code, path=self.path, line=line, where=where, **facts)

    def _get(self, key: str) -> Any:
        if key in self.values:
            return self.values[key]
        folded = _fold(key)
        return next((self.values[other] for other in self.values if _fold(other) == folded), None)

    def _qualified(self, key: str) -> str:
        return f"{self.name}.{key}" if self.name else key

    def _mismatch(self, key: str, wanted: str, value: Any) -> NoReturn:
        got = _KINDS.get(type(value), "a date or time")
        raise self.fault(
            "registries_conf.wrong_type", key=self._qualified(key), wanted=wanted, got=got
        )

    def _line(self, key: str) -> int | None:
        if self.index is not None:
            headers = re.finditer(r"^[ \t]*\[\[[ \t]*registry[ \t]*\]\]", self.source, _BY_LINE)
            starts = [match.end() for match in headers][self.index :]
        else:
            last = re.escape(key.rpartition(".")[2])
            written = rf"(?:{last}|[\"']{re.escape(key)}[\"'])"
            named = re.finditer(rf"^[ \t]*(?:{written}[ \t]*=|\[+{last}\])", self.source, _BY_LINE)
            starts = [match.end() for match in named] if key else []
        return self.source.count("\n", 0, starts[0]) + 1 if starts else None


_BY_LINE = re.MULTILINE | re.IGNORECASE


def load(data: bytes, path: str) -> Table:
    """Read a file in current TOML.

    Raises:
        ConfigurationError: ``registries_conf.not_toml``.
    """
    try:
        text = data.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as fault:
        line = data.count(b"\n", 0, fault.start) + 1
        raise ConfigurationError(
            "registries_conf.not_toml", path=path, reason=f"line {line} is not UTF-8"
        ) from None
    return parse_table(text, text, path)


def parse_table(text: str, source: str, path: str) -> Table:
    """Parse a file in current TOML.

    Args:
        text: the text to parse.
        source: the text of the file, in which lines are counted.
        path: the file, for messages.

    Raises:
        ConfigurationError: ``registries_conf.not_toml``.
    """
    try:
        table = tomllib.loads(text)
    except RecursionError:
        reason = "it is nested too deeply"
    except ValueError as fault:  # TOMLDecodeError, or int() for very long numbers
        reason = str(fault)
    else:
        if not _is_too_deep(table):
            return Table(path, table, source)
        reason = "it is nested too deeply"
    raise ConfigurationError("registries_conf.not_toml", path=path, reason=reason)


def _is_too_deep(table: Any) -> bool:
    """Whether it has more than `_DEPTH` levels (CONF-047)."""
    level = [table]
    for _ in range(_DEPTH):
        level = [inner for outer in level for inner in _inner(outer)]
        if not level:
            return False
    return True


def _inner(outer: Any) -> list[Any]:
    values = outer.values() if isinstance(outer, dict) else outer
    return [value for value in values if isinstance(value, dict | list)]


def _fold(key: str) -> str:
    # Simple case folding: besides ASCII, K (Kelvin) folds to k and ſ (long s) to s.
    return key.lower().replace("\u017f", "s")
