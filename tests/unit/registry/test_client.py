"""The client says who asks to whom it should, and follows where it may."""

from __future__ import annotations

import base64
from urllib.parse import parse_qs

import pytest

from tests.support.docker_images import CONFIG, MANIFEST, Registry, descriptor, source
from tests.support.scripted_server import Line, Request, scripted
from towline.config.auth_json import Credentials
from towline.errors import RegistryError, TowlineError
from towline.rules import Rules
from towline.wording import LIBPOD_1_3

WHO = Credentials("user", "very secret")
BASIC = "Basic " + base64.b64encode(b"user:very secret").decode()


def bearer(realm: str, *, lives: int = 60, tokens: tuple[str, ...] = ("t1", "t2")) -> Registry:
    """A registry that wants a token, the last that was given."""
    registry = Registry()
    given: list[str] = []

    def ping(request: Request, line: Line) -> None:
        line.reply(401, WWW_Authenticate=f'Bearer realm="{realm}",service="s",scope="ignored"')

    def token(request: Request, line: Line) -> None:
        given.append(tokens[len(given)])
        line.reply(200, f'{{"token":"{given[-1]}","expires_in":{lives}}}'.encode())

    def manifest(request: Request, line: Line) -> None:
        if request.headers.get("authorization") == f"Bearer {tokens[-1]}":
            line.reply(200, MANIFEST)
        else:
            line.reply(401, b"{}")

    registry.odd = {"/v2/": ping, "/token": token, "/v2/r/manifests/latest": manifest}
    return registry


def run_bearer(rules: Rules, credentials: Credentials | None) -> tuple[list[Request], str]:
    registry = Registry()
    with scripted(registry) as server:
        registry.odd = bearer(f"http://{server.host}/token?a=b").odd
        with source(server.host, rules=rules, credentials=credentials) as image:
            try:
                image.manifest()
                outcome = "ok"
            except RegistryError as error:
                outcome = error.code
    return server.requests, outcome


def test_a_token_that_is_refused_is_renewed_once() -> None:
    """A 401 makes the client ask for another token, and repeat the request with it."""
    requests, outcome = run_bearer(Rules.CURRENT, None)
    assert outcome == "ok"
    assert [request.path for request in requests] == [
        "/v2/",
        "/token",
        "/v2/r/manifests/latest",
        "/token",
        "/v2/r/manifests/latest",
    ]


def test_the_original_does_not_renew_tokens() -> None:
    """Under libpod-1.3 a refused token is the end."""
    requests, outcome = run_bearer(Rules.LIBPOD_1_3, None)
    assert outcome == "registry.unauthorized"
    assert len(requests) == 3


def test_what_the_token_service_is_asked() -> None:
    """It gets account, service and our own scope, keys sorted, and the password in a header."""
    requests, _ = run_bearer(Rules.CURRENT, WHO)
    asked = requests[1]
    assert asked.target == ("/token?a=b&account=user&scope=repository%3Ar%3Apull&service=s")
    assert asked.headers["authorization"] == BASIC
    assert "authorization" not in requests[0].headers


def test_an_identity_token_is_posted() -> None:
    """It goes in the body of a POST, so that no log of URLs has it."""
    requests, _ = run_bearer(Rules.CURRENT, Credentials("user", "", "identity"))
    asked = requests[1]
    assert asked.method == "POST"
    form = parse_qs(asked.body.decode())
    assert form["grant_type"] == ["refresh_token"]
    assert form["refresh_token"] == ["identity"]
    assert form["scope"] == ["repository:r:pull"]
    assert "identity" not in asked.target


def test_a_token_serves_many_requests() -> None:
    """One token is asked for, however many requests follow."""
    registry = Registry()
    with scripted(registry) as server:
        registry.odd = bearer(f"http://{server.host}/token", tokens=("t1",)).odd
        with source(server.host) as image:
            image.manifest()
            image.manifest()
            image.config(descriptor(CONFIG))
    assert server.targets().count("/v2/") == 1
    assert sum(request.path == "/token" for request in server.requests) == 1


