"""Pulls from a real registry in common set-ups: TLS, authentication, mirrors, errors."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import certificates
from tests.support.edition_settings import changed
from tests.support.fault_proxy import Real, fault_proxy
from tests.support.pushing import Puller, digest_of, push, small_image
from tests.support.registry import PLAIN, NewRegistry, RegistryServer, RegistrySettings
from tests.support.scripted_server import Connection, Request, scripted
from tests.support.token_issuer import IDENTITY_TOKEN, TokenIssuer, issuing
from tests.support.towline_cli import CommandLine
from towline.errors import PullFailedError, TowlineError
from towline.registry.credentials import Credentials
from towline.rules import Rules

IMAGE = small_image("contract", layers=3, size=20_000)
OTHER = small_image("other", layers=1, size=1_000)
# bcrypt of "secret": the registry supports no other hash
HTPASSWD = "u:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"
KNOWN = Credentials("u", "secret")


@pytest.fixture
def puller(tmp_path: Path) -> Puller:
    """A new store and an empty configuration."""
    return Puller(tmp_path / "machine")


@pytest.fixture(scope="module")
def storage(registry: RegistryServer) -> Path:
    """Storage that registries share: `public/x:1` and `private/x:1`."""
    push(registry, "public/x:1", IMAGE)
    push(registry, "private/x:1", IMAGE)
    return registry.storage


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[TokenIssuer]:
    """A running token service."""
    with issuing(tmp_path / "issuer") as running:
        yield running


def conf(host: str, *mirrors: str) -> str:
    """A registries.conf with plain HTTP for a host and its mirrors."""
    lines = [f'[[registry]]\nlocation = "{host}"\ninsecure = true\n']
    lines += [f'[[registry.mirror]]\nlocation = "{it}"\ninsecure = true\n' for it in mirrors]
    return "".join(lines)


def error_of(failed: PullFailedError) -> TowlineError:
    """The error of the one pair."""
    (error,) = failed.facts["errors"]
    assert isinstance(error, TowlineError)
    return error


def test_plain_http_needs_an_insecure_registry(
    puller: Puller, storage: Path, registry: RegistryServer
) -> None:
    """Plain HTTP is used only if the configuration has the registry as insecure."""
    name = registry.name("public/x:1")
    with pytest.raises(PullFailedError) as caught:
        puller.runtime().pull(name)
    assert error_of(caught.value).code == "registry.plain_http"
    puller.conf(conf(registry.host))
    result = puller.runtime().pull(name)
    puller.assert_whole(IMAGE)
    (use,) = result.attempts[0].endpoints
    assert use.location == registry.name("public/x")
    assert set(use.served) == {IMAGE.digest, *map(digest_of, IMAGE.blobs)}


@pytest.fixture
def secure(tmp_path: Path) -> tuple[certificates.KeyPair, certificates.KeyPair]:
    """A private authority, and a server certificate that it signed."""
    signer = certificates.authority(tmp_path / "ca")
    return signer, certificates.issue(signer, tmp_path / "server")


@pytest.mark.clause("REG-040")
@pytest.mark.parametrize("base", ["etc/containers/certs.d", "etc/docker/certs.d", "home"])
def test_tls_with_an_authority_in_certs_d(
    puller: Puller,
    storage: Path,
    new_registry: NewRegistry,
    secure: tuple[certificates.KeyPair, certificates.KeyPair],
    base: str,
) -> None:
    """An authority in certs.d is trusted for the host of its folder."""
    signer, server_pair = secure
    server = new_registry(
        RegistrySettings(storage=storage, certificate=server_pair.certificate, key=server_pair.key)
    )
    with pytest.raises(PullFailedError) as caught:
        puller.runtime().pull(server.name("public/x:1"))
    assert error_of(caught.value).code == "registry.tls"
    base = "home/.config/containers/certs.d" if base == "home" else base
    puller.write(f"{base}/{server.host}/ca.crt", signer.certificate.read_text())
    puller.runtime().pull(server.name("public/x:1"))
    puller.assert_whole(IMAGE)


@pytest.mark.clause("REG-040")
@pytest.mark.clause("TLS-003")
def test_tls_with_a_client_certificate(
    puller: Puller,
    storage: Path,
    tmp_path: Path,
    new_registry: NewRegistry,
    secure: tuple[certificates.KeyPair, certificates.KeyPair],
) -> None:
    """`client.cert` and `client.key` in the folder of a host are sent to it."""
    signer, server_pair = secure
    client_pair = certificates.issue(signer, tmp_path / "client", "client")
    server = new_registry(
        RegistrySettings(
            storage=storage,
            certificate=server_pair.certificate,
            key=server_pair.key,
            client_ca=signer.certificate,
        )
    )
    folder = f"etc/containers/certs.d/{server.host}"
    puller.write(f"{folder}/ca.crt", signer.certificate.read_text())
    with pytest.raises(PullFailedError):
        puller.runtime().pull(server.name("public/x:1"))
    certificate = puller.write(f"{folder}/client.cert", client_pair.certificate.read_text())
    with pytest.raises(PullFailedError) as caught:
        puller.runtime().pull(server.name("public/x:1"))
    assert error_of(caught.value).code == "registry.tls"
    assert [error.code for error in caught.value.facts["warnings"]] == ["certs.lacks_key"]
    puller.write(f"{folder}/client.key", client_pair.key.read_text())
    puller.runtime().pull(server.name("public/x:1"))
    puller.assert_whole(IMAGE)
    given = Puller(tmp_path / "other")
    given.runtime(cert_dir=certificate.parent).pull(server.name("public/x:1"))
    given.assert_whole(IMAGE)


def auth_json(**entries: str) -> str:
    """An auth file with `name:password` for each key."""
    auths = {
        key: {"auth": base64.b64encode(value.encode()).decode()} for key, value in entries.items()
    }
    return json.dumps({"auths": auths})


@pytest.fixture
def basic(storage: Path, tmp_path: Path, new_registry: NewRegistry) -> RegistryServer:
    """A registry with basic authentication."""
    users = tmp_path / "htpasswd"
    users.write_text(HTPASSWD)
    return new_registry(RegistrySettings(storage=storage, htpasswd=users))


def test_basic_authentication(puller: Puller, basic: RegistryServer) -> None:
    """The right credentials are accepted; none or wrong ones are an error."""
    name = basic.name("private/x:1")
    puller.conf(conf(basic.host))
    with pytest.raises(PullFailedError) as caught:
        puller.runtime().pull(name)
    assert error_of(caught.value).code == "registry.unauthorized"
    with pytest.raises(PullFailedError) as caught:
        puller.runtime(auth=Credentials("u", "wrong-password")).pull(name)
    message = str(error_of(caught.value))
    assert "rejects the credentials" in message
    assert "wrong-password" not in message
    puller.runtime(auth=KNOWN).pull(name)
    puller.assert_whole(IMAGE)


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("run/containers/0/auth.json", "{host}/private/x"),
        ("run/containers/0/auth.json", "{host}"),
        ("home/.config/containers/auth.json", "{host}/private"),
        ("home/.docker/config.json", "http://{host}/v2/"),
    ],
)
def test_auth_files(tmp_path: Path, basic: RegistryServer, path: str, key: str) -> None:
    """Keys are a repository, a namespace, a host or a URL."""
    puller = Puller(tmp_path / "machine")
    puller.conf(conf(basic.host))
    puller.write(path, auth_json(**{key.format(host=basic.host): "u:secret"}))
    puller.runtime().pull(basic.name("private/x:1"))
    puller.assert_whole(IMAGE)


@pytest.mark.clause("REG-012")
def test_token_authentication(
    puller: Puller, storage: Path, new_registry: NewRegistry, issuer: TokenIssuer
) -> None:
    """One token is used for a whole pull; a pull without access is an error."""
    server = new_registry(RegistrySettings(storage=storage, token=issuer.settings))
    puller.conf(conf(server.host))
    puller.runtime().pull(server.name("public/x:1"))
    puller.assert_whole(IMAGE)
    assert len(issuer.requests) == 1
    assert "authorization" not in issuer.requests[0].headers
    with pytest.raises(PullFailedError) as caught:
        puller.runtime().pull(server.name("private/x:1"))
    assert error_of(caught.value).code == "registry.unauthorized"
    with pytest.raises(PullFailedError) as caught:
        puller.runtime(auth=Credentials("u", "bad")).pull(server.name("private/x:1"))
    assert error_of(caught.value).code == "registry.token_refused"
    puller.runtime(auth=KNOWN).pull(server.name("private/x:1"))
    assert "private/x:1" in str(puller.stored())


@pytest.mark.clause("REG-014")
def test_a_token_that_expires_during_a_pull(
    puller: Puller, storage: Path, new_registry: NewRegistry, issuer: TokenIssuer
) -> None:
    """A new token is requested once, and the pull continues."""
    server = new_registry(RegistrySettings(storage=storage, token=issuer.settings))
    challenge = f'Bearer realm="{issuer.settings.realm}",service="{issuer.settings.service}"'

    def expired(request: Request, connection: Connection, real: Real) -> None:
        header = f'{challenge},scope="repository:public/x:pull",error="invalid_token"'
        connection.reply(401, b"", WWW_Authenticate=header)

    with fault_proxy(server.host, expired, f"/blobs/{digest_of(IMAGE.layers[1])}", 1) as proxy:
        puller.conf(conf(proxy.host))
        puller.runtime().pull(f"{proxy.host}/public/x:1")
    puller.assert_whole(IMAGE)
    assert len(issuer.requests) == 2


def test_identity_tokens(
    puller: Puller, storage: Path, new_registry: NewRegistry, issuer: TokenIssuer
) -> None:
    """An identity token is sent to the token service only."""
    server = new_registry(RegistrySettings(storage=storage, token=issuer.settings))
    puller.conf(conf(server.host))
    known = Credentials("", "", IDENTITY_TOKEN)
    puller.runtime(auth=known).pull(server.name("private/x:1"))
    puller.assert_whole(IMAGE)
    assert {request.method for request in issuer.requests} == {"POST"}
    assert IDENTITY_TOKEN not in server.log.read_text()


def test_a_pull_through_a_mirror(
    puller: Puller, storage: Path, registry: RegistryServer, new_registry: NewRegistry
) -> None:
    """Everything is fetched from the mirror, and stored under the name of the registry."""
    mirror = new_registry(RegistrySettings(proxy=registry.url))
    puller.conf(conf(registry.host, mirror.host))
    result = puller.runtime().pull(registry.name("public/x:1"))
    puller.assert_whole(IMAGE)
    (use,) = result.attempts[0].endpoints
    assert use.mirror
    assert use.location == mirror.name("public/x")
    assert len(use.served) == 2 + len(IMAGE.layers)
    assert result.images == (registry.name("public/x:1"),)
    assert puller.stored()[0][1] == (registry.name("public/x:1"),)


@pytest.mark.clause("CONF-045")
def test_a_mirror_that_lacks_a_blob(
    puller: Puller, storage: Path, registry: RegistryServer, new_registry: NewRegistry
) -> None:
    """Only the missing blob is fetched from the registry itself."""
    mirror = new_registry(PLAIN)
    push(mirror, "copies/x:1", IMAGE)
    lost = json.loads(IMAGE.manifest)["layers"][1]["digest"]
    algorithm, _, digits = lost.partition(":")
    blobs = mirror.storage / "docker/registry/v2/blobs"
    (blobs / algorithm / digits[:2] / digits / "data").unlink()
    puller.conf(
        f'[[registry]]\nprefix = "{registry.host}/public"\nlocation = "{registry.host}/public"\n'
        f'insecure = true\n[[registry.mirror]]\nlocation = "{mirror.host}/copies"\n'
        "insecure = true\n"
    )
    result = puller.runtime().pull(registry.name("public/x:1"))
    puller.assert_whole(IMAGE)
    first, second = result.attempts[0].endpoints
    assert (first.location, second.location) == (
        mirror.name("copies/x"),
        registry.name("public/x"),
    )
    assert second.served == (lost,)
    assert lost not in first.served
    assert [error.code for error in first.errors] == ["registry.not_found"]


def closed_port() -> str:
    """An address that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


