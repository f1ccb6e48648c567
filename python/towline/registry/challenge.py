"""WWW-Authenticate: how a registry wants to be told who asks (REG-010), by RFC 9110, 11.6."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["Challenge", "choose_challenge", "parse_challenges"]

_HEADER_MAX = 4096  # characters that are looked at; real challenges have a few hundred
_WORD = re.compile(r"([\s,]*)([!#$%&'*+.^_`|~0-9A-Za-z-]+)")
_VALUE = re.compile(r'\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_KNOWN = ("basic", "bearer")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to authenticate.

    Attributes:
        scheme: in lower case.
        parameters: by name in lower case; the first of duplicates.
    """

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(values: Iterable[str]) -> tuple[Challenge, ...]:
    """The challenges of all WWW-Authenticate headers, in order; what cannot be read is left out."""
    return tuple(challenge for value in values for challenge in _in_one(value[:_HEADER_MAX]))


def choose_challenge(challenges: Iterable[Challenge]) -> Challenge | None:
    """The first whose scheme is known, None where there is none (REG-011)."""
    return next((each for each in challenges if each.scheme in _KNOWN), None)


def _in_one(text: str) -> list[Challenge]:
    found: list[tuple[str, dict[str, str]]] = []
    at = 0
    while match := _WORD.match(text, at):
        word, at = match[2].lower(), match.end()
        value = _VALUE.match(text, at)
        if value is None:
            # Behind a scheme and a space alone it is that scheme's token68, and nothing to us.
            if not found or "," in match[1]:
                found.append((word, {}))
        else:
            at = value.end()
            if found:
                quoted, bare = value.groups()
                told = bare if quoted is None else _ESCAPED.sub(r"\1", quoted)
                found[-1][1].setdefault(word, told)
        if text[at : at + 1].strip(" \t,") and not _WORD.match(text, at):
            # Something that is no parameter, such as the rest of a token68: on to the next comma.
            at = text.find(",", at)
            if at < 0:
                break
    return [Challenge(scheme, parameters) for scheme, parameters in found]
