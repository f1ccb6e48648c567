"""TOML tables for registries.conf: case-insensitive keys, typed values, errors with line numbers.

There are two dialects: current TOML, and that of 2013 which podman v1.3.2 reads (CONF-003).
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, NoReturn

from towline.errors import ConfigurationError
from towline.frozen import field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Table", "load", "load_2013"]

# Matches one comment, or one string of any kind.  An unterminated string matches up to where it
# would have to end, so that matching takes linear time; tomllib raises an error for it.
_TOKEN = re.compile(
    r"""
      (?P<comment> \#[^\n]* )
    | (?P<string>
          \"{3} (?: [^\\] | \\. )*? (?: \"{3,5} | \Z )  |  '{3} .*? (?: '{3,5} | \Z )
        | " (?: [^"\\\n] | \\[^\n] )* (?: " | $ | \\ )  |  ' [^'\n]* (?: ' | $ ) )
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
# Syntax that was added to TOML after 2013; searched in text without strings and comments.
_LATER = re.compile(
    r"""
      [{}]                                      # inline tables
    | ^ (?= [^=\n\[]* \. ) [^=\n]* =            # dotted keys
    | [=,\[] \s* [+-]? (?: 0[xob] | inf | nan ) # other numbers
    """,
    re.VERBOSE | re.MULTILINE,
)
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
    return _table(text, text, path)


def load_2013(data: bytes, path: str) -> Table:
    """Read a file in the TOML of 2013 (CONF-003).

    It has no dotted keys, no inline tables and no byte order mark.  A list has values of one type,
    a lone carriage return ends a line, and comments may contain any bytes.

    Raises:
        ConfigurationError: ``registries_conf.not_toml``.
    """
    text = data.decode("utf-8", "surrogateescape").replace("\r\n", "\n").replace("\r", "\n")
    bare = _TOKEN.sub(lambda token: '""' if token["string"] else "", text)
    if later := _LATER.search(bare):
        line = bare.count("\n", 0, later.start()) + 1
        reason = f"line {line} uses a form that TOML had not in 2013"
        raise ConfigurationError("registries_conf.not_toml", path=path, reason=reason)
    table = _table(_TOKEN.sub(lambda token: token["string"] or "", text), text, path)
    if not _homogeneous(table.values):
        reason = "a list has values of different types"
        raise ConfigurationError("registries_conf.not_toml", path=path, reason=reason)
    return table


def _table(text: str, source: str, path: str) -> Table:
    try:
        return Table(path, tomllib.loads(text), source)
    except RecursionError:
        reason = "it is nested too deeply"
    except ValueError as fault:  # TOMLDecodeError, or int() for very long numbers
        reason = str(fault)
    raise ConfigurationError("registries_conf.not_toml", path=path, reason=reason)


def _homogeneous(value: Any) -> bool:
    # Without recursion: the nesting may be deeper than the recursion limit allows.
    pending = [value]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            if len({type(item) for item in value}) > 1:
                return False
            pending += value
        elif isinstance(value, dict):
            pending += value.values()
    return True


def _fold(key: str) -> str:
    # Simple case folding: besides ASCII, K (Kelvin) folds to k and ſ (long s) to s.
    return key.lower().replace("\u017f", "s")
