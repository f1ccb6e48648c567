"""Attacks on credentials, by hosts that a registry redirects to and by eavesdroppers."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support import certificates
from tests.support.docker_images import Registry, source
from tests.support.scripted_server import Connection, Request, scripted
from towline.errors import RegistryError
from towline.registry.credentials import Credentials
from towline.rules import Rules
from towline.source.docker import DockerSource

TAG = "/v2/r/manifests/latest"
CREDENTIALS = Credentials("user", "secret")


def read_manifest(image: DockerSource) -> None:
    """Read the manifest; ignore errors of the registry."""
    with suppress(RegistryError):
        image.manifest()


@pytest.mark.clause("AUTH-010")
@pytest.mark.parametrize("where", ["/v2/", TAG])
@pytest.mark.parametrize(
    "credentials",
    [CREDENTIALS, Credentials("", "", identity_token="secret")],
    ids=["password", "token"],
)
@pytest.mark.parametrize("read", [read_manifest, DockerSource.announcement], ids=["GET", "HEAD"])
@pytest.mark.parametrize("rules", [Rules.CURRENT, Rules.LIBPOD_1_3], ids=["current", "2019"])
def test_a_challenge_from_another_host_is_ignored(
    where: str, credentials: Credentials, read: Callable[[DockerSource], object], rules: Rules
) -> None:
    """A host that a registry redirects to does not determine where the password is sent."""

    def malicious(request: Request, connection: Connection) -> None:
        realm = f'Bearer realm="http://{request.headers["host"]}/token"'
        if request.path == "/token":
            connection.reply(200, b'{"token":"x"}')
        else:
            connection.reply(401, WWW_Authenticate=realm)

    with scripted(malicious) as other:
        registry = Registry()
        registry.odd[where] = lambda request, connection: connection.reply(
            307, Location=f"http://{other.host}/there"
        )
        with (
            scripted(registry) as server,
            source(server.host, credentials=credentials, rules=rules) as image,
        ):
            read(image)
    assert all(request.path == "/there" for request in other.requests)
    assert not any("authorization" in request.headers for request in other.requests)


@pytest.mark.clause("AUTH-010", "REG-002")
def test_a_refused_token_is_no_reason_for_plain_http(tmp_path: Path) -> None:
    """A registry that responded over HTTPS gets no request over HTTP."""
    signer = certificates.authority(tmp_path / "ca")
    pair = certificates.issue(signer, tmp_path / "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    plain_requests: list[Request] = []

    def handle(request: Request, connection: Connection) -> None:
        if not connection.secure:
            plain_requests.append(request)
            connection.reply(401, WWW_Authenticate='Basic realm="x"')
        elif request.path == "/token":
            connection.reply(403)
        else:
            realm = f'Bearer realm="https://{request.headers["host"]}/token"'
            connection.reply(401, WWW_Authenticate=realm)

    with (
        scripted(handle, context, plain=True) as server,
        source(server.host, credentials=CREDENTIALS, insecure=True) as image,
    ):
        assert image.announcement() is None
        with pytest.raises(RegistryError) as caught:
            image.manifest()
    assert caught.value.code == "registry.token_refused"
    assert plain_requests == []
