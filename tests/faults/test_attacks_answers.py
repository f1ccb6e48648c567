"""Responses that repeat secrets, or that cost time and memory."""

from __future__ import annotations

import html
import json
import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.pushing import OCI, Puller, digest_of, small_image
from tests.support.scripted_server import Connection, Request, scripted
from towline.errors import RegistryError, TowlineError
from towline.registry import connecting
from towline.registry.challenge import parse_challenges
from towline.registry.credentials import Credentials, Login, redact
from towline.registry.error_body import read_error_body
from towline.store.layout.locks import acquire

PASSWORD = 'zecret&<pw>"'
IMAGE = small_image("answers", 1, 1000)


def in_go(text: str) -> str:
    """A JSON string as Go's encoder writes it."""
    quoted = json.dumps(text)
    for char in "<>&":
        quoted = quoted.replace(char, f"\\u{ord(char):04x}")
    return quoted


BODIES = {
    "JSON": json.dumps({"message": f"sent {PASSWORD}"}),
    "JSON of Go": f'{{"message": {in_go(f"sent {PASSWORD}")}}}',
    "a list of errors": f'{{"errors": [{{"code": "DENIED", "message": {in_go(PASSWORD)}}}]}}',
    "every character escaped": json.dumps({"message": "X"}).replace(
        "X", "".join(f"\\u{ord(char):04x}" for char in PASSWORD)
    ),
    "HTML": f"<html><title>no {html.escape(PASSWORD)}</title></html>",
    "a URL": f"see /login?p={quote(PASSWORD, safe='')}",
    "text": f"no {PASSWORD}",
}
passwords = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=4, max_size=30)


@pytest.mark.clause("AUTH-007")
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("path", ["/v2/", "manifests", "blobs"])
def test_a_repeated_password_is_in_no_message(body: str, path: str, tmp_path: Path) -> None:
    """In whatever form the server writes it, and for every kind of request."""

    def handle(request: Request, connection: Connection) -> None:
        if path in request.path and (path != "/v2/" or request.path == path):
            connection.reply(403, body.encode())
        elif request.path == "/v2/":
            connection.reply(401, WWW_Authenticate='Basic realm="r"')
        else:
            connection.reply(200, IMAGE.manifest, Content_Type=OCI)

    runtime = Puller(tmp_path).runtime(tls_verify=False, auth=("user", PASSWORD))
    with scripted(handle) as server, pytest.raises(TowlineError) as caught:
        runtime.pull(f"{server.host}/r")
    for error in (caught.value, *caught.value.errors):
        told = f"{error}{error.to_json()}{error.facts.get('answers')}"
        for secret in ("zecret", quote(PASSWORD, safe="")):
            assert secret not in told


@pytest.mark.clause("AUTH-007")
@given(passwords, st.sampled_from([json.dumps, in_go, html.escape, quote, str]))
def test_a_secret_is_replaced_in_every_form(password: str, form: object) -> None:
    """The forms of JSON, of Go's JSON, of HTML and of URLs."""
    assert callable(form)
    written = str(form(password))
    shown = written[1:-1] if form in (json.dumps, in_go) else written
    assert shown not in redact(f"a {shown} b", [password])


@pytest.mark.clause("AUTH-007", "AUTH-016")
def test_a_password_is_replaced_after_it_was_omitted(tmp_path: Path) -> None:
    """The manifest is read without it; the config repeats what was sent before."""

    def handle(request: Request, connection: Connection) -> None:
        if request.path == "/v2/" or (
            "manifests" in request.path and "authorization" in request.headers
        ):
            connection.reply(401, WWW_Authenticate='Basic realm="r"')
        elif "manifests" in request.path:
            connection.reply(200, IMAGE.manifest, Content_Type=OCI)
        else:
            connection.reply(403, f"you sent {PASSWORD}".encode())

    puller = Puller(tmp_path)
    with scripted(handle) as server:
        auths = {"auths": {server.host: {"username": "user", "password": PASSWORD}}}
        authfile = puller.write("auth.json", json.dumps(auths))
        runtime = puller.runtime(tls_verify=False, authfile=authfile)
        with pytest.raises(TowlineError) as caught:
            runtime.pull(f"{server.host}/r")
    assert "you sent ***" in str(caught.value)
    assert "zecret" not in str(caught.value)


@pytest.mark.clause("REG-037")
@pytest.mark.parametrize("levels", [9, 499, 60_000])
def test_a_nested_reason(levels: int) -> None:
    """Only some levels are searched, however deep the stack of the caller is."""
    read_error_body(('{"error":' * levels + "1" + "}" * levels).encode())


@pytest.mark.clause("REG-010")
@given(
    st.lists(st.sampled_from(["a," * 30_000, "Basic realm=r", 'Bearer realm="https://t/"', "x"]))
)
def test_challenges_are_limited_together(headers: list[str]) -> None:
    """A server may send a hundred headers of 64 KiB."""
    assert len(parse_challenges(headers * 20)) <= 64


@pytest.mark.clause("PULL-006")
def test_a_look_up_without_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is looked up in the thread of the caller, for each pull again."""

    def start(thread: connecting._LookUp) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(connecting._LookUp, "start", start)
    runtime = Puller(tmp_path).runtime(tls_verify=False)
    for _ in range(2):
        with pytest.raises(RegistryError, match="cannot resolve the host name"):
            runtime.pull("no-such-host.invalid/r")
    assert connecting._RUNNING == {}


def test_an_address_of_an_unsupported_family(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next address is tried."""
    real = socket.getaddrinfo

    def both(host: str, *args: Any, **kwargs: Any) -> object:
        found = real(host, *args, **kwargs)
        return [(12345, *found[0][1:]), *found]

    def handle(request: Request, connection: Connection) -> None:
        last = request.path.rpartition("/")[2]
        blobs = {digest_of(blob): blob for blob in IMAGE.blobs}
        if request.path == "/v2/":
            connection.reply(200, b"{}")
        elif "manifests" in request.path:
            connection.reply(200, IMAGE.manifest, Content_Type=OCI)
        else:
            connection.reply(200, blobs[last])

    with scripted(handle) as server:
        monkeypatch.setattr(socket, "getaddrinfo", both)
        Puller(tmp_path).runtime(tls_verify=False).pull(f"{server.host}/r")


def test_the_file_of_a_lock_that_is_another_file(tmp_path: Path) -> None:
    """A hard link to a file of the user is not written to."""
    precious = tmp_path / "precious"
    precious.write_text("precious")
    os.link(precious, tmp_path / "lock")
    with acquire(str(tmp_path / "lock")):
        assert precious.read_text() == "precious"


def test_a_login_shows_its_secrets_only_to_be_replaced() -> None:
    """Without credentials there are none."""
    assert Login().secrets() == ()
    assert "pw" in Login(Credentials("u", "pw")).secrets()
