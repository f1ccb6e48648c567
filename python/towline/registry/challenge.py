"""Parser of WWW-Authenticate headers, which ask for authentication (REG-010; RFC 9110, 11.6)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from towline.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Challenge", "choose_challenge", "parse_challenges"]

_HEADER_MAX = 4096  # characters that are parsed; real challenges have a few hundred
# Compiled when a registry first asks for authentication.
_TOKEN = r"([\s,]*)([!#$%&'*+.^_`|~0-9A-Za-z-]+)"
_VALUE = r'\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))'
_ESCAPED = r"\\(.)"
_KNOWN = ("basic", "bearer")


@frozen
class Challenge:
    """One way to authenticate.

    Attributes:
        scheme: in lower case.
        parameters: values by names in lower case; the first of duplicates counts.
    """

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(values: Iterable[str]) -> tuple[Challenge, ...]:
    """The challenges of all WWW-Authenticate headers, in order; malformed parts are skipped."""
    return tuple(challenge for value in values for challenge in _parse(value[:_HEADER_MAX]))


def choose_challenge(challenges: Iterable[Challenge]) -> Challenge | None:
    """The first challenge whose scheme is known, None if there is none (REG-011)."""
    return next((each for each in challenges if each.scheme in _KNOWN), None)


def _parse(text: str) -> list[Challenge]:
    found: list[tuple[str, dict[str, str]]] = []
    a_token, a_value = re.compile(_TOKEN), re.compile(_VALUE, re.DOTALL)
    at = 0
    while match := a_token.match(text, at):
        token, at = match[2].lower(), match.end()
        value = a_value.match(text, at)
        if value is None:
            # Directly after a scheme, without a comma, it is the scheme's token68: ignored.
            if not found or "," in match[1]:
                found.append((token, {}))
        else:
            at = value.end()
            if found:
                quoted, bare = value.groups()
                unquoted = (
                    bare if quoted is None else re.sub(_ESCAPED, r"\1", quoted, flags=re.DOTALL)
                )
                found[-1][1].setdefault(token, unquoted)
        if text[at : at + 1].strip(" \t,") and not a_token.match(text, at):
            # Not a parameter, such as the rest of a token68: skip to the next comma.
            at = text.find(",", at)
            if at < 0:
                break
    return [Challenge(scheme, parameters) for scheme, parameters in found]
