"""Bearer tokens, from the service that the registry names, kept while they last (REG-012)."""

from __future__ import annotations

import re
import threading
import time
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from towline.errors import RegistryError
from towline.go.go_json import GoJsonError, decode, integer, string, struct
from towline.registry.challenge import Challenge
from towline.registry.credentials import Credentials, basic
from towline.registry.error_body import parse_web_url, reason_phrase, redact_url
from towline.registry.http import HttpClient
from towline.registry.response import Response

__all__ = ["Tokens"]

_TOKEN_MAX = 1 << 20  # bytes of a token service's answer
_LIFE_MIN = 60  # seconds; services that promise less are not believed
_CLIENT_ID = "towline"
# What may stand in a header; anything else could end it and begin another.
_SAFE = re.compile(r"[\x21-\x7e]+")


class Tokens:
    """The tokens of one client, by scope.  Safe in any number of threads."""

    def __init__(self, web: HttpClient, credentials: Credentials | None) -> None:
        self._web = web
        self._credentials = credentials
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, ...], tuple[str, float]] = {}

    def get(self, challenge: Challenge, scopes: tuple[str, ...]) -> str:
        """A token for the scopes: one that is kept, or a new one.

        Raises:
            RegistryError: ``registry.token_realm``, ``registry.token_refused``,
                ``registry.token_status``, ``registry.token_unusable``, or the failure of the way.
        """
        with self._lock:  # one thread asks, the others wait for what it gets
            token, until = self._kept.get(scopes, ("", 0.0))
            if not token or time.monotonic() >= until:
                token, life = self._ask(challenge, scopes)
                self._kept[scopes] = (token, time.monotonic() + life)
            return token

    def drop(self, token: str) -> None:
        """Forget a token that the registry did not accept."""
        with self._lock:
            self._kept = {key: kept for key, kept in self._kept.items() if kept[0] != token}

    def _ask(self, challenge: Challenge, scopes: tuple[str, ...]) -> tuple[str, int]:
        realm = self._realm(challenge)
        service = challenge.parameters.get("service", "")
        who = self._credentials
        if who is not None and who.identity_token:
            form = [
                ("client_id", _CLIENT_ID),
                ("grant_type", "refresh_token"),
                ("refresh_token", who.identity_token),
                *(("scope", scope) for scope in scopes),
                ("service", service),
            ]
            answer = self._web.ask(
                realm,
                {"Content-Type": "application/x-www-form-urlencoded"},
                method="POST",
                body=urlencode(form).encode(),
            )
            return self._read(answer)
        parts = urlsplit(realm)
        query = parse_qsl(parts.query, keep_blank_values=True)
        if who is not None and who.username:
            query.append(("account", who.username))
        query += [("scope", scope) for scope in scopes]
        if service:
            query.append(("service", service))
        query.sort(key=lambda pair: pair[0])
        url = urlunsplit(parts._replace(query=urlencode(query, errors="surrogateescape")))
        known = who is not None and who.username and who.password
        authorization = basic(who) if who is not None and known else None
        return self._read(self._web.ask(url, {}, authorization=authorization))

    def _realm(self, challenge: Challenge) -> str:
        realm = challenge.parameters.get("realm", "")
        options = self._web.options
        parts = parse_web_url(realm)
        if parts is None or parts.username is not None:
            raise RegistryError("registry.token_realm", host=options.host, realm=realm)
        if parts.scheme == "http" and not options.insecure:
            # Who listens on the way would learn the password, and the token in any case.
            raise RegistryError("registry.token_insecure", host=options.host, url=redact_url(realm))
        return urlunsplit(parts._replace(fragment=""))

    def _read(self, answer: Response) -> tuple[str, int]:
        options = self._web.options
        facts = {"url": redact_url(answer.url), "host": options.host}
        with answer:
            if answer.status != 200:
                answer.finish()
                refused = answer.status in (401, 403)
                raise RegistryError(
                    "registry.token_refused" if refused else "registry.token_status",
                    status=answer.status,
                    reason=reason_phrase(answer.status),
                    credentials=self._credentials is not None,
                    **facts,
                )
            data = answer.read_all(_TOKEN_MAX, "token")
        token, life, fault = "", 0, ""
        try:
            document = struct(decode(data))
            token = document.get("token", string, "") or document.get("access_token", string, "")
            life = document.get("expires_in", integer, 0)
        except GoJsonError as error:
            fault = str(error)
        if fault:  # AUTH-007: not above, where the decoder's error has the whole text
            raise RegistryError("registry.token_unusable", reason=fault, **facts)
        if not _SAFE.fullmatch(token):
            reason = "there is no token in it" if not token else "the token has odd characters"
            raise RegistryError("registry.token_unusable", reason=reason, **facts)
        return token, max(life, _LIFE_MIN)
