"""Bodies that a server or proxy encoded although identity was requested (REG-053)."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.docker_images import (
    BLOB,
    CONFIG,
    LAYER,
    MANIFEST,
    SCHEMA2,
    Registry,
    descriptor,
    digest_of,
    source,
)
from tests.support.edition_settings import changed
from tests.support.scripted_server import Connection, Handler, Request, scripted
from towline.core import BlobWriter
from towline.errors import RegistryError, TowlineError
from towline.registry.content_coding import CodingError, Decoder
from towline.rules import Rules
from towline.source.docker import DockerSource

TAG = "/v2/r/manifests/latest"
CONFIG_BLOB = f"/v2/r/blobs/{digest_of(CONFIG)}"


def raw_deflate(data: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-15)
    return deflate.compress(data) + deflate.flush()


def members(data: bytes) -> bytes:
    """Several members of gzip, one of them empty, and padding."""
    half = len(data) // 2
    parts = (data[:half], b"", data[half:])
    return b"".join(map(gzip.compress, parts)) + bytes(10)


ENCODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZip", gzip.compress),
    "members": ("gzip", members),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "identity": ("identity", bytes),
    "listed": ("identity, gzip", gzip.compress),
}


def encoded(data: bytes, form: str, status: int = 200, **headers: str) -> Handler:
    coding, encode = ENCODINGS[form]
    return lambda request, connection: connection.reply(
        status, encode(data), Content_Encoding=coding, **headers
    )


@pytest.mark.clause("REG-053")
@pytest.mark.parametrize("form", ENCODINGS)
@pytest.mark.parametrize("rules", [Rules.CURRENT, Rules.LIBPOD_1_3], ids=lambda r: r.edition)
def test_documents_are_decoded(form: str, rules: Rules) -> None:
    """A manifest, a config and a token are the decoded bytes; identity was requested."""
    registry = Registry(
        {
            TAG: encoded(MANIFEST, form, Content_Type=SCHEMA2),
            CONFIG_BLOB: encoded(CONFIG, form),
            "/token": encoded(b'{"token": "t"}', form),
        }
    )

    def authorizing(request: Request, connection: Connection) -> None:
        if request.path == "/token" or request.headers.get("authorization") == "Bearer t":
            registry(request, connection)
        else:
            realm = f'Bearer realm="http://{request.headers["host"]}/token"'
            connection.reply(401, WWW_Authenticate=realm)

    with scripted(authorizing) as server, source(server.host, rules=rules) as image:
        assert image.manifest().data == MANIFEST
        assert image.config(descriptor(CONFIG)) == CONFIG
    assert {each.headers["accept-encoding"] for each in server.requests} == {"identity"}


@pytest.mark.clause("REG-053")
def test_an_error_body_is_decoded() -> None:
    """The reason that the registry gives is in the message."""
    body = b'{"errors": [{"code": "DENIED", "message": "pay first"}]}'
    with (
        scripted(Registry({TAG: encoded(body, "gzip", 403)})) as server,
        source(server.host) as image,
        pytest.raises(RegistryError, match="pay first"),
    ):
        image.manifest()


@pytest.mark.clause("REG-053", "REG-007")
@pytest.mark.parametrize(
    "body",
    [gzip.compress(bytes(1 << 26)), gzip.compress(b"") * 100_000, members(b"x" * (5 << 20))],
    ids=["bomb", "empty members", "long"],
)
def test_the_limit_of_documents_is_for_the_decoded_bytes(body: bytes) -> None:
    """A bomb is refused, and so is an encoding of nothing."""
    rules = changed(Rules.CURRENT, "document_size", 1 << 20)
    odd = Registry({TAG: lambda r, c: c.reply(200, body, Content_Encoding="gzip")})
    with (
        scripted(odd) as server,
        source(server.host, rules=rules) as image,
        pytest.raises(TowlineError) as caught,
    ):
        image.manifest()
    assert caught.value.code in ("limit.document", "registry.encoding")


@pytest.mark.clause("REG-053")
@pytest.mark.parametrize(
    ("coding", "body", "reason"),
    [
        ("br", MANIFEST, "not supported"),
        ("zstd", MANIFEST, "not supported"),
        ("gzip, gzip", MANIFEST, "not supported"),
        ("gzip", MANIFEST, "damaged"),
        ("gzip", gzip.compress(MANIFEST)[:-9], "incomplete"),
        ("deflate", b"\xff\xff\xff", "damaged"),
    ],
)
@pytest.mark.parametrize("rules", [Rules.CURRENT, Rules.LIBPOD_1_3], ids=lambda r: r.edition)
def test_what_cannot_be_decoded_is_refused(
    coding: str, body: bytes, reason: str, rules: Rules
) -> None:
    """The error names the coding and the reason."""
    odd = Registry({TAG: lambda r, c: c.reply(200, body, Content_Encoding=coding)})
    with (
        scripted(odd) as server,
        source(server.host, rules=rules) as image,
        pytest.raises(RegistryError) as caught,
    ):
        image.manifest()
    assert caught.value.code == "registry.encoding"
    message = caught.value.render(rules.wording)
    assert coding in message
    assert reason in message


def layer(image: DockerSource, path: Path, offset: int = 0, size: int | None = None) -> bytes:
    path.write_bytes(LAYER[:offset])
    writer = BlobWriter(str(path), resume=offset > 0)
    try:
        with image.open_blob(descriptor(size=size), offset) as blob:
            writer_offset = blob.offset
            if writer_offset != offset:
                writer.abort()
                writer = BlobWriter(str(path))
            blob.deliver(writer)
        writer.finish()
    finally:
        writer.abort()
    return path.read_bytes()


def by_proxy(form: str, *, chunked: bool) -> Handler:
    """Send the layer as a proxy that compresses everything, ranges too."""
    coding, encode = ENCODINGS[form]

    def send(request: Request, connection: Connection) -> None:
        body, status, headers = encode(LAYER), 200, {}
        if "range" in request.headers:
            first = int(request.headers["range"].removeprefix("bytes=").removesuffix("-"))
            span = f"bytes {first}-{len(LAYER) - 1}/{len(LAYER)}"
            body, status, headers = encode(LAYER[first:]), 206, {"Content_Range": span}
        if chunked:
            connection.head(status, Content_Encoding=coding, Transfer_Encoding="chunked", **headers)
            connection.send(f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
        else:
            connection.reply(status, body, Content_Encoding=coding, **headers)

    return send


@pytest.mark.clause("REG-053")
@pytest.mark.parametrize("form", ["gzip", "members", "deflate"])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("offset", [0, 1000])
@pytest.mark.parametrize("rules", [Rules.CURRENT, Rules.LIBPOD_1_3], ids=lambda r: r.edition)
def test_a_blob_that_was_encoded_on_the_way(
    form: str, chunked: bool, offset: int, rules: Rules, tmp_path: Path
) -> None:
    """It is decoded, and an encoded range is not used."""
    if rules is Rules.LIBPOD_1_3 and offset:
        rules = changed(rules, "retries", 3)
    with (
        scripted(Registry({BLOB: by_proxy(form, chunked=chunked)})) as server,
        source(server.host, rules=rules) as image,
    ):
        assert layer(image, tmp_path / "blob", offset) == LAYER


@pytest.mark.clause("REG-053")
def test_an_encoded_blob_that_breaks_off(tmp_path: Path) -> None:
    """The whole blob is requested again, and the decoded bytes that are there are skipped."""
    whole = by_proxy("gzip", chunked=False)
    noise = gzip.compress(LAYER, compresslevel=0)

    def odd(request: Request, connection: Connection) -> None:
        if request.number:
            whole(request, connection)
        else:
            connection.head(200, Content_Encoding="gzip", Content_Length=str(len(noise)))
            connection.send(noise[: len(noise) // 2])
            connection.shutdown()

    with scripted(Registry({BLOB: odd})) as server, source(server.host) as image:
        assert layer(image, tmp_path / "blob") == LAYER
    assert server.targets().count(BLOB) == 3


@pytest.mark.clause("REG-053")
@pytest.mark.parametrize("size", [None, -1])
def test_a_coding_that_only_labels_a_gzip_layer(size: int | None, tmp_path: Path) -> None:
    """If the body has the size of the blob, its bytes are the blob."""
    odd = Registry({BLOB: lambda r, c: c.reply(200, LAYER, Content_Encoding="gzip")})
    with scripted(odd) as server, source(server.host) as image:
        assert layer(image, tmp_path / "blob", size=size) == LAYER


@pytest.mark.clause("REG-053")
@given(
    data=st.binary(max_size=2000),
    form=st.sampled_from(sorted(set(ENCODINGS) - {"identity"})),
    cuts=st.lists(st.integers(0, 2000), max_size=5),
    most=st.integers(1, 500),
)
def test_any_pieces_give_the_same_bytes(data: bytes, form: str, cuts: list[int], most: int) -> None:
    """However the encoding arrives, it is decoded in pieces of the requested size."""
    body = ENCODINGS[form][1](data)
    edges = [0, *sorted(cuts), len(body)]
    decoder, decoded = Decoder(len(data)), b""
    for first, last in pairwise(edges):
        decoder.feed(body[first:last])
        while piece := decoder.take(most):
            assert len(piece) <= most
            decoded += piece
    assert decoded == data
    assert decoder.complete


@given(st.binary(max_size=300), st.integers(1, 100))
def test_any_bytes_are_decoded_or_refused(body: bytes, most: int) -> None:
    """No other exception is raised, and the decoder ends."""
    decoder = Decoder(1000)
    try:
        decoder.feed(body)
        for _ in range(100_000):
            if not decoder.take(most):
                break
        else:
            pytest.fail("endless")
    except CodingError:
        pass
    with pytest.raises(CodingError):
        decoder.feed(bytes(1 << 20))
