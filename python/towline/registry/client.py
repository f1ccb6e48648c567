"""The client of one registry: requests for manifests and blobs (REG-001 to REG-015)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from urllib3 import HTTPHeaderDict

from towline.cancel import CancelToken
from towline.errors import RegistryError, TowlineError, step
from towline.registry.authentication import Authentication, Authentications, challenges_of
from towline.registry.connection_slots import PARALLEL_BLOBS
from towline.registry.credentials import Login
from towline.registry.endpoint_log import RateLimit, read_rate_limit
from towline.registry.error_body import (
    BODY_MAX,
    Requested,
    read_error_body,
    reason_phrase,
    response_error,
)
from towline.registry.http import HttpClient, HttpOptions, origin
from towline.registry.response import Response
from towline.timeouts import Timeouts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towline.errors import Warn
    from towline.registry.certificates import Certificates
    from towline.registry.challenge import Challenge
    from towline.rules.limits import TransferLimits
    from towline.rules.registry import RegistryRules

__all__ = ["RegistryClient"]

_HUB = ("docker.io", "registry-1.docker.io")


class RegistryClient:
    """The client of one registry.  Safe in any number of threads; it connects when first used.

    Args:
        host: as in an image name, with its port; ``docker.io`` is replaced by its real host.
        insecure: do not verify certificates, and use plain HTTP if HTTPS fails; None means no.
        login: the credentials for this registry.
        certificates: of this host.
        rules: the protocol of the edition.
        limits: of retries.
        cancel: cancels all requests.
        warn: called with each error that is only a warning.
        timeouts: of each request.
        connections: how many are kept open for later requests.
    """

    def __init__(
        self,
        host: str,
        *,
        rules: RegistryRules,
        limits: TransferLimits,
        insecure: bool | None = None,
        login: Login | None = None,
        certificates: Certificates | None = None,
        cancel: CancelToken | None = None,
        warn: Warn | None = None,
        timeouts: Timeouts | None = None,
        connections: int = PARALLEL_BLOBS,
    ) -> None:
        self._name = host
        self.host = _HUB[1] if host == _HUB[0] else host
        self.cancel = cancel or CancelToken()
        self._rules = rules
        self._insecure = bool(insecure)
        self._warn = warn
        self._http = HttpClient(
            HttpOptions(
                host=self.host,
                insecure=self._insecure,
                downgrade=rules.downgrade,
                retries=limits.retries,
                certificates=certificates,
                timeouts=timeouts or Timeouts(),
                cancel=self.cancel,
                connections=connections,
            )
        )
        can_omit = bool(login and login.origin and rules.anonymous_retry)
        self._authentications = Authentications(self._http, login or Login(), can_omit=can_omit)
        self._lock = threading.Lock()
        self._base: str | None = None
        self._challenges: tuple[Challenge, ...] = ()
        #: The rate limit that the registry last stated (REG-050).
        self.rate_limit: RateLimit | None = None

    def __repr__(self) -> str:
        return f"RegistryClient({self.host!r})"

    def refusal(
        self, wanted: Requested, response: Response, *, repository: str, reference: str
    ) -> RegistryError:
        """The error for a response with an unexpected status; reads the beginning of its body.

        Args:
            wanted: the kind of document that was requested.
            response: its body is not read yet.
            repository: the repository in the name of the image.
            reference: the tag or digest that was requested.
        """
        used = self._authentications.current
        return response_error(
            wanted,
            status=response.status,
            status_line=response.status_line,
            body=response.read_some(BODY_MAX),
            secrets=self._authentications.secrets(),
            url=response.url,
            repository=repository,
            reference=reference,
            registry=self._name,
            schemes=tuple(each.scheme for each in challenges_of(response, response.url)),
            **used.login.facts(sent=response.has_credentials),
        )

    def ping(self) -> str:
        """The base URL, determined once: HTTPS, or plain HTTP if HTTPS fails and `insecure` is set.

        (REG-002)

        Raises:
            RegistryError: the host does not respond, or is not a registry.
        """
        with self._lock:
            self.cancel.raise_if_cancelled()
            if self._base is None:
                self._base = self._find_base()
            return self._base

    def get(
        self,
        repository: str,
        path: str,
        headers: Mapping[str, str] | HTTPHeaderDict | None = None,
        *,
        retries: int | None = None,
    ) -> Response:
        """Request ``/v2/REPOSITORY/PATH`` by GET; the response may have any status.

        Args:
            repository: a valid name without the host.
            path: below the repository, valid.
            headers: of the request.
            retries: how often to repeat; None for the number of the edition.

        Raises:
            RegistryError: the ping, the token or the request failed.
        """
        return self._request("GET", self.ping(), repository, path, headers or {}, retries)

    def head(
        self, repository: str, path: str, headers: Mapping[str, str] | HTTPHeaderDict
    ) -> Response:
        """Request a path below the repository by HEAD, without a retry.

        If no ping has determined the scheme yet, each allowed scheme is tried, and the one that
        gives status 200 or 401 is used from then on.

        Args:
            repository: as in `get`.
            path: as in `get`.
            headers: as in `get`.

        Raises:
            RegistryError: the token or the request failed.
        """
        *others, last = self._bases()
        for base in others:
            try:
                return self._request("HEAD", base, repository, path, headers, 0)
            except RegistryError:
                if self._bases() == (base,):  # the registry responded, so only the token failed
                    raise
        return self._request("HEAD", last, repository, path, headers, 0)

    def _request(
        self,
        method: str,
        base: str,
        repository: str,
        path: str,
        sent: Mapping[str, str] | HTTPHeaderDict,
        retries: int | None,
    ) -> Response:
        def send(authentication: Authentication) -> Response:
            return self._attempt(authentication, method, base, repository, path, sent, retries)

        def warn(origin: str) -> None:
            if self._warn is not None:
                name = f"{self._name}/{repository}"
                facts = {"repository": name, "registry": self._name, "origin": origin}
                self._warn(RegistryError("registry.anonymous", host=self.host, **facts))

        return self._authentications.request(send, warn)

    def _attempt(
        self,
        authentication: Authentication,
        method: str,
        base: str,
        repository: str,
        path: str,
        sent: Mapping[str, str] | HTTPHeaderDict,
        retries: int | None,
    ) -> Response:
        url = f"{base}/v2/{repository}/{path}"
        scopes: tuple[str, ...] = (f"repository:{repository}:pull",)
        challenge = authentication.choose(self._challenges)
        header = authentication.header(challenge, scopes)
        response = self._send(method, url, sent, header, authentication, retries)
        if response.status in (200, 401):  # as in a ping: it is a registry
            with self._lock:
                self._base = base
        if response.status not in (401, 403) or not self._rules.reauthorize:  # REG-014
            return response
        # The ping may have had no challenge, and a token may have expired early.
        offered = challenges_of(response, url)
        wanted = authentication.choose(offered) or (challenge if response.status == 401 else None)
        if wanted is None:
            return response
        if wanted.scheme == "bearer":
            if wanted.parameters.get("error") == "insufficient_scope":
                requested = wanted.parameters.get("scope", "").split()
                scopes += tuple(scope for scope in requested if scope not in scopes)
            if header is not None:
                authentication.drop_token(header)
        try:
            again = authentication.header(wanted, scopes)
        except TowlineError:
            response.close()
            raise
        if again is None or again == header:
            return response
        response.finish()
        if offered:
            with self._lock:
                self._challenges = offered
        return self._send(method, url, sent, again, authentication, retries)

    def get_foreign(self, url: str) -> Response:
        """Request a blob from another host, without credentials (REG-028)."""
        return self._http.request(url, {}, retries=0)

    def close(self) -> None:
        """Close all connections and cut running requests; idempotent."""
        self._http.close()

    def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | HTTPHeaderDict,
        authorization: str | None,
        authentication: Authentication,
        retries: int | None,
    ) -> Response:
        response = self._http.request(
            url, headers, authorization=authorization, method=method, retries=retries
        )
        known = authentication.login.credentials is not None and authorization is not None
        response.has_credentials = known and origin(response.url) == origin(url)
        limit, left = response.header("RateLimit-Limit"), response.header("RateLimit-Remaining")
        if limit or left:
            source = response.header("Docker-RateLimit-Source")
            self.rate_limit = read_rate_limit(limit, left, source)
        return response

    @property
    def _schemes(self) -> tuple[str, ...]:
        return ("https", "http") if self._insecure else ("https",)

    def _bases(self) -> tuple[str, ...]:
        """The base URL if it is known, else all possible ones in the order of trying."""
        with self._lock:
            known = self._base
        return (known,) if known else tuple(f"{scheme}://{self.host}" for scheme in self._schemes)

    def _find_base(self) -> str:
        schemes = self._schemes
        try:
            with step("pinging"):
                return self._ping_schemes(schemes)
        except RegistryError as error:
            problem = error
        if self._rules.ping_v1 and any(self._is_v1(scheme) for scheme in schemes):
            raise RegistryError("registry.v1", host=self.host)
        raise problem

    def _ping_schemes(self, schemes: tuple[str, ...]) -> str:
        *others, last = schemes
        for scheme in others:
            try:
                # Without a retry, because another scheme remains.
                return self._ping(scheme, retries=0)
            except RegistryError:
                continue
        return self._ping(last, retries=None)

    def _ping(self, scheme: str, *, retries: int | None) -> str:
        base = f"{scheme}://{self.host}"
        with self._http.request(f"{base}/v2/", {}, retries=retries) as response:
            offered = challenges_of(response, base)
            is_challenge = (
                response.status == 403 and self._authentications.current.choose(offered) is not None
            )
            if response.status not in (200, 401) and not is_challenge:
                raise RegistryError(
                    "registry.ping_status",
                    url=f"{base}/v2/",
                    host=self.host,
                    status=response.status,
                    reason=reason_phrase(response.status),
                    answers=read_error_body(
                        response.read_some(BODY_MAX), self._authentications.secrets()
                    ),
                )
            response.finish()
            self._challenges = offered
        return base

    def _is_v1(self, scheme: str) -> bool:
        try:
            with self._http.request(f"{scheme}://{self.host}/v1/_ping", {}, retries=0) as response:
                response.finish()
                return response.status in (200, 401)
        except RegistryError:
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