@pytest.mark.parametrize(
    ("realm", "code"),
    [
        ("", "registry.token_realm"),
        ("ftp://h/", "registry.token_realm"),
        ("https://user@h/", "registry.token_realm"),
        ("http://127.0.0.1:1/token", "registry.unreachable"),
    ],
)
def test_bad_realms(realm: str, code: str) -> None:
    """A registry that names no usable place of tokens is refused with its own code."""
    with scripted(bearer(realm)) as server, source(server.host) as image:
        with pytest.raises(RegistryError) as caught:
            image.manifest()
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, b"", "registry.token_refused"),
        (403, b"", "registry.token_refused"),
        (400, b"", "registry.token_status"),
        (200, b"<html>", "registry.token_unusable"),
        (200, b"{}", "registry.token_unusable"),
        (200, b'{"token":"a\\r\\nX-Evil: 1"}', "registry.token_unusable"),
        (200, b'{"token":["x"]}', "registry.token_unusable"),
        (200, b" " * ((1 << 20) + 1), "limit.document"),
    ],
)
def test_bad_token_services(status: int, body: bytes, code: str) -> None:
    """Each way in which no token comes has its own code, and no secret in any text."""
    registry = Registry()
    with scripted(registry) as server:
        registry.odd = bearer(f"http://{server.host}/token").odd
        registry.odd["/token"] = lambda request, line: line.reply(status, body)
        with source(server.host, credentials=WHO) as image:
            with pytest.raises(TowlineError) as caught:
                image.manifest()
            error = caught.value
            assert error.code == code
            assert "very secret" not in f"{error}{error!r}{vars(error)}"


def test_basic() -> None:
    """A Basic challenge is answered with name and password, and without them with nothing."""
    registry = Registry()
    registry.odd["/v2/"] = lambda request, line: line.reply(401, WWW_Authenticate='Basic realm="x"')
    with scripted(registry) as server:
        with source(server.host, credentials=WHO) as image:
            image.manifest()
        with source(server.host) as image:
            image.manifest()
    sent = [request.headers.get("authorization") for request in server.requests]
    assert sent == [None, BASIC, None, None]


def test_a_challenge_may_come_late() -> None:
    """A ping without a challenge is not the last word: the refusal itself may have one."""
    registry = Registry()

    def manifest(request: Request, line: Line) -> None:
        if request.headers.get("authorization") == BASIC:
            line.reply(200, MANIFEST)
        else:
            line.reply(401, WWW_Authenticate='Basic realm="x"')

    registry.odd["/v2/r/manifests/latest"] = manifest
    with scripted(registry) as server:
        with source(server.host, credentials=WHO) as image:
            assert image.manifest().data == MANIFEST
        with (
            source(server.host, credentials=WHO, rules=Rules.LIBPOD_1_3) as image,
            pytest.raises(RegistryError),
        ):
            image.manifest()


def test_a_redirect_elsewhere_takes_no_credentials() -> None:
    """Another port is another host: it sees no Authorization, nor does what it redirects to."""
    registry = Registry()
    registry.odd["/v2/"] = lambda request, line: line.reply(401, WWW_Authenticate='Basic realm="x"')
    with scripted(registry) as home:

        def elsewhere(request: Request, line: Line) -> None:
            line.reply(307, Location=f"http://{home.host}/back")

        with scripted(elsewhere) as cdn:
            registry.odd["/v2/r/manifests/latest"] = lambda request, line: line.reply(
                302, Location=f"http://{cdn.host}/there?signature=secret"
            )
            registry.odd["/back"] = lambda request, line: line.reply(200, MANIFEST)
            with source(home.host, credentials=WHO) as image:
                assert image.manifest().data == MANIFEST
            assert [request.headers.get("authorization") for request in cdn.requests] == [None]
    assert [request.headers.get("authorization") for request in home.requests] == [
        None,
        BASIC,
        None,
    ]


