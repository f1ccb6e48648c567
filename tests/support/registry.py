"""The real registry server (distribution 2.8, Debian's docker-registry) on a free loopback port."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Protocol

from tests.support import tools

_LISTENING = re.compile(r"listening on (127\.0\.0\.1:\d+)")
_ACCESS = re.compile(r'(?m)^127\.0\.0\.1 \S+ \S+ \[[^]]*\] "(\S+) (\S+) [^"]*" (\d+) (\d+)')
_TIMEOUT = 30.0  # seconds; normally one is enough


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """The token service that a registry trusts.

    Attributes:
        realm: the URL from which clients get a token.
        service: the name of the registry in token requests.
        issuer: the name of the token service.
        certificate: a PEM file that certifies the key of the tokens.
    """

    realm: str
    service: str
    issuer: str
    certificate: Path


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """Settings of a registry; the default is anonymous access over plain HTTP.

    Attributes:
        storage: the folder of its blobs; if None, a folder of its own.
        htpasswd: a file of users, with bcrypt passwords.
        certificate: the PEM certificate; with `key` it enables HTTPS.
        key: the PEM key of the certificate.
        client_ca: a PEM file; clients must then present a certificate signed by it.
        proxy: the URL of the upstream registry; this one is then a pull-through cache.
        delete: whether manifests and blobs may be deleted.
        token: if set, clients must present a token of this service.
    """

    storage: Path | None = None
    htpasswd: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    proxy: str | None = None
    delete: bool = True
    token: TokenSettings | None = None


PLAIN = RegistrySettings()


@dataclass(frozen=True, slots=True)
class Request:
    """One request in the registry's access log; `size` is the size of the response body."""

    method: str
    target: str
    status: int
    size: int


@dataclass(frozen=True, slots=True)
class RegistryServer:
    """A running registry.

    Attributes:
        host: `127.0.0.1:PORT`, as in an image name.
        scheme: `http` or `https`.
        storage: the folder of its blobs.
        log: the file with its output, including the access log.
    """

    host: str
    scheme: str
    storage: Path
    log: Path

    @property
    def url(self) -> str:
        """The base URL, without a trailing slash."""
        return f"{self.scheme}://{self.host}"

    def name(self, rest: str) -> str:
        """The image name of `repository[:tag][@digest]` in this registry."""
        return f"{self.host}/{rest}"

    def location(self, rest: str) -> str:
        """The same as a `docker://` location, for skopeo and towline."""
        return f"docker://{self.name(rest)}"

    def requests(self) -> list[Request]:
        """Every request answered so far, in the order of completion. Only over plain HTTP."""
        # A response reaches its client slightly before its log line is written.  A request sent
        # here marks the position up to which the log is complete.
        mark = f"/v2/?mark={next(_MARKS)}"
        with urllib.request.urlopen(f"{self.url}{mark}", timeout=_TIMEOUT):
            pass
        deadline = time.monotonic() + _TIMEOUT
        while mark not in (text := self.log.read_text()):
            assert time.monotonic() < deadline, f"the registry logs no requests: {text}"
            time.sleep(0.005)
        seen = [
            Request(method, target, int(status), int(size))
            for method, target, status, size in _ACCESS.findall(text)
        ]
        return [request for request in seen if not request.target.startswith("/v2/?")]


_MARKS = count(1)


class NewRegistry(Protocol):
    """The type of the fixture `new_registry`: starts a registry that is stopped after the test."""

    def __call__(self, settings: RegistrySettings = PLAIN) -> RegistryServer:
        """Start a registry with these settings."""


@contextlib.contextmanager
def serve(directory: Path, settings: RegistrySettings = PLAIN) -> Iterator[RegistryServer]:
    """Run a registry with its files in `directory` until the context ends."""
    command = tools.require("docker-registry")
    directory.mkdir(parents=True, exist_ok=True)
    storage = settings.storage or directory / "storage"
    storage.mkdir(parents=True, exist_ok=True)
    configuration = directory / "config.yml"
    configuration.write_text(json.dumps(_configuration(storage, settings)))  # JSON is YAML
    log = directory / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [command, "serve", configuration],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            scheme = "https" if settings.certificate else "http"
            server = RegistryServer(_host(process, log), scheme, storage, log)
            if scheme == "http":
                _wait_until_ready(server)
            yield server
        finally:
            process.kill()  # it has no unwritten state


def _configuration(storage: Path, settings: RegistrySettings) -> dict[str, object]:
    # Port 0: the kernel picks a free port and the registry logs it, so there is no race for it.
    http: dict[str, object] = {"addr": "127.0.0.1:0", "secret": "of no use on loopback"}
    if settings.certificate is not None:
        tls: dict[str, object] = {
            "certificate": str(settings.certificate),
            "key": str(settings.key),
        }
        if settings.client_ca is not None:
            tls["clientcas"] = [str(settings.client_ca)]
        http["tls"] = tls
    configuration: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "info", "formatter": "json"},
        # No cache of descriptors: several servers may share one storage, and tests edit it.
        "storage": {
            "filesystem": {"rootdirectory": str(storage)},
            "delete": {"enabled": settings.delete},
            "maintenance": {"uploadpurging": {"enabled": False}},
        },
        "http": http,
    }
    if settings.htpasswd is not None:
        configuration["auth"] = {
            "htpasswd": {"realm": "towline tests", "path": str(settings.htpasswd)}
        }
    if settings.token is not None:
        configuration["auth"] = {
            "token": {
                "realm": settings.token.realm,
                "service": settings.token.service,
                "issuer": settings.token.issuer,
                "rootcertbundle": str(settings.token.certificate),
            }
        }
    if settings.proxy is not None:
        configuration["proxy"] = {"remoteurl": settings.proxy}
    return configuration


def _host(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _TIMEOUT
    while (found := _LISTENING.search(log.read_text())) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            raise tools.ToolError(f"the registry did not start:\n{log.read_text()}")
        time.sleep(0.01)
    return found[1]


def _wait_until_ready(server: RegistryServer) -> None:
    try:
        with urllib.request.urlopen(f"{server.url}/v2/?", timeout=_TIMEOUT):
            pass
    except urllib.error.HTTPError as refused:  # it is ready: 401 if it requires users
        refused.close()
