"""Parser of WWW-Authenticate headers, which ask for authentication (REG-010; RFC 9110, 11.6)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from towline.frozen import frozen
from towline.registry.error_body import parse_web_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from towline.registry.credentials import Credentials

__all__ = ["KNOWN_SCHEMES", "Challenge", "choose_challenge", "parse_challenges", "with_realm"]

KNOWN_SCHEMES = ("basic", "bearer")
_HEADERS_MAX = 32 * 1024  # characters of all headers; those of Kerberos have some thousands
_CHALLENGES_MAX = 64
# Compiled when a registry first asks for authentication.
_TOKEN = r"([\s,]*)([!#$%&'*+.^_`|~0-9A-Za-z-]+)"
_VALUE = r'\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))'
_ESCAPED = r"\\(.)"


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
    """The challenges of all WWW-Authenticate headers, in order; malformed parts are skipped.

    What exceeds the limits of all headers together is ignored.
    """
    found: list[Challenge] = []
    left = _HEADERS_MAX
    for value in values:
        found += _parse(value[:left])
        left -= len(value)
        if left <= 0 or len(found) >= _CHALLENGES_MAX:
            break
    return tuple(found[:_CHALLENGES_MAX])


def with_realm(challenge: Challenge, url: str) -> Challenge:
    """The challenge with a realm that is only a path made absolute, by the URL of the response."""
    realm = challenge.parameters.get("realm", "")
    if challenge.scheme != "bearer" or not realm.startswith("/"):
        return challenge
    try:
        absolute = urljoin(url, realm)
    except ValueError:
        return challenge
    return Challenge(challenge.scheme, {**challenge.parameters, "realm": absolute})


def choose_challenge(
    challenges: Iterable[Challenge], credentials: Credentials | None
) -> Challenge | None:
    """The challenge to answer: the first that can be answered (REG-011).

    Without a password that is a Bearer challenge, since its token service may give a token to
    anyone, or for an identity token.  If none can be answered, it is the first with a known scheme,
    and if there is none of these, None.
    """
    password = credentials is not None and credentials.usable_for_basic
    known = [each for each in challenges if each.scheme in KNOWN_SCHEMES]
    answerable = [
        each for each in known if (password if each.scheme == "basic" else _has_realm(each))
    ]
    if credentials is None or not password or credentials.identity_token:
        answerable.sort(key=lambda each: each.scheme == "basic")
    # A request without credentials may succeed; one for a token without a realm cannot be made.
    known.sort(key=lambda each: each.scheme == "bearer")
    return next(iter([*answerable, *known]), None)


def _has_realm(challenge: Challenge) -> bool:
    """Whether a Bearer challenge names its token service."""
    return parse_web_url(challenge.parameters.get("realm", "")) is not None


def _parse(text: str) -> list[Challenge]:
    found: list[tuple[str, dict[str, str]]] = []
    a_token, a_value = re.compile(_TOKEN), re.compile(_VALUE, re.DOTALL)
    at = 0
    while match := a_token.match(text, at):
        token, at = match[2].lower(), match.end()
        value = a_value.match(text, at)
        if value is None:
            # Directly after a scheme, without a comma, it is the scheme's token68: ignored.
            if not found or "," in match[1] or found[-1][1]:
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