def test_a_redirect_at_home_keeps_credentials() -> None:
    """The same host, port and scheme still learns who asks."""
    registry = Registry()
    registry.odd["/v2/"] = lambda request, line: line.reply(401, WWW_Authenticate='Basic realm="x"')
    registry.odd["/v2/r/manifests/latest"] = lambda request, line: line.reply(
        308, Location="/moved here"
    )
    registry.odd["/moved%20here"] = lambda request, line: line.reply(200, MANIFEST)
    with scripted(registry) as server, source(server.host, credentials=WHO) as image:
        assert image.manifest().data == MANIFEST
    assert server.requests[-1].headers["authorization"] == BASIC


@pytest.mark.parametrize(
    "location", ["ftp://h/", "http://user:pass@h/", "http://[", "http://h:0/", "https://"]
)
def test_redirects_to_nowhere(location: str) -> None:
    """A Location that is no address is told as a bad answer."""
    registry = Registry()
    registry.odd["/v2/r/manifests/latest"] = lambda request, line: line.reply(
        302, Location=location
    )
    with scripted(registry) as server, source(server.host) as image:
        with pytest.raises(RegistryError) as caught:
            image.manifest()
        assert caught.value.code == "registry.bad_answer"


def test_redirects_end() -> None:
    """After ten redirects the client gives up."""
    registry = Registry()
    registry.odd["/v2/r/manifests/latest"] = lambda request, line: line.reply(
        302, Location=request.path
    )
    with scripted(registry) as server, source(server.host) as image:
        with pytest.raises(RegistryError) as caught:
            image.manifest()
        assert caught.value.code == "registry.redirects"
    assert server.targets().count("/v2/r/manifests/latest") == 11


def test_statuses_that_pass_are_asked_again() -> None:
    """429 and 5xx are repeated three times, and not at all under libpod-1.3."""
    for rules, asked in ((Rules.CURRENT, 4), (Rules.LIBPOD_1_3, 1)):
        registry = Registry()
        registry.odd["/v2/r/manifests/latest"] = lambda request, line: line.reply(
            429, Retry_After="86400"
        )
        with scripted(registry) as server, source(server.host, rules=rules) as image:
            with pytest.raises(RegistryError) as caught:
                image.manifest()
            assert caught.value.code == "registry.rate_limited"
        assert server.targets().count("/v2/r/manifests/latest") == asked
        assert server.connections <= 2  # one for the ping by TLS, one for all the rest


def test_ping_of_something_else() -> None:
    """The sentence of a ping is the original's; v1 is looked for under libpod-1.3 only."""
    for rules, v1 in ((Rules.CURRENT, False), (Rules.LIBPOD_1_3, True)):
        registry = Registry()
        registry.odd["/v2/"] = lambda request, line: line.reply(404)
        with (
            scripted(registry) as server,
            source(server.host, rules=rules) as image,
            pytest.raises(RegistryError) as caught,
        ):
            image.manifest()
        assert caught.value.told(LIBPOD_1_3) == (
            "pinging docker registry returned: error pinging registry"
            f" {server.host}, response code 404 (Not Found)"
        )
        assert ("/v1/_ping" in server.targets()) is v1


def test_a_v1_registry_is_named_as_one() -> None:
    """Under libpod-1.3 a registry that answers the old ping is told as such."""
    registry = Registry()
    registry.odd["/v2/"] = lambda request, line: line.reply(404)
    registry.odd["/v1/_ping"] = lambda request, line: line.reply(200)
    with (
        scripted(registry) as server,
        source(server.host, rules=Rules.LIBPOD_1_3) as image,
        pytest.raises(RegistryError) as caught,
    ):
        image.manifest()
    assert caught.value.told(LIBPOD_1_3) == "can't talk to a V1 docker registry"


@pytest.mark.parametrize("insecure", [None, False])
def test_plain_http_needs_a_word(insecure: bool | None) -> None:
    """Where nobody allowed it, plain HTTP is not spoken, and the error says what to do."""
    with (
        scripted(Registry()) as server,
        source(server.host, insecure=insecure) as image,
        pytest.raises(RegistryError) as caught,
    ):
        image.manifest()
    assert caught.value.code in ("registry.plain_http", "registry.unreachable")
    assert server.requests == []
