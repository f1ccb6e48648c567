"""HTTP as a registry client needs it: one request, its redirects, its repetitions (REG-020 ff.).

urllib3 carries the bytes.  Its own retries, redirects and decoding are switched off: they sleep as
long as a server asks for, keep some secrets on a redirect, and change the bytes of a blob.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import quote, urljoin, urlsplit

from urllib3 import HTTPHeaderDict, Timeout
from urllib3.exceptions import HTTPError
from urllib3.poolmanager import PoolManager
from urllib3.response import BaseHTTPResponse

from towline.cancel import CancelToken
from towline.errors import LimitExceeded, RegistryError
from towline.registry.answers import shown, web_address
from towline.registry.budget import BUDGET
from towline.registry.failures import failure
from towline.registry.proxies import new_manager, proxy_for
from towline.registry.retry import PASSING_STATUSES, Patience, delay, passes
from towline.registry.tls import Certificates, context
from towline.registry.wire import Watch, Watchman

if TYPE_CHECKING:
    from towline.core import BlobWriter

__all__ = ["Answer", "Web", "WebOptions"]

REDIRECTS_MAX = 10
_REDIRECTS = (301, 302, 303, 307, 308)
_DRAIN_MAX = 64 * 1024  # bytes that are read to keep a connection; beyond, it is closed
_PIECE = 1 << 20
_LENGTH_DIGITS = 20  # of a Content-Length; a longer one says nothing
_NEVER = float("inf")
_LEFT_ALONE = "!#$%&'()*+,/:;=?@[]~"  # in a Location, beside letters, digits and -._
_USER_AGENT = "towline"
_STALE_MAX = 32  # connections of the pool that may turn out dead, one after another


@dataclass(frozen=True, slots=True)
class WebOptions:
    """How the web is spoken to.

    Attributes:
        host: the registry, with its port; only it sees our client certificate.
        insecure: certificates are not checked, and plain HTTP may follow HTTPS.
        downgrade: a redirect from HTTPS to HTTP is followed although not `insecure` (REG-026).
        retries: how often a request that failed in a passing way is repeated.
        slots: how many connections are kept.
    """

    host: str
    insecure: bool
    downgrade: bool
    retries: int
    certificates: Certificates | None
    patience: Patience
    cancel: CancelToken
    slots: int


class Answer:
    """An answer whose body was not read yet.  Close it, or read it to its end."""

    def __init__(
        self, response: BaseHTTPResponse, url: str, watchman: Watchman, watch: Watch, web: Web
    ) -> None:
        self._response = response
        self._watchman = watchman
        self._watch = watch
        self._web = web
        self._waited = 0.0
        self._arrived = 0
        #: Seconds in which the network had nothing for us.
        self.idle = 0.0
        self.status = response.status
        self.url = url
        self.status_line = f"{response.status} {response.reason or ''}".strip()

    def header(self, name: str) -> str | None:
        """A header, several of one name joined by commas."""
        value: str | None = self._response.headers.get(name)
        return value

    def headers(self, name: str) -> list[str]:
        """Each header of one name."""
        return list(self._response.headers.getlist(name))

    @property
    def length(self) -> int | None:
        """The length of the body where the server says it."""
        text = (self.header("Content-Length") or "").strip()
        chunked = "chunked" in (self.header("Transfer-Encoding") or "").lower()
        good = text.isascii() and text.isdigit() and len(text) < _LENGTH_DIGITS
        return int(text) if good and not chunked else None

    def take(self, most: int) -> bytes:
        """What arrives of the body soon, at least a byte; empty at its end.

        Raises:
            RegistryError: as `read1`.
            Cancelled: the caller cancelled.
        """
        body = self._watch.body
        if body is None or not body.secure:
            return self.read1(most)
        began, worked = time.monotonic(), time.thread_time()
        data = b""
        with self._reading(self._web.options.patience.window):
            data = body.take(most)
        self._response.length_remaining = body.length
        waited = time.monotonic() - began
        self.idle += max(waited - (time.thread_time() - worked), 0.0)
        self._judge(waited, len(data), ended=not data)
        if not data or not body.length:
            self.read1(1)  # urllib3 finds that the body is over
        return data

    def read1(self, most: int) -> bytes:
        """What has arrived of the body, at least a byte; empty at its end.

        Raises:
            RegistryError: ``registry.stalled``, ``registry.broken``.
            Cancelled: the caller cancelled.
        """
        began, worked = time.monotonic(), time.thread_time()
        data = b""
        with self._reading(self._web.options.patience.window):
            data = self._response.read1(most) or b""
        # Only the time spent waiting counts: a slow disk of ours is not the server's fault.
        waited = time.monotonic() - began
        self.idle += max(waited - (time.thread_time() - worked), 0.0)
        self._judge(waited, len(data), ended=not data)
        return data

    def pour(self, writer: BlobWriter, most: int) -> int:
        """Append what comes of the body to a writer, up to `most` bytes; 0 only at its end.

        Where the socket has the body's own bytes, they are taken from there in one call.

        Raises:
            RegistryError: as `read1`.
            Cancelled: the caller cancelled.
            CoreError: of the writer.
        """
        body = self._watch.body
        if body is None or not body.direct:
            data = self.take(min(most, _PIECE))
            if data:
                writer.write(data)
            return len(data)
        left = self._web.options.patience.window - self._waited
        count, waited = 0, 0.0
        # The core minds the time itself: a call may last as long as the server goes on sending.
        with self._reading(_NEVER):
            count, waited = body.receive(writer, most, max(left, 0.0))
        if count:
            self._response.length_remaining = body.length
        ended = count == 0 and waited < left
        if count == 0 and not ended:
            raise failure(TimeoutError(), self.url, late=True, body=True)
        self.idle += waited
        self._judge(waited, count, ended=ended)
        if ended or not body.length:
            self.read1(1)  # urllib3 finds that the body is over
        return count

    @contextmanager
    def _reading(self, seconds: float) -> Iterator[None]:
        """A read of the body, whose errors are told as ours."""
        problem: RegistryError | None = None
        try:
            with self._watch.within(seconds):
                yield
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            late = self._watch.late or isinstance(error, TimeoutError)
            problem = failure(error, self.url, late=late, body=True)
        if self._watch.late and problem is None:
            # A socket that was cut looks like a body, or a head, that has come to its end.
            problem = failure(TimeoutError(), self.url, late=True, body=True)
        self._web.options.cancel.raise_if_cancelled()
        if problem is not None:
            raise problem

    def _judge(self, waited: float, arrived: int, *, ended: bool) -> None:
        """Refuse a server that sends too little in a window of waiting."""
        patience = self._web.options.patience
        self._waited += waited
        self._arrived += arrived
        if self._waited < patience.window:
            return
        if self._arrived < patience.least and not ended:
            raise RegistryError(
                "registry.stalled",
                cause="stalled",
                url=shown(self.url),
                host=urlsplit(self.url).netloc,
                seconds=patience.window,
            )
        self._waited, self._arrived = 0.0, 0

    def read_all(self, limit: int, what: str) -> bytes:
        """The whole body.

        Raises:
            LimitExceeded: ``limit.document`` where it is longer than `limit`.
            RegistryError: as `read1`.
        """
        pieces: list[bytes] = []
        size = 0
        while data := self.read1(min(_PIECE, limit + 1 - size)):
            pieces.append(data)
            size += len(data)
            if size > limit:
                self.close()
                raise LimitExceeded(
                    "limit.document", what=what, limit=limit, origin=shown(self.url)
                )
        self.close()
        return b"".join(pieces)

    def read_some(self, most: int) -> bytes:
        """The beginning of the body, for a message: a body that breaks off ends there."""
        try:
            return self._read_up_to(most)
        except RegistryError:
            return b""
        finally:
            self.close()

    def finish(self) -> None:
        """Let go of the answer, and keep its connection where little of the body is left."""
        if (self.length or 0) <= _DRAIN_MAX:
            self.read_some(_DRAIN_MAX)
        self.close()

    def close(self) -> None:
        """Let go of the connection: into the pool where the body was read, else closed."""
        self._watchman.end(self._watch)
        self._response.close()
        self._response.release_conn()

    def _read_up_to(self, most: int) -> bytes:
        pieces: list[bytes] = []
        left = most
        while left and (data := self.read1(left)):
            pieces.append(data)
            left -= len(data)
        return b"".join(pieces)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Web:
    """Asks servers, from any number of threads.  Close it: that cuts what is under way."""

    def __init__(self, options: WebOptions) -> None:
        self.options = options
        self._watchman = Watchman(
            min(1.0, options.patience.window / 4, options.patience.answer / 4)
        )
        self._managers: dict[tuple[bool, str | None], PoolManager] = {}
        self._forget = options.cancel.on_cancel(self._watchman.cut_all)

    def ask(
        self,
        url: str,
        headers: Mapping[str, str] | HTTPHeaderDict,
        *,
        authorization: str | None = None,
        method: str = "GET",
        body: bytes | None = None,
        retries: int | None = None,
    ) -> Answer:
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
            Cancelled: the caller cancelled.
        """
        most = self.options.retries if retries is None else retries
        host = urlsplit(url).netloc
        for attempt in range(most + 1):
            last = attempt == most
            if self.options.retries:  # REG-051
                self.options.cancel.wait(BUDGET.left(host))
            try:
                answer = self._follow(url, headers, authorization, method, body)
            except RegistryError as error:
                if last or not passes(error):
                    raise
            else:
                asked = answer.header("Retry-After")
                pause = delay(attempt, asked, self.options.patience)
                if answer.status == 429 and self.options.retries:
                    BUDGET.pause(host, pause)
                if last or answer.status not in PASSING_STATUSES:
                    return answer
                answer.finish()
                self.options.cancel.wait(0.0 if answer.status == 429 else pause)
                continue
            self.options.cancel.wait(delay(attempt, None, self.options.patience))
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        """Close all connections; idempotent."""
        self._forget()
        self._watchman.close()
        for manager in list(self._managers.values()):
            manager.clear()

    def _follow(
        self,
        url: str,
        headers: Mapping[str, str] | HTTPHeaderDict,
        authorization: str | None,
        method: str,
        body: bytes | None,
    ) -> Answer:
        for _ in range(REDIRECTS_MAX + 1):
            answer = self._ask_once(url, headers, authorization, method, body)
            location = answer.header("Location")
            if answer.status not in _REDIRECTS or not location or method not in ("GET", "HEAD"):
                return answer
            answer.finish()
            target = self._target(url, location)
            if _origin(target) != _origin(url):
                authorization = None  # and it stays away, also if a later redirect comes back
            url = target
        raise RegistryError(
            "registry.redirects", url=shown(url), host=urlsplit(url).netloc, limit=REDIRECTS_MAX
        )

    def _target(self, url: str, location: str) -> str:
        """Where a redirect leads, if it may."""
        host = urlsplit(url).netloc
        try:
            # Headers are read as Latin-1; what is no ASCII there goes back as the bytes it was.
            target = urljoin(url, quote(location.strip().encode("latin-1"), safe=_LEFT_ALONE))
        except ValueError:
            target = ""
        parts = web_address(target)
        if parts is None or parts.username is not None:
            raise RegistryError(
                "registry.bad_answer", url=shown(url), host=host, reason="a redirect to nowhere"
            )
        https_only = not (self.options.insecure or self.options.downgrade)
        if https_only and url.startswith("https:") and parts.scheme == "http":  # REG-026
            raise RegistryError("registry.downgrade", url=shown(url), host=host, to=shown(target))
        return target

    def _ask_once(
        self,
        url: str,
        headers: Mapping[str, str] | HTTPHeaderDict,
        authorization: str | None,
        method: str,
        body: bytes | None,
    ) -> Answer:
        sent = HTTPHeaderDict(headers)
        sent["User-Agent"] = _USER_AGENT
        if authorization is not None:
            sent["Authorization"] = authorization
        patience = self.options.patience
        problem: RegistryError | None = None
        for _ in range(_STALE_MAX):
            self.options.cancel.raise_if_cancelled()
            watch = self._watchman.begin()
            response: BaseHTTPResponse | None = None
            try:
                with watch.within(patience.connect + patience.answer):
                    response = self._manager(url).urlopen(
                        method,
                        url,
                        body=body,
                        headers=sent,
                        redirect=False,
                        retries=False,
                        preload_content=False,
                        decode_content=False,
                        timeout=Timeout(connect=patience.connect, read=patience.window),
                    )
                if watch.late:
                    response.close()
                    response = None
                    problem = failure(TimeoutError(), url, late=True, body=False)
            except (HTTPError, HTTPException, OSError, ValueError) as error:
                problem = failure(error, url, late=watch.late, body=False)
            finally:
                if response is None:
                    self._watchman.end(watch)
            if response is not None:
                return Answer(response, url, self._watchman, watch, self)
            self.options.cancel.raise_if_cancelled()
            # A kept connection may have been closed by the server just now: that says nothing
            # about the request, which it never read.
            cause = problem.facts.get("cause") if problem is not None else None
            stale = not (watch.fresh or watch.was_cut)
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
            manager = new_manager(proxy, self.options.slots, secure)
            # Of two threads that come here first, one manager is kept and the other one unused.
            manager = self._managers.setdefault((own, proxy), manager)
        return manager


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return parts.scheme, parts.hostname or "", port
