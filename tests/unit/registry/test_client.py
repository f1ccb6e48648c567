"""The registry client: authentication, redirects, retries and the ping."""

from __future__ import annotations

import base64
import json
import sys
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.docker_images import CONFIG, MANIFEST, Registry, descriptor, source
from tests.support.scripted_server import Connection, Request, scripted
from towline.errors import RegistryError, TowlineError, UnauthorizedError
from towline.registry.credentials import Credentials, Login
from towline.rules import Rules
from towline.wording import LIBPOD_1_3

CREDENTIALS = Credentials("user", "very secret")
BASIC = "Basic " + base64.b64encode(b"user:very secret").decode()


def bearer(realm: str, *, lifetime: int = 60, tokens: tuple[str, ...] = ("t1", "t2")) -> Registry:
    """A registry that requires the last of these tokens."""
    registry = Registry()
    issued: list[str] = []

    def ping(request: Request, connection: Connection) -> None:
        connection.reply(
            401, WWW_Authenticate=f'Bearer realm="{realm}",service="s",scope="ignored"'
        )

    def token(request: Request, connection: Connection) -> None:
        issued.append(tokens[len(issued)])
        connection.reply(200, f'{{"token":"{issued[-1]}","expires_in":{lifetime}}}'.encode())

    def manifest(request: Request, connection: Connection) -> None:
        if request.headers.get("authorization") == f"Bearer {tokens[-1]}":
            connection.reply(200, MANIFEST)
        else:
            connection.reply(401, b"{}")

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


def test_a_refused_token_is_renewed_once() -> None:
    """After status 401 the client requests another token and repeats the request."""
    requests, outcome = run_bearer(Rules.CURRENT, None)
    assert outcome == "ok"
    assert [request.path for request in requests] == [
        "/v2/",
        "/token",
        "/v2/r/manifests/latest",
        "/token",
        "/v2/r/manifests/latest",
    ]


def test_libpod_does_not_renew_tokens() -> None:
    """Under libpod-1.3 a refused token is an error."""
    requests, outcome = run_bearer(Rules.LIBPOD_1_3, None)
    assert outcome == "registry.unauthorized"
    assert len(requests) == 3


def test_the_request_to_the_token_service() -> None:
    """It has account, service and scope, sorted by key, and the password in a header."""
    requests, _ = run_bearer(Rules.CURRENT, CREDENTIALS)
    sent = requests[1]
    assert sent.target == "/token?a=b&account=user&scope=repository%3Ar%3Apull&service=s"
    assert sent.headers["authorization"] == BASIC
    assert "authorization" not in requests[0].headers


def test_an_identity_token_is_posted() -> None:
    """It is in the body of a POST request, so that it is not in logs of URLs."""
    requests, _ = run_bearer(Rules.CURRENT, Credentials("user", "", "identity"))
    sent = requests[1]
    assert sent.method == "POST"
    form = parse_qs(sent.body.decode())
    assert form["grant_type"] == ["refresh_token"]
    assert form["refresh_token"] == ["identity"]
    assert form["scope"] == ["repository:r:pull"]
    assert "identity" not in sent.target


def test_a_token_is_reused() -> None:
    """One token is requested for several requests."""
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
def test_invalid_realms(realm: str, code: str) -> None:
    """A registry with an unusable token service has its own error code."""
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
        (200, b'["x"]', "registry.token_unusable"),
        (200, b'{"a":' * 5000, "registry.token_unusable"),
        (200, b" " * ((1 << 20) + 1), "limit.document"),
    ],
)
def test_bad_responses_of_token_services(status: int, body: bytes, code: str) -> None:
    """Each failure has its own code, and no message contains a secret."""
    registry = Registry()
    with scripted(registry) as server:
        registry.odd = bearer(f"http://{server.host}/token").odd
        registry.odd["/token"] = lambda request, connection: connection.reply(status, body)
        with source(server.host, credentials=CREDENTIALS) as image:
            with pytest.raises(TowlineError) as caught:
                image.manifest()
            error = caught.value
            assert error.code == code
            assert "very secret" not in f"{error}{error!r}{vars(error)}"


