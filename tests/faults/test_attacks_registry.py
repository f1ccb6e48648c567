"""A malicious registry: all its responses give an error soon, with a message of one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.docker_images import (
    BLOB,
    LAYER,
    MANIFEST,
    SHORT_TIMEOUTS,
    Registry,
    descriptor,
    source,
)
from tests.support.scripted_server import Connection, Handler, Request, ScriptedServer, scripted
from towline.core import BlobWriter
from towline.errors import TowlineError, VerificationError
from towline.frozen import replace
from towline.image.manifest import OCI_INDEX, parse_index, parse_manifest
from towline.registry.credentials import Credentials
from towline.source.docker import DockerSource
from towline.timeouts import Timeouts

TAG = "/v2/r/manifests/latest"
HUGE = "9" * 5000
ESCAPES = "\x1b[2J\x1b]0;owned\x07\u009b31m\u202egnp\r\ntowline: all is well"


def reply(status: int = 200, body: bytes = MANIFEST, **headers: str) -> Handler:
    return lambda request, connection: connection.reply(status, body, **headers)


def raw(data: bytes) -> Handler:
    def send(request: Request, connection: Connection) -> None:
        connection.send(data)
        connection.shutdown()

    return send


def endlessly(head: bytes, piece: bytes) -> Handler:
    def send(request: Request, connection: Connection) -> None:
        connection.send(head)
        while True:
            connection.send(piece)

    return send


def check_message(error: TowlineError) -> str:
    """Check that the message of an error is printable and short; returns it."""
    text = str(error)
    assert text.isprintable(), ascii(text)
    assert len(text) < 5000
    return text


def _read(image: DockerSource, read: str, folder: Path | None) -> None:
    if read == "manifest":
        found = image.manifest()
        (parse_index if found.media_type == OCI_INDEX else parse_manifest)(found)
        return
    assert folder is not None
    writer = BlobWriter(str(folder / "blob"))
    try:
        with image.open_blob(descriptor()) as blob:
            blob.deliver(writer)
        # as the receiver of a blob does: a length that is no number is as good as none
        digest, size = writer.finish()
        if digest != descriptor().digest_text:
            raise VerificationError(
                "verify.digest", want=descriptor().digest_text, got=digest, size=size
            )
    finally:
        writer.abort()


def read_error(
    odd: dict[str, Handler],
    credentials: Credentials | None = None,
    read: str = "manifest",
    folder: Path | None = None,
    timeouts: Timeouts = SHORT_TIMEOUTS,
) -> tuple[TowlineError, ScriptedServer]:
    """The error of reading an image from a registry with these handlers."""
    with (
        scripted(Registry(odd)) as server,
        source(server.host, credentials=credentials, timeouts=timeouts) as image,
        pytest.raises(TowlineError) as caught,
    ):
        _read(image, read, folder)
    check_message(caught.value)
    return caught.value, server


@pytest.mark.parametrize(
    "length", [HUGE, "-1", "+5", "0x10", "1, 2", "\xb2", "18446744073709551617"]
)
@pytest.mark.parametrize("read", ["manifest", "blob"])
def test_invalid_content_length(length: str, read: str, tmp_path: Path) -> None:
    """Very long, negative or repeated lengths are errors."""

    def odd(request: Request, connection: Connection) -> None:
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nx".encode("latin-1"))
        connection.shutdown()

    read_error({TAG: odd, BLOB: odd}, read=read, folder=tmp_path)


@pytest.mark.parametrize(
    "wait",
    [
        HUGE,
        "-1",
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2020 00:00:00 +99999999999999999999",
        "Mon, 31 Dec 9999 23:59:59 -9999",
        ESCAPES.splitlines()[0],
    ],
)
def test_invalid_retry_after(wait: str) -> None:
    """Whatever a server requests, the delay is within the timeouts."""
    sent = wait.encode("latin-1", "replace").decode("latin-1")
    error, server = read_error({TAG: reply(429, b"", Retry_After=sent)})
    assert error.code == "registry.rate_limited"
    assert server.targets().count(TAG) > 1


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 5000,
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 " + b"O" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 99999999999999999999 OK\r\n\r\n",
        b"HTTP/9.9 200\r\n\r\n",
        b"\0" * 4096,
    ],
    ids=["continue", "headers", "long-header", "long-reason", "status", "version", "zeros"],
)
def test_endless_headers(head: bytes) -> None:
    """Response headers that never end are an error."""
    read_error(
        {TAG: endlessly(b"", head)}, timeouts=replace(SHORT_TIMEOUTS, connect=0.1, response=0.1)
    )


@pytest.mark.parametrize(
    "body",
    [
        b"-5\r\nhello\r\n",
        b"fffffffffffffffffffff\r\nhello",
        b"zz\r\n",
        b"\r\n",
        b"5;" + b"x" * 200_000 + b"\r\nhello\r\n",
        b"0\r\n" + b"Trailer: x\r\n" * 3,
    ],
    ids=["negative", "overflow", "no-number", "empty", "extension", "trailers"],
)
@pytest.mark.parametrize("read", ["manifest", "blob"])
def test_false_chunks(body: bytes, read: str, tmp_path: Path) -> None:
    """Chunks with impossible sizes are an error, never a wrong blob."""
    odd = raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
    read_error({TAG: odd, BLOB: odd}, read=read, folder=tmp_path)


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "//",
        "http://user:secret@127.0.0.1:1/",
        "http://[::1",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:0/",
        "javascript:alert(1)",
    ],
)
def test_redirects_to_forbidden_urls(location: str) -> None:
    """Only http and https URLs without a user are followed."""
    _, server = read_error({TAG: reply(302, b"", Location=location)})
    assert all(request.path in (TAG, "/v2/") for request in server.requests)


def test_endless_redirects() -> None:
    """The number of redirects is limited."""
    error, server = read_error({TAG: reply(307, b"", Location=TAG)})
    assert error.code == "registry.redirects"
    assert len(server.requests) < 50


@pytest.mark.parametrize(
    "digest",
    ["sha256:../../x", "sha256:" + "../" * 21 + "a", "../../etc/passwd", "sha256:" + "A" * 64, ""],
)
def test_digests_that_are_paths(digest: str) -> None:
    """A digest is checked before it becomes part of a path or URL."""
    index = {"schemaVersion": 2, "manifests": [{"digest": digest, "size": 1}]}
    odd = reply(body=json.dumps(index).encode(), Content_Type=OCI_INDEX)
    with scripted(Registry({TAG: odd})) as server, source(server.host) as image:
        entry = parse_index(image.manifest()).instances[0]
        for read in (
            lambda: image.manifest(entry.digest),
            lambda: image.config(entry),
            lambda: image.open_blob(entry),
        ):
            with pytest.raises(TowlineError) as caught:
                read()
            assert caught.value.code.startswith("digest.")
            check_message(caught.value)
    assert not any(".." in target for target in server.targets())


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 10_000 + b"]" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"errors":[' + b'{"code":' * 10_000,
        json.dumps({"errors": [{"code": ESCAPES, "message": ESCAPES * 50}]}).encode(),
        json.dumps({"details": ESCAPES}).encode(),
        ESCAPES.encode(),
        b"\xff\xfe\x00" * 1000,
        b'{"errors":[{"code":' + HUGE.encode() + b"}]}",
        b'{"errors":[{"message":"\\ud800\\udfff"}]}',
    ],
    ids=["lists", "objects", "open", "codes", "details", "text", "bytes", "number", "surrogates"],
)
@pytest.mark.parametrize("status", [401, 404])
def test_escapes_in_error_bodies(status: int, body: bytes) -> None:
    """The message quotes the error body, in one line of limited length."""
    read_error({TAG: reply(status, body)})


@pytest.mark.parametrize(
    "document",
    [
        b"[" * 10_000 + b"]" * 10_000,
        b'{"layers":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"schemaVersion":' + HUGE.encode() + b"}",
        b'{"schemaVersion":2,"layers":[{"size":' + b"9" * 5000 + b"}]}",
        b'{"schemaVersion":2,"config":{"size":1e999}}',
        b'{"schemaVersion":2,"layers":{"0":"x"}}',
        b'{"schemaVersion":2,"layers":[],"manifests":[1],"config":{}}',
        b"\xff\xfe{\0}\0",
        b"",
    ],
    ids=["lists", "objects", "digits", "size", "float", "shape", "two", "utf-16", "empty"],
)
@pytest.mark.parametrize("kind", [OCI_INDEX, ESCAPES])
def test_malicious_manifests(kind: str, document: bytes) -> None:
    """Deep nesting, very long numbers and ambiguous documents are errors."""
    sent = kind.splitlines()[0].encode("latin-1", "replace").decode("latin-1")
    read_error({TAG: reply(body=document, Content_Type=sent)})


@pytest.mark.parametrize(
    "body",
    [
        b'{"token":"a\\r\\nX-Evil: 1"}',
        b'{"token":"\\u001b[2J"}',
        b'{"token":"' + b"x" * (2 << 20) + b'"}',
        b"[" * 10_000,
        b'{"token":null}',
    ],
    ids=["crlf", "escape", "long", "deep", "null"],
)
def test_malicious_tokens(body: bytes) -> None:
    """A token that is not a valid header value is refused."""

    def ping(request: Request, connection: Connection) -> None:
        realm = f'Bearer realm="http://{request.headers["host"]}/token"'
        connection.reply(401, WWW_Authenticate=realm)

    read_error({"/v2/": ping, "/token": reply(body=body)})


@pytest.mark.parametrize(
    "challenge",
    [
        'Bearer realm="file:///etc/passwd"',
        'Bearer realm="http://user:pw@127.0.0.1:1/"',
        f'Bearer realm="{"x" * 60_000}"',
        "Bearer " + ",".join(f"a{i}=b" for i in range(5000)),
        "Bearer " + "=" * 30_000,
        "Bearer realm=" + '"\\' * 15_000,
        "Bearer realm=\x1b[2J",
        "Basic " * 5000,
    ],
    ids=["file", "user", "long", "many", "equals", "backslashes", "escape", "basics"],
)
def test_malicious_challenges(challenge: str) -> None:
    """The realm must be an http or https URL, and parsing takes linear time."""
    odd = reply(401, b"", WWW_Authenticate=challenge)
    _, server = read_error({"/v2/": odd, TAG: odd}, Credentials("user", "secret"))
    assert len(server.requests) < 50


def test_endless_challenges() -> None:
    """If a registry requires authentication after each token, the number of requests is limited."""

    def always(request: Request, connection: Connection) -> None:
        realm = f'Bearer realm="http://{request.headers["host"]}/token",error="insufficient_scope"'
        connection.reply(401, WWW_Authenticate=f'{realm},scope="repository:{request.number}:pull"')

    token = reply(body=b'{"token":"x"}')
    error, server = read_error({"/v2/": always, TAG: always, "/token": token})
    assert error.code == "registry.unauthorized"
    assert len(server.requests) < 20


def test_the_number_of_urls_is_limited(tmp_path: Path) -> None:
    """A foreign layer with ten thousand URLs is requested from a few of them."""
    elsewhere: Handler = reply(404, b"")
    with scripted(elsewhere) as other, scripted(Registry({BLOB: reply(404)})) as server:
        urls = tuple(f"http://{other.host}/{number}" for number in range(10_000))
        with source(server.host) as image, pytest.raises(TowlineError):
            image.open_blob(descriptor(urls=urls))
        assert len(other.requests) < 100


@pytest.mark.parametrize(
    "content_range",
    [
        f"bytes 10-{HUGE}/{HUGE}",
        "bytes 10-5/6",
        "bytes 10-11/*",
        "bytes -10-20/20",
        f"bytes 10-{len(LAYER) - 1}/{len(LAYER) * 2}",
    ],
)
def test_false_ranges(content_range: str, tmp_path: Path) -> None:
    """A range other than the requested one is not appended to the partial blob."""

    def odd(request: Request, connection: Connection) -> None:
        if "range" in request.headers:
            connection.reply(206, b"x" * (len(LAYER) - 10), Content_Range=content_range)
        else:
            connection.reply(200, LAYER)

    path = tmp_path / "blob"
    path.write_bytes(LAYER[:10])
    with scripted(Registry({BLOB: odd})) as server, source(server.host) as image:
        writer = BlobWriter(str(path), resume=True)
        try:
            with image.open_blob(descriptor(), 10) as blob:
                if blob.offset == 0:
                    return  # the whole blob comes, from its beginning
                with pytest.raises(TowlineError):
                    blob.deliver(writer)
        except TowlineError as error:
            check_message(error)
        finally:
            writer.abort()
