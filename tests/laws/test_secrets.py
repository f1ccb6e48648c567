"""No secret appears in errors, logs, texts, events, results, records or reprs."""

from __future__ import annotations

import base64
import io
import json
import logging
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.docker_images import BLOB, CONFIG, SHORT_TIMEOUTS, Registry, digest_of
from tests.support.scripted_server import Connection, Handler, Request, scripted
from towline.config.locations import Locations
from towline.errors import TowlineError
from towline.frozen import replace
from towline.registry.credentials import Credentials
from towline.rules import Rules
from towline.runtime.options import Options
from towline.runtime.runtime import Runtime
from towline.store.layout.store import open_store

PASSWORD, IDENTITY, TOKEN = "pass-Zk3w9", "identity-Qm7x2", "token-Vn5t8"
BASIC = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
SECRETS = (PASSWORD, IDENTITY, TOKEN, BASIC)
CREDENTIALS = Credentials("me", PASSWORD, IDENTITY)


def _reply(status: int, body: bytes = b"") -> Handler:
    return lambda request, connection: connection.reply(status, body)


def _challenge(request: Request, connection: Connection) -> None:
    connection.reply(401, WWW_Authenticate='Basic realm="r"')


def _bearer(token: Handler) -> Mapping[str, Handler]:
    def challenge(request: Request, connection: Connection) -> None:
        realm = f'Bearer realm="http://{request.headers["host"]}/token",service="s"'
        connection.reply(401, WWW_Authenticate=realm)

    return {"/v2/": challenge, "/token": token}


def _reset(request: Request, connection: Connection) -> None:
    connection.reset()


def _signed(request: Request, connection: Connection) -> None:
    location = f"http://{request.headers['host']}/elsewhere?signature={TOKEN}"
    connection.reply(302, Location=location)


TOKENS = json.dumps({"token": TOKEN, "access_token": TOKEN}).encode()
MANIFEST_PATH, CONFIG_PATH = "/v2/r/manifests/latest", f"/v2/r/blobs/{digest_of(CONFIG)}"
ODD: Mapping[str, Mapping[str, Handler]] = {
    "nothing is wrong": {},
    "basic, nothing is wrong": {"/v2/": _challenge},
    "bearer, nothing is wrong": _bearer(_reply(200, TOKENS)),
    "basic refused": {"/v2/": _challenge, MANIFEST_PATH: _challenge},
    "basic forbidden": {"/v2/": _challenge, MANIFEST_PATH: _reply(403, b"{}")},
    "token refused": _bearer(_reply(401)),
    "token service broken": _bearer(_reply(500, b"no")),
    "token service resets": _bearer(_reset),
    "token is no JSON": _bearer(_reply(200, b"<html>")),
    "token cut short": _bearer(_reply(200, TOKENS[:-5])),
    "token service redirects": _bearer(_signed),
    "token not accepted": {**_bearer(_reply(200, TOKENS)), MANIFEST_PATH: _reply(401)},
    "manifest missing": {**_bearer(_reply(200, TOKENS)), MANIFEST_PATH: _reply(404)},
    "manifest broken": {"/v2/": _challenge, MANIFEST_PATH: _reply(200, b"{")},
    "config resets": {**_bearer(_reply(200, TOKENS)), CONFIG_PATH: _reset},
    "config of another": {**_bearer(_reply(200, TOKENS)), CONFIG_PATH: _reply(200, b"{}")},
    "blob elsewhere, and broken": {
        **_bearer(_reply(200, TOKENS)),
        BLOB: _signed,
        "/elsewhere": _reply(500, b"no"),
    },
    "blob elsewhere, and lost": {BLOB: _signed, "/elsewhere": _reset},
    "blob of another": {**_bearer(_reply(200, TOKENS)), BLOB: _reply(200, b"other")},
    "server error": {MANIFEST_PATH: _reply(500, b"no")},
    "every connection is reset": {"/v2/": _reset},
}


