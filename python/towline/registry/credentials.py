"""The credentials for a registry; `towline.config` finds them.

No ``repr`` contains a secret (AUTH-007).
"""

from __future__ import annotations

import base64
import html
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from towline.frozen import field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from towline.errors import TowlineError

__all__ = ["Credentials", "Login", "basic", "redact"]

_SECRET_MIN = 4  # characters; shorter ones are parts of usual words


@frozen
class Credentials:
    """The credentials for a registry.

    Attributes:
        username: of the user.
        password: of the user.
        identity_token: a token for the token service, instead of the password; ``""`` if there
            is none.
    """

    username: str
    password: str = field(repr=False)
    identity_token: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        """Refuse what is not a text; no message contains it.

        Raises:
            TypeError: a field is not a text.
        """
        for name in self.__match_args__:
            if not isinstance(getattr(self, name), str):
                raise TypeError(f"{name} must be a text")

    @property
    def usable_for_basic(self) -> bool:
        """Whether they can answer a Basic challenge; the name or the password may be empty."""
        return bool(self.username or self.password)


@frozen
class Login:
    """The credentials for a registry, and what an error says about them.

    Attributes:
        credentials: None if there are none.
        origin: the auth file or helper that has them, ``""`` if the caller gave them.
        problems: the errors of the auth files and helpers that could not be used.
        authfile: the auth file to which credentials can be added.
    """

    credentials: Credentials | None = None
    origin: str = ""
    problems: tuple[TowlineError, ...] = ()
    authfile: str = ""

    def facts(self, *, sent: bool) -> dict[str, Any]:
        """The facts of a refusal, without secrets; `sent` is whether the credentials were sent."""
        return {
            "credentials_sent": sent,
            "origin": self.origin if sent else "",
            "problems": self.problems,
            "authfile": self.authfile,
        }

    def secrets(self) -> tuple[str, ...]:
        """The texts that no message may contain (AUTH-007)."""
        own = self.credentials
        if own is None:
            return ()
        return (own.password, own.identity_token, basic(own).partition(" ")[2])


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text with secrets replaced, also in the forms of JSON, HTML and URLs (AUTH-007)."""
    forms: set[str] = set()
    for secret in secrets:
        if len(secret) >= _SECRET_MIN:
            quoted = json.dumps(secret)[1:-1]
            raw = json.dumps(secret, ensure_ascii=False)[1:-1]
            forms.update(
                (secret, quoted, raw, html.escape(secret), html.escape(secret, quote=False))
            )
            forms.update(_without_markup(each) for each in (quoted, raw))
            encoded = secret.encode("utf-8", "surrogateescape")
            # Some programs leave the slashes of a URL as they are.
            forms.update((quote(encoded, safe=""), quote(encoded), quote_plus(encoded)))
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, "***")
    return text


def _without_markup(text: str) -> str:
    """The text as Go's encoder of JSON writes it, which escapes characters of HTML."""
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def basic(credentials: Credentials) -> str:
    """The value of an Authorization header for a user and a password."""
    pair = f"{credentials.username}:{credentials.password}".encode("utf-8", "surrogateescape")
    return "Basic " + base64.b64encode(pair).decode()
