"""Bearer tokens from the token service of a registry, cached until they expire (REG-012)."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from towline.errors import RegistryError
from towline.go import json_depth
from towline.registry.credentials import Login, basic
from towline.registry.error_body import (
    BODY_MAX,
    parse_web_url,
    read_error_body,
    reason_phrase,
    redact_url,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from towline.registry.challenge import Challenge
    from towline.registry.http import HttpClient
    from towline.registry.response import Response

__all__ = ["Tokens"]

_TOKEN_MAX = 1 << 20  # bytes of a response of the token service
_LIFETIME_MIN = 60.0  # seconds; shorter lifetimes are raised to it
_CLIENT_ID = "towline"
_REFUSALS = (401, 403)  # the statuses by which a token service refuses credentials
# Characters that are valid in a header; others could end it and begin another one.
_SAFE = r"[\x21-\x7e]+"


class Tokens:
    """The tokens of one client, by scope.  Safe in any number of threads."""

    def __init__(
        self, http: HttpClient, login: Login, secrets: Callable[[], Iterable[str]]
    ) -> None:
        """No tokens yet; `secrets` returns the texts that no message may contain."""
        self._http = http
        self._login = login
        self._secrets = secrets
        self._lock = threading.Lock()
        self._cache: dict[tuple[str, ...], tuple[str, float]] = {}

    def get(self, challenge: Challenge, scopes: tuple[str, ...]) -> str:
        """A token for the scopes, from the cache or a new one.

        Raises:
            RegistryError: ``registry.token_realm``, ``registry.token_refused``,
                ``registry.token_status``, ``registry.token_unusable``, or as `HttpClient.request`.
        """
        with self._lock:  # one thread requests a token, the others wait and use it too
            token, until = self._cache.get(scopes, ("", 0.0))
            if not token or time.monotonic() >= until:
                token, lifetime = self._request(challenge, scopes)
                self._cache[scopes] = (token, time.monotonic() + lifetime)
            return token

    def drop(self, token: str) -> None:
        """Remove a token that the registry refused from the cache."""
        with self._lock:
            self._cache = {key: pair for key, pair in self._cache.items() if pair[0] != token}

    def known(self) -> list[str]:
        """The tokens in the cache; without the lock, which is held while a token is requested."""
        return [token for token, _ in list(self._cache.values())]

    def _request(self, challenge: Challenge, scopes: tuple[str, ...]) -> tuple[str, float]:
        realm = self._realm(challenge)
        service = challenge.parameters.get("service", "")
        credentials = self._login.credentials
        if credentials is not None and credentials.identity_token:
            form = [
                ("client_id", _CLIENT_ID),
                ("grant_type", "refresh_token"),
                ("refresh_token", credentials.identity_token),
                ("scope", " ".join(scopes)),
            ]
            if service:
                form.append(("service", service))
            response = self._http.request(
                realm,
                {"Content-Type": "application/x-www-form-urlencoded"},
                method="POST",
                body=urlencode(form).encode(),
            )
            # OAuth 2.0 has the status 400 for a token that is not valid.
            return self._parse(response, sent=True, refusals=(400, *_REFUSALS))
        parts = urlsplit(realm)
        query = parse_qsl(parts.query, keep_blank_values=True)
        if credentials is not None and credentials.username:
            query.append(("account", credentials.username))
        query += [("scope", scope) for scope in scopes]
        if service:
            query.append(("service", service))
        query.sort(key=lambda pair: pair[0])
        url = urlunsplit(parts._replace(query=urlencode(query, errors="surrogateescape")))
        sent = credentials is not None and credentials.usable_for_basic
        authorization = basic(credentials) if credentials is not None and sent else None
        return self._parse(self._http.request(url, {}, authorization=authorization), sent=sent)

    def _realm(self, challenge: Challenge) -> str:
        realm = challenge.parameters.get("realm", "")
        options = self._http.options
        parts = parse_web_url(realm)
        if parts is None or parts.username is not None:
            raise RegistryError("registry.token_realm", host=options.host, realm=realm)
        if parts.scheme == "http" and not options.insecure:
            # The password and the token would be sent unencrypted.
            raise RegistryError("registry.token_insecure", host=options.host, url=redact_url(realm))
        return urlunsplit(parts._replace(fragment=""))

    def _parse(
        self, response: Response, *, sent: bool, refusals: tuple[int, ...] = _REFUSALS
    ) -> tuple[str, float]:
        """Token and lifetime in a response; `sent` is whether credentials were sent for it."""
        facts = {"url": redact_url(response.url), "host": self._http.options.host}
        with response:
            if response.status != 200:
                refused = response.status in refusals
                raise self._refusal(response, sent=sent, refused=refused)
            data = response.read_all(_TOKEN_MAX, "token")
        document = _object(data)
        if document is None:
            raise RegistryError("registry.token_unusable", reason="it is no JSON object", **facts)
        token = _text(document.get("token")) or _text(document.get("access_token"))
        if not re.fullmatch(_SAFE, token):
            reason = "there is no token in it" if not token else "the token has odd characters"
            raise RegistryError("registry.token_unusable", reason=reason, **facts)
        return token, _lifetime(document.get("expires_in"))

    def _refusal(self, response: Response, *, sent: bool, refused: bool) -> RegistryError:
        return RegistryError(
            "registry.token_refused" if refused else "registry.token_status",
            status=response.status,
            reason=reason_phrase(response.status),
            answers=read_error_body(response.read_some(BODY_MAX), self._secrets()),
            url=redact_url(response.url),
            host=self._http.options.host,
            **self._login.facts(sent=sent),
        )


def _object(data: bytes) -> dict[str, Any] | None:
    """The members of a JSON object, with keys in lower case; None for anything else."""
    try:  # numbers of any size, and NaN, are read, because none of them matters
        document = json_depth.loads(data, parse_int=float)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    return {key.lower(): value for key, value in document.items()}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _lifetime(seconds: object) -> float:
    """The seconds for which a token is used; what is not a number counts as none (REG-012)."""
    try:
        lifetime = float(seconds) if isinstance(seconds, int | float | str) else 0.0
    except ValueError:
        lifetime = 0.0
    return max(_LIFETIME_MIN, lifetime)  # in this order, since NaN is not larger
