"""HTTP requests for the registry client, with redirects and retries (REG-020 ff.).

urllib3 makes the connections.  Its own retries, redirects and decoding are switched off: they sleep
as long as a server demands, keep some secrets on a redirect, and change the bytes of a blob.
"""

from __future__ import annotations

import os
from http.client import HTTPException
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit

from urllib3 import HTTPHeaderDict, Timeout
from urllib3.exceptions import HTTPError
from urllib3.poolmanager import PoolManager
from urllib3.response import BaseHTTPResponse

from towline.errors import RegistryError
from towline.frozen import frozen
from towline.registry.deadline import Deadline, Watchdog
from towline.registry.error_body import parse_web_url, redact_url
from towline.registry.host_backoff import HOST_BACKOFF
from towline.registry.network_error import network_error
from towline.registry.proxy import new_manager
from towline.registry.proxy_rules import Proxy, proxy_for
from towline.registry.response import Response
from towline.registry.retry import TRANSIENT_STATUSES, Retries
from towline.registry.tls import context

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towline.cancel import CancelToken
    from towline.registry.certificates import Certificates
    from towline.timeouts import Timeouts

__all__ = ["HttpClient", "HttpOptions", "origin"]

REDIRECTS_MAX = 10
_REDIRECTS = (301, 302, 303, 307, 308)
_UNQUOTED = "!#$%&'()*+,/:;=?@[]~"  # in a Location, besides letters, digits and -._
_USER_AGENT = "towline"
_STALE_MAX = 32  # dead connections from the pool that one request may encounter in a row


