"""A registry, as it is asked for manifests and blobs (REG-001 to REG-015)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Self

from urllib3 import HTTPHeaderDict

from towline.cancel import CancelToken
from towline.errors import RegistryError, TowlineError, step
from towline.registry.challenge import Challenge, choose_challenge, parse_challenges
from towline.registry.credentials import Credentials, basic
from towline.registry.endpoint_log import RateLimit, read_rate_limit
from towline.registry.error_body import reason_phrase
from towline.registry.http import HttpClient, HttpOptions, origin
from towline.registry.response import Response
from towline.registry.tls import Certificates
from towline.registry.tokens import Tokens
from towline.rules import Rules
from towline.timeouts import Timeouts

__all__ = ["RegistryClient"]

_HUB = ("docker.io", "registry-1.docker.io")


class RegistryClient:
    """One registry.  Safe in any number of threads; nothing is asked before it is needed.

    Args:
        host: as it stands in an image name, with its port; Docker Hub is asked at its real host.
        insecure: certificates are not checked, and where HTTPS fails, plain HTTP is spoken; None
            where nobody said, which is no.
        credentials: who we are, for this registry.
        certificates: of this host.
        rules: the edition.
        cancel: stops what is under way.
        timeouts: how long the registry is waited for.
        connections: how many are kept for the next requests.
    """

    def __init__(
        self,
        host: str,
        *,
        rules: Rules,
        insecure: bool | None = None,
        credentials: Credentials | None = None,
        certificates: Certificates | None = None,
        cancel: CancelToken | None = None,
        timeouts: Timeouts | None = None,
        connections: int = 6,
    ) -> None:
        self.host = _HUB[1] if host == _HUB[0] else host
        self.cancel = cancel or CancelToken()
        self._rules = rules
        self._insecure = bool(insecure)
        self._credentials = credentials
        self._web = HttpClient(
            HttpOptions(
                host=self.host,
                insecure=self._insecure,
                downgrade=rules.downgrade,
                retries=rules.retries,
                certificates=certificates,
                timeouts=timeouts or Timeouts(),
                cancel=self.cancel,
                connections=connections,
            )
        )
        self._tokens = Tokens(self._web, credentials)
        self._lock = threading.Lock()
        self._base: str | None = None
        self._challenge: Challenge | None = None
        #: What the registry last said of its limits (REG-050).
        self.rate_limit: RateLimit | None = None

    def __repr__(self) -> str:
        return f"RegistryClient({self.host!r})"

    @property
    def has_credentials(self) -> bool:
        """Whether the registry is told who asks."""
        return self._credentials is not None

    def ping(self) -> str:
        """The base URL, found once: HTTPS, and plain HTTP after it where that is allowed (REG-002).

        Raises:
            RegistryError: nobody answers there, or something that is no registry does.
        """
        with self._lock:
            self.cancel.raise_if_cancelled()
            if self._base is None:
                self._base = self._find_base()
            return self._base

    def get(
        self,
        repository: str,
        rest: str,
        headers: Mapping[str, str] | HTTPHeaderDict | None = None,
        *,
        retries: int | None = None,
    ) -> Response:
        """Ask for ``/v2/REPOSITORY/REST``, both checked before; any status comes back.

        Raises:
            RegistryError: ping, token or the way itself failed.
        """
        return self._request("GET", self.ping(), repository, rest, headers or {}, retries)

    def head(
        self, repository: str, rest: str, headers: Mapping[str, str] | HTTPHeaderDict
    ) -> Response:
        """The answer to one HEAD request below the repository, which is not repeated.

        It may be the first request of all: where no ping has told the scheme yet, each that is
        allowed is tried, and what answers 200 is remembered as `ping` would.

        Args:
            repository: as in `get`.
            rest: as in `get`.
            headers: as in `get`.

        Raises:
            RegistryError: token or the way itself failed.
        """
        *others, last = self._bases()
        for base in others:
            try:
                return self._request("HEAD", base, repository, rest, headers, 0)
            except RegistryError:
                if self._bases() == (base,):  # it is there, and what it wants is not to be had
                    raise
        return self._request("HEAD", last, repository, rest, headers, 0)

    def _request(
        self,
        method: str,
        base: str,
        repository: str,
        rest: str,
        sent: Mapping[str, str] | HTTPHeaderDict,
        retries: int | None,
    ) -> Response:
        url = f"{base}/v2/{repository}/{rest}"
        scopes: tuple[str, ...] = (f"repository:{repository}:pull",)
        challenge = self._challenge
        authorization = self._authorization(challenge, scopes)
        answer = self._ask(method, url, sent, authorization, retries)
        if answer.status in (200, 401):  # as of a ping: it is a registry
            with self._lock:
                self._base = base
        if answer.status != 401 or not self._rules.reauthorize:  # REG-014
            return answer
        # What the ping did not tell, a refusal may; and a token may have ended before its time.
        wanted = _challenge(answer, url) or challenge
        if wanted is None:
            return answer
        if wanted.scheme == "bearer":
            if wanted.parameters.get("error") == "insufficient_scope":
                asked = wanted.parameters.get("scope", "").split()
                scopes += tuple(scope for scope in asked if scope not in scopes)
            if authorization is not None:
                self._tokens.drop(authorization.partition(" ")[2])
        try:
            again = self._authorization(wanted, scopes)
        except TowlineError:
            answer.close()
            raise
        if again is None or again == authorization:
            return answer
        answer.finish()
        with self._lock:
            self._challenge = wanted
        return self._ask(method, url, sent, again, retries)

    def get_elsewhere(self, url: str) -> Response:
        """Ask another host for a blob: without a word about who we are (REG-028)."""
        return self._web.ask(url, {}, retries=0)

    def close(self) -> None:
        """Close all connections, cutting what is under way; idempotent."""
        self._web.close()

    def _ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | HTTPHeaderDict,
        authorization: str | None,
        retries: int | None,
    ) -> Response:
        answer = self._web.ask(
            url, headers, authorization=authorization, method=method, retries=retries
        )
        limit, left = answer.header("RateLimit-Limit"), answer.header("RateLimit-Remaining")
        if limit or left:
            source = answer.header("Docker-RateLimit-Source")
            self.rate_limit = read_rate_limit(limit, left, source)
        return answer

    def _authorization(self, challenge: Challenge | None, scopes: tuple[str, ...]) -> str | None:
        if challenge is None:
            return None
        if challenge.scheme == "bearer":
            return f"Bearer {self._tokens.get(challenge, scopes)}"
        who = self._credentials
        return basic(who) if who is not None and who.password else None

    @property
    def _schemes(self) -> tuple[str, ...]:
        return ("https", "http") if self._insecure else ("https",)

    def _bases(self) -> tuple[str, ...]:
        """The base URL where it is known, else all that it may be, in the order of asking."""
        with self._lock:
            known = self._base
        return (known,) if known else tuple(f"{scheme}://{self.host}" for scheme in self._schemes)

    def _find_base(self) -> str:
        schemes = self._schemes
        try:
            with step("pinging"):
                return self._ping_by(schemes)
        except RegistryError as error:
            problem = error
        if self._rules.ping_v1 and any(self._speaks_v1(scheme) for scheme in schemes):
            raise RegistryError("registry.v1", host=self.host)
        raise problem

    def _ping_by(self, schemes: tuple[str, ...]) -> str:
        *others, last = schemes
        for scheme in others:
            try:
                # Not repeated: another way is left.
                return self._ping(scheme, retries=0)
            except RegistryError:
                continue
        return self._ping(last, retries=None)

    def _ping(self, scheme: str, *, retries: int | None) -> str:
        base = f"{scheme}://{self.host}"
        with self._web.ask(f"{base}/v2/", {}, retries=retries) as answer:
            answer.finish()
            if answer.status not in (200, 401):
                raise RegistryError(
                    "registry.ping_status",
                    url=f"{base}/v2/",
                    host=self.host,
                    status=answer.status,
                    reason=reason_phrase(answer.status),
                )
            self._challenge = _challenge(answer, base)
        return base

    def _speaks_v1(self, scheme: str) -> bool:
        try:
            with self._web.ask(f"{scheme}://{self.host}/v1/_ping", {}, retries=0) as answer:
                answer.finish()
                return answer.status in (200, 401)
        except RegistryError:
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _challenge(answer: Response, asked: str) -> Challenge | None:
    """What a registry asks for; not what somebody else does to whom it redirects (AUTH-010).

    A challenge says where the password goes.
    """
    if origin(answer.url) != origin(asked):
        return None
    return choose_challenge(parse_challenges(answer.headers("WWW-Authenticate")))