def test_a_short_name_with_one_unreachable_registry(
    puller: Puller, storage: Path, registry: RegistryServer
) -> None:
    """A short name is found in the second registry, and the first one's error is reported."""
    down = closed_port()
    puller.conf(
        f'unqualified-search-registries = ["{down}", "{registry.host}"]\n'
        + conf(down)
        + conf(registry.host)
    )
    result = puller.runtime().pull("public/x:1")
    assert result.images == (registry.name("public/x:1"),)
    first, second = result.attempts
    assert first.error is not None
    assert first.error.code == "registry.unreachable"
    assert second.error is None


@pytest.mark.clause("CONF-042")
def test_all_mirrors_fail(puller: Puller, storage: Path, registry: RegistryServer) -> None:
    """The message has the error of the registry, and then that of each mirror."""
    one, two = closed_port(), closed_port()
    puller.conf(conf(registry.host, one, two))
    with pytest.raises(PullFailedError) as caught:
        puller.runtime().pull(registry.name("public/absent:1"))
    error = error_of(caught.value)
    assert error.code == "registry.not_found"
    for part in (one, two, "connection refused", registry.host, "mirrors"):
        assert part in str(error)


@pytest.mark.clause("CONF-041")
def test_a_blocked_registry_gets_no_requests(
    puller: Puller, storage: Path, registry: RegistryServer, new_registry: NewRegistry
) -> None:
    """Its mirror is still used; without a mirror the next search registry is tried."""
    blocked = new_registry(PLAIN)
    push(blocked, "public/x:1", OTHER)
    before = blocked.requests()
    puller.conf(
        f'unqualified-search-registries = ["{blocked.host}", "{registry.host}"]\n'
        f'[[registry]]\nlocation = "{blocked.host}"\ninsecure = true\nblocked = true\n'
        + conf(registry.host)
    )
    with pytest.raises(PullFailedError) as caught:
        puller.runtime().pull(blocked.name("public/x:1"))
    assert error_of(caught.value).code == "registry.blocked"
    assert "registries.conf" in str(error_of(caught.value))
    result = puller.runtime().pull("public/x:1")
    assert result.images == (registry.name("public/x:1"),)
    puller.conf(
        f'[[registry]]\nlocation = "{blocked.host}"\ninsecure = true\nblocked = true\n'
        f'[[registry.mirror]]\nlocation = "{registry.host}"\ninsecure = true\n'
    )
    puller.runtime().pull(blocked.name("public/x:1"))
    puller.assert_whole(IMAGE)
    assert blocked.requests() == before


