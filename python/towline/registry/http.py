"""HTTP as a registry client needs it: one request, its redirects, its repetitions (REG-020 ff.).

urllib3 carries the bytes.  Its own retries, redirects and decoding are switched off: they sleep as
long as a server asks for, keep some secrets on a redirect, and change the bytes of a blob.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from urllib.parse import quote, urljoin, urlsplit

from urllib3 import HTTPHeaderDict, Timeout
from urllib3.exceptions import HTTPError
from urllib3.poolmanager import PoolManager
from urllib3.response import BaseHTTPResponse

from towline.cancel import CancelToken
from towline.errors import RegistryError
from towline.registry.deadline import Watchdog
from towline.registry.error_body import parse_web_url, redact_url
from towline.registry.host_backoff import HOST_BACKOFF
from towline.registry.network_error import network_error
from towline.registry.proxy import new_manager, proxy_for
from towline.registry.response import Response
from towline.registry.retry import TRANSIENT_STATUSES, delay, is_transient
from towline.registry.tls import Certificates, context
from towline.timeouts import Timeouts

__all__ = ["HttpClient", "HttpOptions", "origin"]

REDIRECTS_MAX = 10
_REDIRECTS = (301, 302, 303, 307, 308)
_LEFT_ALONE = "!#$%&'()*+,/:;=?@[]~"  # in a Location, beside letters, digits and -._
_USER_AGENT = "towline"
_STALE_MAX = 32  # connections of the pool that may turn out dead, one after another


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """How the web is spoken to.

    Attributes:
        host: the registry, with its port; only it sees our client certificate.
        insecure: certificates are not checked, and plain HTTP may follow HTTPS.
        downgrade: a redirect from HTTPS to HTTP is followed although not `insecure` (REG-026).
        retries: how often a request that failed in a passing way is repeated.
        connections: how many are kept for the next requests.
    """

    host: str
    insecure: bool
    downgrade: bool
    retries: int
    certificates: Certificates | None
    timeouts: Timeouts
    cancel: CancelToken
    connections: int


class HttpClient:
    """Asks servers, from any number of threads.  Close it: that cuts what is under way."""

    def __init__(self, options: HttpOptions) -> None:
        self.options = options
        self._watchdog = Watchdog(
            min(1.0, options.timeouts.stall_window / 4, options.timeouts.response / 4)
        )
        self._managers: dict[tuple[bool, str | None], PoolManager] = {}
        self._forget = options.cancel.on_cancel(self._watchdog.cut_all)

    def ask(
        self,
        url: str,
        headers: Mapping[str, str] | HTTPHeaderDict,
        *,
        authorization: str | None = None,
        method: str = "GET",
        body: bytes | None = None,
        retries: int | None = None,
    ) -> Response:
        """The answer to a request, after redirects and repetitions; any status may come back.

        Args:
            url: of the first request.
            headers: that go to every host.
            authorization: a header that goes to the host of `url` only, whatever is redirected.
            method: one that may be repeated without harm.
            body: of the request.
            retries: how often to repeat; None for the edition's number.

        Raises:
            RegistryError: ``registry.unreachable``, ``registry.tls``, ``registry.plain_http``,
                ``registry.bad_answer``, ``registry.redirects``, ``registry.downgrade``.
            PullCancelledError: the caller cancelled.
        """
        most = self.options.retries if retries is None else retries
        host = urlsplit(url).netloc
        for attempt in range(most + 1):
            last = attempt == most
            if self.options.retries:  # REG-051
                self.options.cancel.wait(HOST_BACKOFF.left(host))
            try:
                answer = self._follow(url, headers, authorization, method, body)
            except RegistryError as error:
                if last or not is_transient(error):
                    raise
            else:
                asked = answer.header("Retry-After")
                pause = delay(attempt, asked, self.options.timeouts)
                if answer.status == 429 and self.options.retries:
                    HOST_BACKOFF.pause(host, pause)
                if last or answer.status not in TRANSIENT_STATUSES:
                    return answer
                answer.finish()
                self.options.cancel.wait(0.0 if answer.status == 429 else pause)
                continue
            self.options.cancel.wait(delay(attempt, None, self.options.timeouts))
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        """Close all connections; idempotent."""
        self._forget()
        self._watchdog.close()
        for manager in list(self._managers.values()):
            manager.clear()

    def _follow(
        self,
        url: str,
        headers: Mapping[str, str] | HTTPHeaderDict,
        authorization: str | None,
        method: str,
        body: bytes | None,
    ) -> Response:
        for _ in range(REDIRECTS_MAX + 1):
            answer = self._ask_once(url, headers, authorization, method, body)
            location = answer.header("Location")
            if answer.status not in _REDIRECTS or not location or method not in ("GET", "HEAD"):
                return answer
            answer.finish()
            target = self._target(url, location)
            if origin(target) != origin(url):
                authorization = None  # and it stays away, also if a later redirect comes back
            url = target
        raise RegistryError(
            "registry.redirects",
            url=redact_url(url),
            host=urlsplit(url).netloc,
            limit=REDIRECTS_MAX,
        )

    def _target(self, url: str, location: str) -> str:
        """Where a redirect leads, if it may."""
        host = urlsplit(url).netloc
        try:
            # Headers are read as Latin-1; what is no ASCII there goes back as the bytes it was.
            target = urljoin(url, quote(location.strip().encode("latin-1"), safe=_LEFT_ALONE))
        except ValueError:
            target = ""
        parts = parse_web_url(target)
        if parts is None or parts.username is not None:
            raise RegistryError(
                "registry.bad_answer",
                url=redact_url(url),
                host=host,
                reason="a redirect to nowhere",
            )
        https_only = not (self.options.insecure or self.options.downgrade)
        if https_only and url.startswith("https:") and parts.scheme == "http":  # REG-026
            raise RegistryError(
                "registry.downgrade", url=redact_url(url), host=host, to=redact_url(target)
            )
        return target

    def _ask_once(
        self,
        url: str,
        headers: Mapping[str, str] | HTTPHeaderDict,
        authorization: str | None,
        method: str,
        body: bytes | None,
    ) -> Response:
        sent = HTTPHeaderDict(headers)
        sent["User-Agent"] = _USER_AGENT
        if authorization is not None:
            sent["Authorization"] = authorization
        timeouts = self.options.timeouts
        problem: RegistryError | None = None
        for _ in range(_STALE_MAX):
            self.options.cancel.raise_if_cancelled()
            deadline = self._watchdog.begin()
            response: BaseHTTPResponse | None = None
            try:
                with deadline.within(timeouts.connect + timeouts.response):
                    response = self._manager(url).urlopen(
                        method,
                        url,
                        body=body,
                        headers=sent,
                        redirect=False,
                        retries=False,
                        preload_content=False,
                        decode_content=False,
                        timeout=Timeout(connect=timeouts.connect, read=timeouts.stall_window),
                    )
                if deadline.late:
                    response.close()
                    response = None
                    problem = network_error(TimeoutError(), url, late=True, body=False)
            except (HTTPError, HTTPException, OSError, ValueError) as error:
                problem = network_error(error, url, late=deadline.late, body=False)
            finally:
                if response is None:
                    self._watchdog.end(deadline)
            if response is not None:
                options = self.options
                return Response(
                    response, url, self._watchdog, deadline, options.timeouts, options.cancel
                )
            self.options.cancel.raise_if_cancelled()
            # A kept connection may have been closed by the server just now: that says nothing
            # about the request, which it never read.
            cause = problem.facts.get("cause") if problem is not None else None
            stale = not (deadline.fresh or deadline.is_cut)
            if not stale or cause not in ("closed", "reset", "broken"):
                break
        assert problem is not None  # there is an answer or a problem
        raise problem

    def _manager(self, url: str) -> PoolManager:
        parts = urlsplit(url)
        own = parts.netloc == self.options.host
        proxy = proxy_for(parts.scheme, parts.hostname or "")
        manager = self._managers.get((own, proxy))
        if manager is None:
            secure = context(
                self.options.certificates, verify=not self.options.insecure, own_host=own
            )
            manager = new_manager(proxy, self.options.connections, secure)
            # Of two threads that come here first, one manager is kept and the other one unused.
            manager = self._managers.setdefault((own, proxy), manager)
        return manager


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: what one who answers for them knows of us, nobody else need know."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return parts.scheme, parts.hostname or "", port