ADVICE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["300", "-1", "1e400", "NaN", "0", 10**5000, -(10**5000), 1e300]),
    st.lists(st.integers(), max_size=1),
)


@pytest.mark.clause("REG-012")
@given(
    name=st.sampled_from(["token", "access_token"]),
    advice=st.dictionaries(st.sampled_from(["expires_in", "issued_at", "scope"]), ADVICE),
)
def test_advice_besides_a_token_is_never_fatal(name: str, advice: dict[str, object]) -> None:
    """Whatever the lifetime and the date are, the token is used."""
    registry = bearer("/token", tokens=("t",))
    sys.set_int_max_str_digits(0)
    body = json.dumps({name: "t", **advice}).encode()
    sys.set_int_max_str_digits(sys.int_info.default_max_str_digits)
    registry.odd["/token"] = lambda request, connection: connection.reply(200, body)
    with scripted(registry) as server, source(server.host) as image:
        assert image.manifest().data == MANIFEST
        image.config(descriptor(CONFIG))
    assert sum(request.path == "/token" for request in server.requests) == 1


@pytest.mark.clause("REG-011")
def test_an_empty_password_is_a_password() -> None:
    """It is sent, in a Basic answer and to a token service."""
    empty = Credentials("user", "")
    header = "Basic " + base64.b64encode(b"user:").decode()
    requests, outcome = run_bearer(Rules.CURRENT, empty)
    assert outcome == "ok"
    assert requests[1].headers["authorization"] == header
    registry = Registry()
    registry.odd["/v2/"] = lambda request, connection: connection.reply(
        401, WWW_Authenticate='Basic realm="x"'
    )
    with scripted(registry) as server, source(server.host, credentials=empty) as image:
        image.manifest()
    assert server.requests[-1].headers["authorization"] == header


@pytest.mark.clause("REG-014")
def test_a_challenge_of_a_403_response() -> None:
    """It is answered, with the scope that it names."""
    registry = bearer("/token")
    wide = 'Bearer realm="/token",error="insufficient_scope",scope="repository:r:pull other:x:y"'

    def manifest(request: Request, connection: Connection) -> None:
        if request.headers.get("authorization") == "Bearer t2":
            connection.reply(200, MANIFEST)
        else:
            connection.reply(403, WWW_Authenticate=wide)

    registry.odd["/v2/r/manifests/latest"] = manifest
    with scripted(registry) as server, source(server.host) as image:
        image.manifest()
    assert "other%3Ax%3Ay" in [each.target for each in server.requests if each.path == "/token"][1]


@pytest.mark.clause("REG-014")
def test_a_ping_that_is_forbidden_with_a_challenge() -> None:
    """The host counts as a registry."""
    registry = bearer("/token", tokens=("t",))
    registry.odd["/v2/"] = lambda request, connection: connection.reply(
        403, WWW_Authenticate='Bearer realm="/token"'
    )
    with scripted(registry) as server, source(server.host) as image:
        assert image.manifest().data == MANIFEST


@pytest.mark.clause("AUTH-017")
@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("challenge", ["", "Negotiate", "NTLM, Digest realm=x"])
@pytest.mark.parametrize("login", [Login(CREDENTIALS), Login(CREDENTIALS, "auth.json"), Login()])
def test_credentials_that_were_not_sent_are_not_refused(
    login: Login, challenge: str, status: int
) -> None:
    """The error states that none were sent, and which authentication is not supported."""
    registry = Registry()
    for path in ("/v2/", "/v2/r/manifests/latest"):
        registry.odd[path] = lambda request, connection: connection.reply(
            401 if request.path == "/v2/" else status, WWW_Authenticate=challenge
        )
    with (
        scripted(registry) as server,
        source(server.host, login=login) as image,
        pytest.raises(UnauthorizedError) as caught,
    ):
        image.manifest()
    assert "without credentials" in str(caught.value)
    assert "rejects" not in str(caught.value)
    schemes = {"Negotiate": "by negotiate, which", "NTLM, Digest realm=x": "by ntlm, digest, which"}
    assert schemes.get(challenge, "podman login") in str(caught.value)