@pytest.mark.clause("AUTH-010")
@pytest.mark.clause("AUTH-007")
def test_credentials_are_not_sent_to_mirrors(
    puller: Puller, basic: RegistryServer, registry: RegistryServer
) -> None:
    """Given credentials are not sent to a mirror, even after its challenge."""
    with scripted(
        lambda request, connection: connection.reply(401, b"", WWW_Authenticate='Basic realm="m"')
    ) as mirror:
        puller.conf(conf(basic.host, mirror.host))
        result = puller.runtime(auth=KNOWN).pull(basic.name("private/x:1"))
    puller.assert_whole(IMAGE)
    assert mirror.requests
    assert not [request for request in mirror.requests if "authorization" in request.headers]
    assert [error.code for error in result.attempts[0].endpoints[0].errors] == [
        "registry.unauthorized"
    ]
    # Credentials for the mirror in an auth file are sent to it.
    with scripted(
        lambda request, connection: connection.reply(401, b"", WWW_Authenticate='Basic realm="m"')
    ) as mirror:
        puller.conf(conf(basic.host, mirror.host))
        puller.write("run/containers/0/auth.json", auth_json(**{mirror.host: "m:of-the-mirror"}))
        puller.runtime(auth=KNOWN).pull(basic.name("private/x:1"))
    sent = {request.headers.get("authorization") for request in mirror.requests}
    assert sent == {None, "Basic " + base64.b64encode(b"m:of-the-mirror").decode()}


