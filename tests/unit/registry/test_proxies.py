"""Pulls through real proxies: CONNECT, TLS to the proxy, and SOCKS (REG-042)."""

from __future__ import annotations

import builtins
import os
import ssl
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from tests.support import certificates
from tests.support.docker_images import (
    BLOB,
    LAYER,
    MANIFEST,
    SHORT_TIMEOUTS,
    Registry,
    descriptor,
    source,
)
from tests.support.proxies import connect_proxy, socks_proxy
from tests.support.scripted_server import Connection, Request, scripted
from towline.cancel import CancelToken
from towline.core import BlobWriter
from towline.errors import ConfigurationError, PullCancelledError, RegistryError
from towline.frozen import replace
from towline.registry.certificates import Certificates
from towline.rules import Rules

Ends = tuple[ssl.SSLContext, Certificates]
HOST = "reg.example"


@pytest.fixture(autouse=True)
def environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Remove all proxies from the environment."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Ends:
    """The TLS context of a server for reg.example and loopback, and what clients trust."""
    folder = tmp_path_factory.mktemp("tls")
    signer = certificates.authority(folder / "ca")
    names = f"DNS:{HOST},DNS:127.{HOST},IP:127.0.0.1"
    pair = certificates.issue(signer, folder / "server", alternative=names)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context, Certificates(authorities=(str(signer.certificate),))