@frozen
class HttpOptions:
    """Options of an HTTP client.

    Attributes:
        host: the registry, with its port; only it gets the client certificate.
        insecure: certificates are not verified, and redirects from HTTPS to HTTP are followed.
        downgrade: redirects from HTTPS to HTTP are followed even if not `insecure` (REG-026).
        retries: how often a request is repeated after a transient failure.
        certificates: of the registry.
        timeouts: of each request.
        cancel: cancels all requests.
        connections: how many are kept open for later requests.
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
    """An HTTP client.  Safe in any number of threads.  Close it: that cuts running requests."""

    def __init__(self, options: HttpOptions) -> None:
        self.options = options
        self._watchdog = Watchdog(
            min(1.0, options.timeouts.stall_window / 4, options.timeouts.response / 4)
        )
        self._managers: dict[tuple[str, bool, Proxy | None], PoolManager] = {}
        self._unregister = options.cancel.on_cancel(self._watchdog.cut_all)

    def request(
        self,
        url: str,
        headers: Mapping[str, str] | HTTPHeaderDict,
        *,
        authorization: str | None = None,
        method: str = "GET",
        body: bytes | None = None,
        retries: int | None = None,
    ) -> Response:
        """Send a request, follow redirects and retry; the response may have any status.

        Args:
            url: of the first request.
            headers: sent to every host.
            authorization: value of a header that is sent only to the origin of `url`.
            method: must be safe to repeat.
            body: of the request.
            retries: how often to repeat; None for the number of the edition.

        Raises:
            RegistryError: ``registry.unreachable``, ``registry.tls``, ``registry.plain_http``,
                ``registry.bad_answer``, ``registry.redirects``, ``registry.downgrade``.
            PullCancelledError: the caller cancelled.
        """
        options = self.options
        limit = options.retries if retries is None else retries
        attempts = Retries(limit, options.timeouts, options.cancel.wait)
        host = urlsplit(url).netloc
        while True:
            attempts.pause()
            with attempts.attempt():
                if options.retries:  # REG-051
                    options.cancel.wait(HOST_BACKOFF.left(host))
                response = self._follow(url, headers, authorization, method, body)
                if response.status not in TRANSIENT_STATUSES:
                    return response
                seconds = attempts.next_delay(response.header("Retry-After"))
                if response.status == 429 and options.retries:
                    HOST_BACKOFF.pause(host, seconds)
                if not attempts.left:
                    return response
                response.finish()
                attempts.fail(0.0 if response.status == 429 else seconds)

    def close(self) -> None:
        """Close all connections; idempotent."""
        self._unregister()
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
            response = self._send(url, headers, authorization, method, body)
            location = response.header("Location")
            if response.status not in _REDIRECTS or not location or method not in ("GET", "HEAD"):
                return response
            response.finish()
            target = self._target(url, location)
            if origin(target) != origin(url):
                authorization = None  # also if a later redirect leads back to the first origin
            url = target
        raise RegistryError(
            "registry.redirects",
            url=redact_url(url),
            host=urlsplit(url).netloc,
            limit=REDIRECTS_MAX,
        )

    def _target(self, url: str, location: str) -> str:
        """The URL that a redirect leads to; raises if it must not be followed."""
        host = urlsplit(url).netloc
        try:
            # Headers are decoded as Latin-1; encoding restores the bytes that the server sent.
            target = urljoin(url, quote(location.strip().encode("latin-1"), safe=_UNQUOTED))
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

    def _send(
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
        left = _STALE_MAX
        while True:
            left -= 1
            self.options.cancel.raise_if_cancelled()
            deadline = self._watchdog.begin()
            got = self._attempt(url, sent, method, body, deadline)
            if isinstance(got, Response):
                return got
            self.options.cancel.raise_if_cancelled()
            # The server may have closed a pooled connection before it read the request, so this
            # failure does not count as an attempt.
            stale = not (deadline.fresh or deadline.is_cut)
            closed = got.facts.get("cause") in ("closed", "reset", "broken")
            if not (left and stale and closed):
                raise got

    def _attempt(
        self,
        url: str,
        headers: HTTPHeaderDict,
        method: str,
        body: bytes | None,
        deadline: Deadline,
    ) -> Response | RegistryError:
        """Send a request once; the response has the deadline, which an error ends."""
        options, timeouts = self.options, self.options.timeouts
        response: BaseHTTPResponse | None = None
        try:
            with deadline.within(timeouts.connect + timeouts.response):
                response = self._manager(url).urlopen(
                    method,
                    url,
                    body=body,
                    headers=headers,
                    redirect=False,
                    retries=False,
                    preload_content=False,
                    decode_content=False,
                    timeout=Timeout(connect=timeouts.connect, read=timeouts.stall_window),
                )
            if deadline.late:
                response.close()
                response = None
                return network_error(TimeoutError(), url, late=True, body=False)
            return Response(response, url, self._watchdog, deadline, timeouts, options.cancel)
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            return network_error(
                error,
                url,
                late=deadline.late,
                body=False,
                certificates=options.certificates,
            )
        finally:
            if response is None:
                self._watchdog.end(deadline)

    def _manager(self, url: str) -> PoolManager:
        """The pool manager for a URL; the proxy is chosen for each URL, also of a redirect.

        Raises:
            ConfigurationError: ``proxy.*``, ``certs.unusable``.
        """
        parts = urlsplit(url)
        own = parts.netloc == self.options.host
        proxy = proxy_for(url, os.environ)
        key = (parts.scheme, own, proxy)
        manager = self._managers.get(key)
        if manager is None:
            certificates = self.options.certificates
            secure = context(certificates, verify=not self.options.insecure, own_host=own)
            to_proxy = None
            if proxy is not None and proxy.scheme == "https":
                # It may get the password of the proxy, so it is verified in any case.
                to_proxy = context(certificates, verify=True, own_host=False)
                if parts.scheme == "http":  # urllib3 then uses the other context for the proxy
                    secure = to_proxy
            manager = new_manager(proxy, self.options.connections, secure, to_proxy)
            # If two threads create a manager at the same time, both use the first one stored.
            manager = self._managers.setdefault(key, manager)
        return manager


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL; secrets are sent only to the origin they belong to."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return parts.scheme, parts.hostname or "", port