def test_libpod_1_3_ignores_mirrors(
    puller: Puller, storage: Path, registry: RegistryServer
) -> None:
    """In libpod-1.3 neither a mirror nor `blocked` has an effect."""
    puller.write(
        "etc/containers/registries.conf",
        f'[[registry]]\nurl = "{registry.host}"\ninsecure = true\nblocked = true\n'
        f'[[registry.mirror]]\nurl = "{closed_port()}"\n',
    )
    puller.write("etc/containers/policy.json", '{"default": [{"type": "insecureAcceptAnything"}]}')
    runtime = puller.runtime(rules=changed(Rules.LIBPOD_1_3, "layers_must_apply", False))
    result = runtime.pull(registry.name("public/x:1"))
    assert result.attempts[0].endpoints == ()


def test_the_command_line_reports_mirrors(
    tmp_path: Path, storage: Path, registry: RegistryServer
) -> None:
    """A failed mirror is a warning, and the JSON output has the blobs of each endpoint."""
    cli = CommandLine.below(tmp_path)
    down = closed_port()
    cli.registries_conf.write_text(conf(registry.host, down))
    ended = cli("pull", "--progress", "none", registry.name("public/x:1"))
    assert ended.status == 0, ended.stderr
    assert ended.lines == [registry.name("public/x:1")]
    assert f"{down}/public/x failed: cannot connect to {down}" in ended.stderr
    arguments = ("--progress", "none", "--format", "json", registry.name("private/x:1"))
    (result,) = cli("pull", *arguments).json()
    first, second = result["attempts"][0]["endpoints"]
    assert first["location"] == f"{down}/private/x"
    assert first["mirror"]
    assert [error["code"] for error in first["errors"]] == ["registry.unreachable"]
    assert second["served"][0] == IMAGE.digest