@pytest.mark.clause("AUTH-017")
@pytest.mark.parametrize("place", ["/token", "/v2/r/manifests/latest"])
def test_a_refusal_names_the_origin_and_the_reason(place: str) -> None:
    """The message has the auth file and the registry's words, but no secret that they repeat."""
    registry = bearer("/token", tokens=("secret-token", "secret-token"))
    body = b'{"message":"very secret of secret-token expired"}'
    registry.odd[place] = lambda request, connection: connection.reply(403, body)
    with (
        scripted(registry) as server,
        source(server.host, login=Login(CREDENTIALS, "/some/auth.json")) as image,
        pytest.raises(UnauthorizedError) as caught,
    ):
        image.manifest()
    message = str(caught.value)
    assert 'credentials from "/some/auth.json"' in message
    assert "expired" in message
    for text in (message, repr(caught.value.facts)):
        assert "very secret" not in text
        assert "secret-token" not in text or place == "/token"


def test_an_identity_token_that_oauth_refuses() -> None:
    """A token service refuses it by the status 400, and the error says so."""
    registry = bearer("/token")
    registry.odd["/token"] = lambda request, connection: connection.reply(
        400, b'{"error":"invalid_grant","error_description":"it has expired"}'
    )
    identity = Credentials("", "", "identity")
    with (
        scripted(registry) as server,
        source(server.host, credentials=identity) as image,
        pytest.raises(UnauthorizedError, match="invalid_grant: it has expired"),
    ):
        image.manifest()


def test_basic_authentication() -> None:
    """A Basic challenge is answered if there are name and password."""
    registry = Registry()
    registry.odd["/v2/"] = lambda request, connection: connection.reply(
        401, WWW_Authenticate='Basic realm="x"'
    )
    with scripted(registry) as server:
        with source(server.host, credentials=CREDENTIALS) as image:
            image.manifest()
        with source(server.host) as image:
            image.manifest()
    sent = [request.headers.get("authorization") for request in server.requests]
    assert sent == [None, BASIC, None, None]


def test_a_challenge_after_the_ping() -> None:
    """If the ping has no challenge, that of a refused request is used."""
    registry = Registry()

    def manifest(request: Request, connection: Connection) -> None:
        if request.headers.get("authorization") == BASIC:
            connection.reply(200, MANIFEST)
        else:
            connection.reply(401, WWW_Authenticate='Basic realm="x"')

    registry.odd["/v2/r/manifests/latest"] = manifest
    with scripted(registry) as server:
        with source(server.host, credentials=CREDENTIALS) as image:
            assert image.manifest().data == MANIFEST
        with (
            source(server.host, credentials=CREDENTIALS, rules=Rules.LIBPOD_1_3) as image,
            pytest.raises(RegistryError),
        ):
            image.manifest()


def test_a_redirect_to_another_host_drops_credentials() -> None:
    """Another port is another host; it gets no Authorization header, nor do later redirects."""
    registry = Registry()
    registry.odd["/v2/"] = lambda request, connection: connection.reply(
        401, WWW_Authenticate='Basic realm="x"'
    )
    with scripted(registry) as registry_server:

        def redirect_back(request: Request, connection: Connection) -> None:
            connection.reply(307, Location=f"http://{registry_server.host}/back")

        with scripted(redirect_back) as other_server:
            registry.odd["/v2/r/manifests/latest"] = lambda request, connection: connection.reply(
                302, Location=f"http://{other_server.host}/there?signature=secret"
            )
            registry.odd["/back"] = lambda request, connection: connection.reply(200, MANIFEST)
            with source(registry_server.host, credentials=CREDENTIALS) as image:
                assert image.manifest().data == MANIFEST
            assert [request.headers.get("authorization") for request in other_server.requests] == [
                None
            ]
    assert [request.headers.get("authorization") for request in registry_server.requests] == [
        None,
        BASIC,
        None,
    ]


