"""The way to a registry: its host, proxies, certificates' folders, and what can go wrong on it."""

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
from tests.support.scripted_server import Line, Request, scripted
from towline.config.load import find_certificates
from towline.errors import PathError, RegistryError
from towline.registry.client import RegistryClient
from towline.registry.network_error import network_error
from towline.rules import Rules

LINE = HTTPConnection("h")


@pytest.mark.clause("REG-002")
@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("docker.io", "registry-1.docker.io"),
        ("registry-1.docker.io", "registry-1.docker.io"),
        ("docker.io.example", "docker.io.example"),
        ("localhost:5000", "localhost:5000"),
    ],
)
def test_docker_hub_has_another_host(host: str, asked: str) -> None:
    """Only its own name stands for another one."""
    with RegistryClient(host, rules=Rules.CURRENT) as client:
        assert client.host == asked


@pytest.mark.clause("REG-021")
@pytest.mark.parametrize(
    ("error", "late", "body", "cause"),
    [
        (exceptions.NewConnectionError(LINE, "x"), False, False, "broken"),
        (OSError(errno.ECONNREFUSED, "x"), False, False, "refused"),
        (OSError(errno.EHOSTUNREACH, "x"), False, False, "refused"),
        (exceptions.NameResolutionError("h", LINE, socket.gaierror()), False, False, "unresolved"),
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
    """Told by what urllib3 and the socket raise, and in both editions."""
    told = network_error(error, "https://user:pw@h/v2/?q=secret", late=late, body=body)
    assert told.code == ("registry.broken" if body else "registry.unreachable")
    assert told.facts["cause"] == cause
    for rules in (Rules.CURRENT, Rules.LIBPOD_1_3):
        text = told.told(rules.wording)
        assert text
        assert "secret" not in text
        assert "pw@" not in text


@pytest.mark.clause("REG-036")
def test_a_token_that_is_not_given() -> None:
    """The original says only that name or password are not valid."""
    refused = RegistryError(
        "registry.token_refused",
        status=401,
        reason="Unauthorized",
        credentials=True,
        url="https://h/token",
        host="h",
    )
    told = refused.told(Rules.LIBPOD_1_3.wording)
    assert told == "unable to retrieve auth token: invalid username/password"
    assert "https://h/token" in str(refused)


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without proxies."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.mark.clause("REG-042")
def test_the_proxy_of_the_environment(no_proxy: pytest.MonkeyPatch) -> None:
    """It is asked for hosts elsewhere, with its own credentials and none of ours."""
    registry = Registry()
    seen: list[Request] = []

    def proxy(request: Request, line: Line) -> None:
        seen.append(request)
        if request.method == "CONNECT":
            line.reply(403)
            return
        path = "/" + request.target.partition("//")[2].partition("/")[2]
        inner = Request("GET", path, request.headers, b"", request.number)
        registry(inner, line)

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
def test_no_proxy_for_this_machine(no_proxy: pytest.MonkeyPatch) -> None:
    """Loopback is asked directly, whatever the environment says."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        no_proxy.setenv(name, "http://proxy.invalid:1")
    with scripted(Registry()) as server, source(server.host) as image:
        assert image.manifest().data == MANIFEST


@pytest.mark.clause("TLS-002")
def test_a_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one counts; the one that was given does not give way."""
    puller = Puller(tmp_path)
    closed = puller.write("etc/containers/certs.d/h/closed.crt", "").parent
    puller.write("etc/docker/certs.d/h/open.crt", "")
    listdir = os.listdir

    def guarded(path: Any) -> list[str]:
        if str(path) == str(closed):
            raise PermissionError(errno.EACCES, "permission denied")
        return listdir(path)

    monkeypatch.setattr(os, "listdir", guarded)
    found = find_certificates(puller.locations, Rules.CURRENT, "h")
    assert found is not None
    assert [Path(path).name for path in found.authorities] == ["open.crt"]
    with pytest.raises(PathError):
        find_certificates(puller.locations, Rules.CURRENT, "h", closed)