@pytest.mark.clause("REG-042")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_tls_goes_through_a_tunnel(
    scheme: str, ends: Ends, environ: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """CONNECT has the decoded password; the registry does not get it. TLS to the proxy works."""
    with (
        scripted(Registry(), ends[0]) as server,
        connect_proxy(server.host, ends[0] if scheme == "https" else None) as proxy,
    ):
        environ.setenv("HTTPS_PROXY", f"{scheme}://d%5Cme:p%40ss%C3%BC@{proxy.host}")
        with source(f"{HOST}:5000", insecure=False, certificates=ends[1]) as image:
            assert image.manifest().data == MANIFEST
            writer = BlobWriter(str(tmp_path / "blob"))
            with image.open_blob(descriptor()) as blob:
                blob.deliver(writer)
            writer.finish()
    assert (tmp_path / "blob").read_bytes() == LAYER
    assert set(proxy.asked) == {f"{HOST}:5000"}
    sent = b64encode("d\\me:p@ssü".encode()).decode()
    assert all(f"proxy-authorization: basic {sent}".lower() in h.lower() for h in proxy.headers)
    assert not [each for each in server.requests if "proxy-authorization" in each.headers]


@pytest.mark.clause("REG-042")
@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_socks(scheme: str, secure: bool, ends: Ends, environ: pytest.MonkeyPatch) -> None:
    """The proxy gets the name of the host, the user and the decoded password."""
    with (
        scripted(Registry(), ends[0] if secure else None) as server,
        socks_proxy(server.host) as proxy,
    ):
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            environ.setenv(name, f"{scheme}://me:p%40ss@{proxy.host}")
        with source(f"{HOST}:5000", insecure=not secure, certificates=ends[1]) as image:
            assert image.manifest().data == MANIFEST
    assert set(proxy.asked) == {f"{HOST}:5000"}
    assert set(proxy.credentials) == {"me:p@ss"}


@pytest.mark.clause("REG-042")
def test_socks_without_its_package(environ: pytest.MonkeyPatch) -> None:
    """The error names the scheme, the variable and the package."""
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "socks" or name.startswith("towline.registry.socks"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    environ.delitem(sys.modules, "towline.registry.socks", raising=False)
    environ.setattr(builtins, "__import__", without)
    environ.setenv("HTTPS_PROXY", "socks5://me:secret@127.0.0.1:1")
    with source(HOST, insecure=False) as image, pytest.raises(ConfigurationError) as caught:
        image.manifest()
    assert caught.value.code == "proxy.socks"
    assert "PySocks" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.clause("REG-042")
def test_the_proxy_is_chosen_for_each_url(ends: Ends, environ: pytest.MonkeyPatch) -> None:
    """A redirect to an exception leaves the proxy, whose password is not sent there."""
    with scripted(Registry(), ends[0]) as storage:

        def registry(request: Request, connection: Connection) -> None:
            if "/manifests/" in request.path:
                location = f"https://{storage.host}{request.target}"
                connection.reply(307, Location=location)
            else:
                connection.reply(200)

        with scripted(registry, ends[0]) as server, connect_proxy(server.host) as proxy:
            environ.setenv("HTTPS_PROXY", f"http://me:word@{proxy.host}")
            environ.setenv("NO_PROXY", "127.0.0.0/8")
            with source(HOST, insecure=False, certificates=ends[1]) as image:
                assert image.manifest().data == MANIFEST
    assert set(proxy.asked) == {f"{HOST}:443"}
    assert len(storage.requests) == 1
    assert "proxy-authorization" not in storage.requests[0].headers


@pytest.mark.clause("REG-042", "REG-021", "AUTH-007")
@pytest.mark.parametrize("fault", ["407", "nobody", "untrusted", "socks"])
def test_a_proxy_that_fails_is_named_as_the_cause(
    fault: str, ends: Ends, environ: pytest.MonkeyPatch
) -> None:
    """The message has its answer or the failure of its connection, and never the password."""
    tls = ends[0] if fault == "untrusted" else None
    with connect_proxy("127.0.0.1:1", tls, status=407) as proxy:
        value, expected = {
            "407": (f"http://me:secret@{proxy.host}", "407 Proxy Authentication Required"),
            "nobody": ("http://me:secret@127.0.0.1:1", "connection refused"),
            "untrusted": (f"https://me:secret@{proxy.host}", "certificate"),
            "socks": ("socks5://me:secret@127.0.0.1:1", "SOCKS5"),
        }[fault]
        environ.setenv("HTTPS_PROXY", value)
        with source(HOST, insecure=False) as image, pytest.raises(RegistryError) as caught:
            image.manifest()
    assert caught.value.facts["cause"] == "proxy"
    message = caught.value.render(Rules.CURRENT.wording)
    assert expected in message
    assert "HTTPS_PROXY" in message
    assert "secret" not in message + repr(caught.value) + repr(caught.value.facts)


@pytest.mark.clause("REG-042")
def test_a_name_that_begins_like_loopback_uses_the_proxy(
    ends: Ends, environ: pytest.MonkeyPatch
) -> None:
    """`127.reg.example` is not an address."""
    with scripted(Registry(), ends[0]) as server, connect_proxy(server.host) as proxy:
        environ.setenv("HTTPS_PROXY", f"http://{proxy.host}")
        with source(f"127.{HOST}", insecure=False, certificates=ends[1]) as image:
            assert image.manifest().data == MANIFEST
    assert set(proxy.asked) == {f"127.{HOST}:443"}


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
def test_cancelling_interrupts_a_read_through_a_proxy(
    scheme: str, ends: Ends, environ: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A connection of TLS inside TLS is interrupted too."""
    cancel = CancelToken()

    def endless(request: Request, connection: Connection) -> None:
        connection.head(200, Content_Length=str(len(LAYER)))
        connection.send(LAYER[:10])
        cancel.cancel()
        connection.wait_until_closed()

    timeouts = replace(SHORT_TIMEOUTS, response=1000.0, stall_window=1000.0)
    with scripted(Registry({BLOB: endless}), ends[0]) as server:
        started = (
            socks_proxy(server.host)
            if scheme == "socks5"
            else connect_proxy(server.host, ends[0] if scheme == "https" else None)
        )
        with started as proxy:
            environ.setenv("HTTPS_PROXY", f"{scheme}://{proxy.host}")
            with source(
                HOST, insecure=False, certificates=ends[1], cancel=cancel, timeouts=timeouts
            ) as image:
                writer = BlobWriter(str(tmp_path / "blob"))
                with pytest.raises(PullCancelledError), image.open_blob(descriptor()) as blob:
                    blob.deliver(writer)
                writer.abort()
