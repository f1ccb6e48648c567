"""Connections to a registry: its host, proxies, directories of certificates, and failures."""

from __future__ import annotations

import errno
import os
import socket
from http.client import IncompleteRead, RemoteDisconnected
from pathlib import Path
from typing import Any

import pytest
from urllib3 import exceptions
from urllib3.connection import HTTPConnection

from tests.support.docker_images import MANIFEST, Registry, source
from tests.support.pushing import Puller
from tests.support.scripted_server import Connection, Request, scripted
from towline.config.load import find_certificates
from towline.errors import PathError, RegistryError
from towline.registry.client import RegistryClient
from towline.registry.network_error import network_error
from towline.rules import Rules

CONNECTION = HTTPConnection("h")


@pytest.mark.clause("REG-002")
@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("docker.io", "registry-1.docker.io"),
        ("registry-1.docker.io", "registry-1.docker.io"),
        ("docker.io.example", "docker.io.example"),
        ("localhost:5000", "localhost:5000"),
    ],
)
def test_docker_hub_has_another_host(host: str, expected: str) -> None:
    """Only docker.io is replaced by another host."""
    rules = Rules.CURRENT
    with RegistryClient(host, rules=rules.registry, limits=rules.limits) as client:
        assert client.host == expected


@pytest.mark.clause("REG-021")
@pytest.mark.parametrize(
    ("error", "late", "body", "cause"),
    [
        (exceptions.NewConnectionError(CONNECTION, "x"), False, False, "broken"),
        (OSError(errno.ECONNREFUSED, "x"), False, False, "refused"),
        (OSError(errno.EHOSTUNREACH, "x"), False, False, "refused"),
        (
            exceptions.NameResolutionError("h", CONNECTION, socket.gaierror()),
            False,
            False,
            "unresolved",
        ),
        (exceptions.ConnectTimeoutError("x"), False, False, "timeout"),
        (exceptions.ProxyError("x", OSError()), False, False, "proxy"),
        (TimeoutError(), True, False, "silent"),
        (RemoteDisconnected("x"), False, False, "closed"),
        (ConnectionResetError(errno.ECONNRESET, "x"), False, False, "reset"),
        (exceptions.ProtocolError("x", ValueError()), False, False, "broken"),
        (IncompleteRead(b""), False, True, "short"),
        (TimeoutError(), True, True, "stalled"),
        (ConnectionResetError(errno.ECONNRESET, "x"), False, True, "reset"),
    ],
)
def test_every_failure_has_a_cause(error: Exception, late: bool, body: bool, cause: str) -> None:
    """Errors of urllib3 and of sockets have a cause and a message in both editions."""
    converted = network_error(error, "https://user:pw@h/v2/?q=secret", late=late, body=body)
    assert converted.code == ("registry.broken" if body else "registry.unreachable")
    assert converted.facts["cause"] == cause
    for rules in (Rules.CURRENT, Rules.LIBPOD_1_3):
        text = converted.render(rules.wording)
        assert text
        assert "secret" not in text
        assert "pw@" not in text


@pytest.mark.clause("REG-036")
def test_the_error_of_a_refused_token() -> None:
    """libpod-1.3 reports only that the name or password is invalid."""
    error = RegistryError(
        "registry.token_refused",
        status=401,
        reason="Unauthorized",
        credentials_sent=True,
        url="https://h/token",
        host="h",
    )
    message = error.render(Rules.LIBPOD_1_3.wording)
    assert message == "unable to retrieve auth token: invalid username/password"
    assert "https://h/token" in str(error)


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Remove all proxies from the environment."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.mark.clause("REG-042")
def test_the_proxy_of_the_environment_is_used(no_proxy: pytest.MonkeyPatch) -> None:
    """It gets its own credentials and not those for the registry."""
    registry = Registry()
    seen: list[Request] = []

    def proxy(request: Request, connection: Connection) -> None:
        seen.append(request)
        if request.method == "CONNECT":
            connection.reply(403)
            return
        path = "/" + request.target.partition("//")[2].partition("/")[2]
        inner = Request("GET", path, request.headers, b"", request.number)
        registry(inner, connection)

    with scripted(proxy) as server:
        for name in ("http_proxy", "https_proxy"):
            no_proxy.setenv(name, f"http://me:word@{server.host}")
        with source("registry.invalid") as image:
            assert image.manifest().data == MANIFEST
    plain = [request for request in seen if request.method == "GET"]
    assert plain
    assert all(request.target.startswith("http://registry.invalid/v2/") for request in plain)
    assert all("proxy-authorization" in request.headers for request in plain)
    assert not [request for request in plain if "authorization" in request.headers]


@pytest.mark.clause("REG-042")
def test_no_proxy_is_used_for_loopback(no_proxy: pytest.MonkeyPatch) -> None:
    """Loopback addresses are connected directly, whatever the environment has."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        no_proxy.setenv(name, "http://proxy.invalid:1")
    with scripted(Registry()) as server, source(server.host) as image:
        assert image.manifest().data == MANIFEST


@pytest.mark.clause("TLS-002")
def test_an_unreadable_directory_of_certificates_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one is used; an explicit one is an error instead."""
    puller = Puller(tmp_path)
    closed = puller.write("etc/containers/certs.d/h/closed.crt", "").parent
    puller.write("etc/docker/certs.d/h/open.crt", "")
    listdir = os.listdir

    def guarded(path: Any) -> list[str]:
        if str(path) == str(closed):
            raise PermissionError(errno.EACCES, "permission denied")
        return listdir(path)

    monkeypatch.setattr(os, "listdir", guarded)
    found = find_certificates(puller.locations, Rules.CURRENT.config, "h")
    assert found is not None
    assert [Path(path).name for path in found.authorities] == ["open.crt"]
    with pytest.raises(PathError):
        find_certificates(puller.locations, Rules.CURRENT.config, "h", closed)