def test_a_redirect_to_the_same_origin_keeps_credentials() -> None:
    """The same scheme, host and port get the Authorization header."""
    registry = Registry()
    registry.odd["/v2/"] = lambda request, connection: connection.reply(
        401, WWW_Authenticate='Basic realm="x"'
    )
    registry.odd["/v2/r/manifests/latest"] = lambda request, connection: connection.reply(
        308, Location="/moved here"
    )
    registry.odd["/moved%20here"] = lambda request, connection: connection.reply(200, MANIFEST)
    with scripted(registry) as server, source(server.host, credentials=CREDENTIALS) as image:
        assert image.manifest().data == MANIFEST
    assert server.requests[-1].headers["authorization"] == BASIC


@pytest.mark.parametrize(
    "location", ["ftp://h/", "http://user:pass@h/", "http://[", "http://h:0/", "https://"]
)
def test_redirects_to_invalid_urls(location: str) -> None:
    """A Location that is not a valid URL is a bad answer."""
    registry = Registry()
    registry.odd["/v2/r/manifests/latest"] = lambda request, connection: connection.reply(
        302, Location=location
    )
    with scripted(registry) as server, source(server.host) as image:
        with pytest.raises(RegistryError) as caught:
            image.manifest()
        assert caught.value.code == "registry.bad_answer"


def test_the_number_of_redirects_is_limited() -> None:
    """After ten redirects the request fails."""
    registry = Registry()
    registry.odd["/v2/r/manifests/latest"] = lambda request, connection: connection.reply(
        302, Location=request.path
    )
    with scripted(registry) as server, source(server.host) as image:
        with pytest.raises(RegistryError) as caught:
            image.manifest()
        assert caught.value.code == "registry.redirects"
    assert server.targets().count("/v2/r/manifests/latest") == 11


def test_transient_statuses_are_retried() -> None:
    """429 and 5xx are retried three times, and not at all under libpod-1.3."""
    for rules, request_count in ((Rules.CURRENT, 4), (Rules.LIBPOD_1_3, 1)):
        registry = Registry()
        registry.odd["/v2/r/manifests/latest"] = lambda request, connection: connection.reply(
            429, Retry_After="86400"
        )
        with scripted(registry) as server, source(server.host, rules=rules) as image:
            with pytest.raises(RegistryError) as caught:
                image.manifest()
            assert caught.value.code == "registry.rate_limited"
        assert server.targets().count("/v2/r/manifests/latest") == request_count
        assert server.connections <= 2  # one for the TLS ping, one for everything else


def test_a_ping_of_another_server() -> None:
    """The message is podman's; only libpod-1.3 tries the v1 ping."""
    for rules, v1 in ((Rules.CURRENT, False), (Rules.LIBPOD_1_3, True)):
        registry = Registry()
        registry.odd["/v2/"] = lambda request, connection: connection.reply(404)
        with (
            scripted(registry) as server,
            source(server.host, rules=rules) as image,
            pytest.raises(RegistryError) as caught,
        ):
            image.manifest()
        assert caught.value.render(LIBPOD_1_3) == (
            "pinging docker registry returned: error pinging registry"
            f" {server.host}, response code 404 (Not Found)"
        )
        assert ("/v1/_ping" in server.targets()) is v1


def test_a_v1_registry_has_its_own_error() -> None:
    """Under libpod-1.3, if it answers the v1 ping."""
    registry = Registry()
    registry.odd["/v2/"] = lambda request, connection: connection.reply(404)
    registry.odd["/v1/_ping"] = lambda request, connection: connection.reply(200)
    with (
        scripted(registry) as server,
        source(server.host, rules=Rules.LIBPOD_1_3) as image,
        pytest.raises(RegistryError) as caught,
    ):
        image.manifest()
    assert caught.value.render(LIBPOD_1_3) == "can't talk to a V1 docker registry"


@pytest.mark.parametrize("insecure", [None, False])
def test_plain_http_must_be_allowed(insecure: bool | None) -> None:
    """Without `insecure` plain HTTP is not used, and the error has its own code."""
    with (
        scripted(Registry()) as server,
        source(server.host, insecure=insecure) as image,
        pytest.raises(RegistryError) as caught,
    ):
        image.manifest()
    assert caught.value.code in ("registry.plain_http", "registry.unreachable")
    assert server.requests == []
