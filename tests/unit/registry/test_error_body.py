"""Error responses: their bodies become facts, and the facts become messages."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.errors import RegistryError
from towline.go.go_quote import quote
from towline.registry.error_body import (
    parse_web_url,
    read_error_body,
    reason_phrase,
    redact_url,
    response_error,
)
from towline.wording import CURRENT, LIBPOD_1_3


def error_for(status: int, body: bytes, wanted: str = "manifest") -> RegistryError:
    assert wanted in ("manifest", "blob")
    return response_error(
        "manifest" if wanted == "manifest" else "blob",
        status=status,
        status_line=f"{status} Said So",
        body=body,
        url="https://user:secret@h:1/v2/r/manifests/t?signature=secret",
        repository="h:1/r",
        reference="t",
        credentials_sent=False,
    )


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}', "manifest unknown"),
        (404, b'{"errors":[{"code":"NAME_UNKNOWN","message":"x"}]}', "name unknown: x"),
        (404, b'{"errors":[{"code":"DENIED","message":"a","detail":null}]}', "denied: a"),
        (
            404,
            b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{}}]}',
            "manifest unknown: manifest unknown",
        ),
        (404, b'{"errors":[{"code":"ODD","message":"m"}]}', "unknown: m"),
        (404, b'{"errors":[{"code":"A"},{"code":"DENIED"}]}', "errors:\nunknown\ndenied\n"),
        (404, b'{"details":"old"}', "unknown: old"),
        (401, b"go away", "unauthorized: authentication required"),
        (
            404,
            b'{"errors":[]}',
            (
                "error parsing HTTP 404 response body: "
                'no error details found in HTTP response body: "{\\"errors\\":[]}"'
            ),
        ),
        (404, b"", 'error parsing HTTP 404 response body: unexpected end of JSON input: ""'),
        (500, b'{"errors":[{"code":"DENIED"}]}', "received unexpected HTTP status: 500 Said So"),
        (204, b"", "received unexpected HTTP status: 204 Said So"),
    ],
)
def test_messages_for_a_refused_manifest_are_those_of_podman(
    status: int, body: bytes, text: str
) -> None:
    """The messages of libpod-1.3 are those of podman v1.3.2."""
    assert error_for(status, body).render(LIBPOD_1_3) == text


def test_a_refused_blob_shows_its_status_only() -> None:
    """Under libpod-1.3 the message for a blob does not include the body."""
    error = error_for(404, b'{"errors":[{"code":"BLOB_UNKNOWN"}]}', "blob")
    message = error.render(LIBPOD_1_3)
    assert message == "Invalid status code returned when fetching blob 404 (Not Found)"


@given(st.sampled_from([401, 403, 404, 400, 429, 500, 999]), st.binary(max_size=60))
def test_any_body_gives_a_printable_message(status: int, body: bytes) -> None:
    """No body causes an error, terminal escapes, or a message with a secret."""
    error = error_for(status, body)
    for message in (error.render(CURRENT), error.render(LIBPOD_1_3)):
        assert "secret" not in message
    assert all(char.isprintable() for char in error.render(CURRENT))


@pytest.mark.clause("REG-037")
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('{"errors":[{"code":"DENIED","message":"a","detail":{"x":1}}]}', "DENIED: a"),
        ('{"errors":[{"status":403,"message":"read only"}]}', "read only"),
        ('{"errors":[{"code":"A","message":"a"},{"message":"b"}]}', "A: a, b"),
        ('{"errors":["one","two"]}', "one, two"),
        ('{"errors":{"message":"m"}}', "m"),
        ('{"errors":[],"message":"m"}', "m"),
        ('{"message":"m"}', "m"),
        ('{"Message":"m","code":403}', "m"),
        ('{"error":"e"}', "e"),
        ('{"error":{"code":"C","message":"m"}}', "C: m"),
        ('{"error":"e","error_description":"d"}', "e: d"),
        ('{"detail":"d"}', "d"),
        ('{"details":"d"}', "d"),
        ('{"title":"Forbidden","status":403,"detail":"d"}', "d: Forbidden"),
        ('{"error":"same","message":"same"}', "same"),
        ('"only a text"', "only a text"),
        ("plain\n  text\n", "plain text"),
        ("<html><title>\n 502 Bad &amp; worse</title><h1>x</h1>", "502 Bad & worse"),
        ("<h1>Nexus</h1><p>y", "Nexus"),
        ("<script>alert(1)</script><p>Login <b>required</b>", "Login required"),
        ('{"message":"at https://u:pw@h/x?token=abc#f now"}', "at https://h/x now"),
        ('{"message":"Bearer abcdefghijkl is old"}', "Bearer *** is old"),
        ("bad eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1In0.x", "bad ***"),
        ('{"errors":null}', ""),
        ("{}", ""),
        ("[]", ""),
        ("", ""),
    ],
)
def test_the_reason_in_a_body(body: str, reason: str) -> None:
    """The forms of the distribution specification, Artifactory, ECR, GitLab, OAuth and proxies."""
    assert read_error_body(body.encode()).reason == reason
    if reason:
        assert f"the registry responded {quote(reason)}" in str(error_for(403, body.encode()))


_TEXTS = st.text(max_size=300)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["errors", "error", "message", "detail", "code", "title", "x"]), inner
        )
    ),
    max_leaves=8,
)


@pytest.mark.clause("REG-037")
@given(st.one_of(_JSON.map(json.dumps), _TEXTS, _TEXTS.map("<title>{}</title>".format)))
def test_any_reason_is_short(body: str) -> None:
    """It is one line of at most 200 characters, whatever the body is."""
    reason = read_error_body(body.encode("utf-8", "surrogatepass")).reason
    assert len(reason) <= 200
    assert reason == " ".join(reason.split())
    message = str(error_for(403, body.encode("utf-8", "surrogatepass")))
    assert all(char.isprintable() for char in message)


@pytest.mark.clause("REG-037")
@given(st.from_regex(r"[a-zA-Z0-9]{8,30}", fullmatch=True), _TEXTS)
def test_secrets_in_a_reason_are_not_shown(secret: str, before: str) -> None:
    """Neither in the query of a URL nor after the name of a token."""
    for text in (f"https://h/x?signature={secret}", f"Bearer {secret}", f"token={secret}"):
        body = json.dumps({"message": f"{before[:50]} {text}"})
        assert secret not in read_error_body(body.encode()).reason


@pytest.mark.parametrize("body", ["<" * 60_000, "<title>" * 9_000, "https://" * 8_000])
def test_long_bodies_are_read_in_linear_time(body: str) -> None:
    """A body of the maximum length is read within the time limit of a test."""
    read_error_body(body.encode())


def test_secrets_in_a_url_are_not_shown() -> None:
    """User, password, query and fragment are removed."""
    assert redact_url("https://u:p@h:5/a/b?token=1#x") == "https://h:5/a/b"
    assert "secret" not in repr(error_for(404, b"").facts)


def test_phrases_do_not_depend_on_the_python_version() -> None:
    """Reason phrases are those of the recordings."""
    assert [reason_phrase(status) for status in (404, 413, 500, 799)] == [
        "Not Found",
        "Request Entity Too Large",
        "Internal Server Error",
        "",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ftp://h/",
        "http://",
        "https://h:0/",
        "https://[::1",
        "https://h/a b",
        "http://h/\r\nX: y",
    ],
)
def test_invalid_urls_are_rejected(text: str) -> None:
    """Only valid http and https URLs are parsed."""
    assert parse_web_url(text) is None


def test_entries_of_the_wrong_shape_are_a_fault() -> None:
    """A body whose errors are not a list of objects counts as malformed."""
    assert read_error_body(b'{"errors":"x"}').fault
    assert read_error_body(b"[]").fault
