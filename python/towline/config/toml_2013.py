"""The TOML of 2013, which podman v1.3.2 reads (CONF-003)."""

from __future__ import annotations

import re
from typing import Any

from towline.config.toml_table import Table, parse_table
from towline.errors import ConfigurationError

__all__ = ["load_2013"]

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
    table = parse_table(_TOKEN.sub(lambda token: token["string"] or "", text), text, path)
    if not _homogeneous(table.values):
        reason = "a list has values of different types"
        raise ConfigurationError("registries_conf.not_toml", path=path, reason=reason)
    return table


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
