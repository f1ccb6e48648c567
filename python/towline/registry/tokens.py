"""Bearer tokens from the token service of a registry, cached until they expire (REG-012)."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from towline.errors import RegistryError
from towline.go.go_json import GoJsonError, decode, integer, string, struct
from towline.registry.credentials import Credentials, basic
from towline.registry.error_body import parse_web_url, reason_phrase, redact_url

if TYPE_CHECKING:
    from towline.registry.challenge import Challenge
    from towline.registry.http import HttpClient
    from towline.registry.response import Response

__all__ = ["Tokens"]

_TOKEN_MAX = 1 << 20  # bytes of a response of the token service
_LIFETIME_MIN = 60  # seconds; shorter lifetimes are raised to it
_CLIENT_ID = "towline"
# Characters that are valid in a header; others could end it and begin another one.
_SAFE = r"[\x21-\x7e]+"


class Tokens:
    """The tokens of one client, by scope.  Safe in any number of threads."""

    def __init__(self, http: HttpClient, credentials: Credentials | None) -> None:
        self._http = http
        self._credentials = credentials
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

    def _request(self, challenge: Challenge, scopes: tuple[str, ...]) -> tuple[str, int]:
        realm = self._realm(challenge)
        service = challenge.parameters.get("service", "")
        credentials = self._credentials
        if credentials is not None and credentials.identity_token:
            form = [
                ("client_id", _CLIENT_ID),
                ("grant_type", "refresh_token"),
                ("refresh_token", credentials.identity_token),
                *(("scope", scope) for scope in scopes),
                ("service", service),
            ]
            response = self._http.request(
                realm,
                {"Content-Type": "application/x-www-form-urlencoded"},
                method="POST",
                body=urlencode(form).encode(),
            )
            return self._parse(response)
        parts = urlsplit(realm)
        query = parse_qsl(parts.query, keep_blank_values=True)
        if credentials is not None and credentials.username:
            query.append(("account", credentials.username))
        query += [("scope", scope) for scope in scopes]
        if service:
            query.append(("service", service))
        query.sort(key=lambda pair: pair[0])
        url = urlunsplit(parts._replace(query=urlencode(query, errors="surrogateescape")))
        usable = credentials is not None and credentials.username and credentials.password
        authorization = basic(credentials) if credentials is not None and usable else None
        return self._parse(self._http.request(url, {}, authorization=authorization))

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

    def _parse(self, response: Response) -> tuple[str, int]:
        options = self._http.options
        facts = {"url": redact_url(response.url), "host": options.host}
        with response:
            if response.status != 200:
                response.finish()
                refused = response.status in (401, 403)
                raise RegistryError(
                    "registry.token_refused" if refused else "registry.token_status",
                    status=response.status,
                    reason=reason_phrase(response.status),
                    credentials=self._credentials is not None,
                    **facts,
                )
            data = response.read_all(_TOKEN_MAX, "token")
        token, lifetime, fault = "", 0, ""
        try:
            document = struct(decode(data))
            token = document.get("token", string, "") or document.get("access_token", string, "")
            lifetime = document.get("expires_in", integer, 0)
        except GoJsonError as error:
            fault = str(error)
        if fault:  # AUTH-007: not raised above, since the decoder's error contains the whole text
            raise RegistryError("registry.token_unusable", reason=fault, **facts)
        if not re.fullmatch(_SAFE, token):
            reason = "there is no token in it" if not token else "the token has odd characters"
            raise RegistryError("registry.token_unusable", reason=reason, **facts)
        return token, max(lifetime, _LIFETIME_MIN)