def _options(folder: Path, rules: Rules) -> Options:
    policy = folder / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    return Options(
        rules=rules,
        policy=policy,
        auth=CREDENTIALS,
        tls_verify=False,
        timeouts=SHORT_TIMEOUTS,
        locations=Locations(environ={}, etc=str(folder / "etc"), run=str(folder)),
    )


def _shown(error: BaseException | None) -> list[str]:
    """Every text of an error, its inner errors and its causes."""
    texts: list[str] = []
    while error is not None:
        texts += [str(error), repr(error), repr(error.args), repr(vars(error))]
        if isinstance(error, TowlineError):
            texts += [error.render(rules.wording) for rules in (Rules.CURRENT, Rules.LIBPOD_1_3)]
            for inner in error.facts.get("errors", ()):
                texts += _shown(inner)
        error = error.__cause__ or error.__context__
    return texts


@pytest.mark.clause("AUTH-007")
@pytest.mark.parametrize("given", ["by the caller", "by an auth file"])
@pytest.mark.parametrize("rules", [Rules.CURRENT, Rules.LIBPOD_1_3], ids=lambda it: it.edition)
@pytest.mark.parametrize("case", ODD)
def test_no_secret_is_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, rules: Rules, case: str, given: str
) -> None:
    """In no case of `ODD`, with or without an error."""
    received: list[object] = []
    options = _options(tmp_path, rules)
    writer = io.StringIO()
    texts: list[str] = []
    with caplog.at_level(logging.DEBUG, "towline"), scripted(Registry(dict(ODD[case]))) as server:
        if given == "by an auth file":
            auth = tmp_path / "auth.json"
            entry = {"auth": BASIC, "identitytoken": IDENTITY}
            auth.write_text(json.dumps({"auths": {server.host: entry}}))
            options = replace(options, auth=None, authfile=auth)
        runtime = Runtime(open_store(tmp_path / "store"), options)
        for label in (None, "version"):
            try:
                result = runtime.pull(
                    f"{server.host}/r",
                    label,
                    writer,
                    on_event=received.append,
                    on_progress=received.append,
                )
                texts += [json.dumps(result.to_json()), repr(result)]
            except TowlineError as error:
                texts += _shown(error)
    texts += [repr(options), repr(runtime), repr(received), writer.getvalue(), caplog.text]
    texts += [repr(vars(record)) for record in caplog.records]
    for path in (tmp_path / "store").rglob("*"):
        if path.is_file():
            texts.append(path.read_bytes().decode("latin-1"))
    assert not [text for text in texts for secret in SECRETS if secret in text]


@pytest.mark.clause("AUTH-007", "AUTH-006")
@pytest.mark.parametrize("rules", [Rules.CURRENT, Rules.LIBPOD_1_3], ids=lambda it: it.edition)
@pytest.mark.parametrize(
    "text",
    [
        f'{{"auths": {{"a.example": {{"auth": "{BASIC}"',
        f'{{"auths": {{"a.example": {{"auth": "{BASIC}!"}}}}}}',
        f'{{"auths": {{"a.example": "{PASSWORD}"}}}}',
        f'{{"auths": {{"a.example": {{"auth": 7, "password": "{PASSWORD}"}}}}}}',
        f'{{"auths": "{PASSWORD}"}}',
        f'"{PASSWORD}"',
        PASSWORD,
    ],
)
def test_a_broken_auth_file_shows_no_secret(tmp_path: Path, rules: Rules, text: str) -> None:
    """The message has the location of the error in the file, not the text there."""
    auth = tmp_path / "auth.json"
    auth.write_text(text)
    options = replace(_options(tmp_path, rules), auth=None, authfile=auth)
    with pytest.raises(TowlineError) as caught:
        Runtime(open_store(tmp_path / "store"), options).pull("a.example:1/r")
    assert not [shown for shown in _shown(caught.value) for secret in SECRETS if secret in shown]
