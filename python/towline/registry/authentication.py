"""How a client authenticates: the header that answers a challenge, with or without credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.registry.challenge import (
    Challenge,
    choose_challenge,
    parse_challenges,
    with_realm,
)
from towline.registry.credentials import Login, basic
from towline.registry.http import HttpClient, origin
from towline.registry.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterable

    from towline.registry.response import Response

__all__ = ["Authentication", "challenges_of"]


class Authentication:
    """The credentials of a client and the tokens for them.  Safe in any number of threads.

    Attributes:
        login: the credentials, and where they come from.
    """

    def __init__(self, http: HttpClient, login: Login) -> None:
        self.login = login
        self._tokens = Tokens(http, login)

    def choose(self, challenges: Iterable[Challenge]) -> Challenge | None:
        """The challenge that is answered, None if there is none with a known scheme (REG-011)."""
        return choose_challenge(challenges, self.login.credentials)

    def header(self, challenge: Challenge | None, scopes: tuple[str, ...]) -> str | None:
        """The Authorization header that answers a challenge; None if there is no answer.

        Raises:
            RegistryError: as `Tokens.get`.
        """
        if challenge is None:
            return None
        if challenge.scheme == "bearer":
            return f"Bearer {self._tokens.get(challenge, scopes)}"
        own = self.login.credentials
        return basic(own) if own is not None and own.usable_for_basic else None

    def drop_token(self, header: str) -> None:
        """Do not use the token in a header again: the registry refused it."""
        self._tokens.drop(header.partition(" ")[2])

    def without_secrets(self, data: bytes) -> bytes:
        """The bytes of a response with the secrets replaced that the server may have repeated."""
        return self.login.without_secrets(data, *self._tokens.known())


def challenges_of(response: Response, requested: str) -> tuple[Challenge, ...]:
    """The challenges of a registry, none if the response is from another origin (AUTH-010).

    A challenge determines where the password is sent, so a host that the registry redirects to
    must not set it.
    """
    if origin(response.url) != origin(requested):
        return ()
    found = parse_challenges(response.headers("WWW-Authenticate"))
    return tuple(with_realm(each, response.url) for each in found)
