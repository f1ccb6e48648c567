"""How a client authenticates: the header that answers a challenge, with or without credentials."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from towline.errors import PullCancelledError, TowlineError, UnauthorizedError
from towline.registry.challenge import (
    Challenge,
    choose_challenge,
    parse_challenges,
    with_realm,
)
from towline.registry.credentials import Login, basic
from towline.registry.http import HttpClient, origin
from towline.registry.response import Response
from towline.registry.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Authentication", "Authentications", "challenges_of"]


class Authentication:
    """The credentials of a client and the tokens for them.  Safe in any number of threads.

    Attributes:
        login: the credentials, and where they come from.
    """

    def __init__(
        self, http: HttpClient, login: Login, secrets: Callable[[], Iterable[str]]
    ) -> None:
        """No request yet; `secrets` returns the texts that no message may contain."""
        self.login = login
        self._tokens = Tokens(http, login, secrets)

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

    def secrets(self) -> tuple[str, ...]:
        """The texts that a server may repeat and no message may contain."""
        return (*self.login.secrets(), *self._tokens.known())


class Authentications:
    """The authentication of a client.  Safe in any number of threads.

    If the registry refuses the credentials, a request is repeated without them; if it then
    succeeds, they are not used again (AUTH-016).

    Attributes:
        current: the authentication of the next requests.
    """

    def __init__(self, http: HttpClient, login: Login, *, can_omit: bool) -> None:
        """The authentication with some credentials; `can_omit` permits requests without them."""
        self.current = Authentication(http, login, self.secrets)
        self._anonymous = Authentication(http, Login(), self.secrets) if can_omit else None
        self._all = [each for each in (self.current, self._anonymous) if each is not None]
        self._lock = threading.Lock()

    def secrets(self) -> tuple[str, ...]:
        """The texts that a server may repeat, then or later, and no message may contain."""
        return tuple(secret for each in self._all for secret in each.secrets())

    def request(
        self, send: Callable[[Authentication], Response], warn: Callable[[str], None]
    ) -> Response:
        """The response to a request.

        Args:
            send: sends the request.
            warn: called with the origin of the credentials if they are not used any more.

        Raises:
            TowlineError: as `send`.
        """
        with self._lock:
            used, anonymous = self.current, self._anonymous
        got = _response_or_refusal(send, used)
        if anonymous is not None:
            if isinstance(got, Response) and got.status < 400:
                with self._lock:
                    self._anonymous = None  # the credentials are accepted
            elif _refuses_credentials(got):
                again = self._anonymous_response(send, anonymous)
                if again is not None:
                    warn(used.login.origin)
                    if isinstance(got, Response):
                        got.finish()
                    got = again
        if isinstance(got, UnauthorizedError):
            raise got
        return got

    def _anonymous_response(
        self, send: Callable[[Authentication], Response], anonymous: Authentication
    ) -> Response | None:
        """The response to the same request without credentials; None if it fails."""
        try:
            got = _response_or_refusal(send, anonymous)
        except PullCancelledError:
            raise
        except TowlineError:
            return None
        if isinstance(got, UnauthorizedError) or got.status in (401, 403):
            with self._lock:
                self._anonymous = None
        if isinstance(got, UnauthorizedError):
            return None
        if got.status >= 400:
            got.finish()
            return None
        with self._lock:
            self.current, self._anonymous = anonymous, None
        return got


def _response_or_refusal(
    send: Callable[[Authentication], Response], used: Authentication
) -> Response | UnauthorizedError:
    try:
        return send(used)
    except UnauthorizedError as error:
        return error


def _refuses_credentials(got: Response | UnauthorizedError) -> bool:
    if isinstance(got, UnauthorizedError):
        return bool(got.facts.get("credentials_sent"))
    return got.status in (401, 403) and got.has_credentials


def challenges_of(response: Response, requested: str) -> tuple[Challenge, ...]:
    """The challenges of a registry, none if the response is from another origin (AUTH-010).

    A challenge determines where the password is sent, so a host that the registry redirects to
    must not set it.
    """
    if origin(response.url) != origin(requested):
        return ()
    found = parse_challenges(response.headers("WWW-Authenticate"))
    return tuple(with_realm(each, response.url) for each in found)
