"""Attacks on credentials: by those to whom a registry redirects, and those who listen."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support import certificates
from tests.support.docker_images import Registry, source
from tests.support.scripted_server import Line, Request, scripted
from towline.config.auth_json import Credentials
from towline.errors import RegistryError
from towline.rules import Rules
from towline.source.docker import DockerSource

TAG = "/v2/r/manifests/latest"
WHO = Credentials("user", "secret")


def ask_for_manifest(image: DockerSource) -> None:
    """Given or refused."""
    with suppress(RegistryError):
        image.manifest()


@pytest.mark.clause("AUTH-010")
@pytest.mark.parametrize("where", ["/v2/", TAG])
@pytest.mark.parametrize(
    "who", [WHO, Credentials("", "", identity_token="secret")], ids=["password", "token"]
)
@pytest.mark.parametrize("ask", [ask_for_manifest, DockerSource.announcement], ids=["GET", "HEAD"])
@pytest.mark.parametrize("rules", [Rules.CURRENT, Rules.LIBPOD_1_3], ids=["current", "2019"])
def test_a_challenge_from_elsewhere(
    where: str, who: Credentials, ask: Callable[[DockerSource], object], rules: Rules
) -> None:
    """A host to which a registry redirects does not say where the password goes."""

    def thief(request: Request, line: Line) -> None:
        realm = f'Bearer realm="http://{request.headers["host"]}/token"'
        if request.path == "/token":
            line.reply(200, b'{"token":"x"}')
        else:
            line.reply(401, WWW_Authenticate=realm)

    with scripted(thief) as other:
        registry = Registry()
        registry.odd[where] = lambda request, line: line.reply(
            307, Location=f"http://{other.host}/there"
        )
        with (
            scripted(registry) as server,
            source(server.host, credentials=who, rules=rules) as image,
        ):
            ask(image)
    assert all(request.path == "/there" for request in other.requests)
    assert not any("authorization" in request.headers for request in other.requests)


@pytest.mark.clause("AUTH-010", "REG-002")
def test_a_refused_token_is_no_reason_for_plain_http(tmp_path: Path) -> None:
    """Who answered by HTTPS is not asked by HTTP, where anybody may listen to the password."""
    signer = certificates.authority(tmp_path / "ca")
    pair = certificates.issue(signer, tmp_path / "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    heard: list[Request] = []

    def answer(request: Request, line: Line) -> None:
        if not line.secure:
            heard.append(request)
            line.reply(401, WWW_Authenticate='Basic realm="x"')
        elif request.path == "/token":
            line.reply(403)
        else:
            realm = f'Bearer realm="https://{request.headers["host"]}/token"'
            line.reply(401, WWW_Authenticate=realm)

    with (
        scripted(answer, context, plain=True) as server,
        source(server.host, credentials=WHO, insecure=True) as image,
    ):
        assert image.announcement() is None
        with pytest.raises(RegistryError) as caught:
            image.manifest()
    assert caught.value.code == "registry.token_refused"
    assert heard == []
