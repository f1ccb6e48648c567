"""Layers whose size the manifest does not state, or states wrongly, and bodies without an end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import towline
from tests.support.docker_images import (
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
from towline import Options
from towline.core import BlobWriter
from towline.errors import LimitExceededError, PullFailedError, TowlineError
from towline.rules import Rules
from towline.source.blob_requests import BlobRequests
from towline.source.docker import DockerSource

LIMIT = 1 << 20
EDITIONS = pytest.mark.parametrize(
    "edition", [Rules.CURRENT, Rules.LIBPOD_1_3], ids=lambda rules: rules.edition
)


@pytest.fixture(autouse=True, scope="module")
def small_limit() -> Iterator[None]:
    """The blobs without a size have a small limit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BlobRequests, "unsized_max", LIMIT)
        yield


def once(edition: Rules) -> Rules:
    """An edition without retries."""
    return changed(edition, "retries", 0)


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def endless_chunks(request: Request, connection: Connection) -> None:
    connection.head(200, Transfer_Encoding="chunked")
    while True:
        connection.send(chunk(bytes(65536)))


def endless_body(request: Request, connection: Connection) -> None:
    connection.head(200, Connection="close")
    while True:
        connection.send(bytes(65536))


def announced(request: Request, connection: Connection) -> None:
    connection.head(200, Content_Length=str(1 << 50))
    while True:
        connection.send(bytes(65536))


def manifest_without_sizes(*layers: bytes) -> bytes:
    document = json.loads(MANIFEST)
    document["layers"] = [{**document["layers"][0], "digest": digest_of(each)} for each in layers]
    for layer in document["layers"]:
        del layer["size"]
    return json.dumps(document).encode()


def registry_with(manifest: bytes, blobs: Handler) -> Registry:
    def blob(request: Request, connection: Connection) -> None:
        if request.path.endswith(digest_of(CONFIG)):
            connection.reply(200, CONFIG)
        else:
            blobs(request, connection)

    class _Registry(Registry):
        def __call__(self, request: Request, connection: Connection) -> None:
            if "/blobs/" in request.path:
                blob(request, connection)
            else:
                super().__call__(request, connection)

    return _Registry(
        {"/v2/r/manifests/latest": lambda r, c: c.reply(200, manifest, Content_Type=SCHEMA2)}
    )


def pull_error(host: str, root: Path, rules: Rules) -> TowlineError:
    options = Options(tls_verify=False, rules=rules)
    with pytest.raises(PullFailedError) as caught:
        towline.pull(f"{host}/r", root=root, options=options)
    return caught.value.errors[0]


def files_below(root: Path) -> int:
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


@pytest.mark.clause("REG-054")
@EDITIONS
@pytest.mark.parametrize("body", [endless_chunks, endless_body, announced])
def test_a_body_without_an_end_does_not_fill_the_disk(
    body: Handler, edition: Rules, tmp_path: Path
) -> None:
    """The layers without a size have a limit in total, and their bytes are removed."""
    manifest = manifest_without_sizes(LAYER, b"1", b"2", b"3")
    with scripted(registry_with(manifest, body)) as server:
        error = pull_error(server.host, tmp_path, once(edition))
    assert isinstance(error, LimitExceededError)
    assert error.code == "limit.unsized_blobs"
    assert files_below(tmp_path) < LIMIT


@pytest.mark.clause("REG-054")
@pytest.mark.parametrize("chunked", [False, True])
@EDITIONS
def test_a_layer_without_a_size_is_pulled(chunked: bool, edition: Rules, tmp_path: Path) -> None:
    """Within the limit its size does not matter."""

    def whole(request: Request, connection: Connection) -> None:
        if chunked:
            connection.head(200, Transfer_Encoding="chunked")
            connection.send(chunk(LAYER) + b"0\r\n\r\n")
        else:
            connection.reply(200, LAYER)

    assert len(LAYER) < LIMIT
    rules = changed(once(edition), "layers_must_apply", False)
    with scripted(registry_with(manifest_without_sizes(LAYER), whole)) as server:
        options = Options(tls_verify=False, rules=rules)
        towline.pull(f"{server.host}/r", root=tmp_path, options=options)
    assert files_below(tmp_path) > len(LAYER)


@pytest.mark.clause("REG-027", "REG-054")
@EDITIONS
@pytest.mark.parametrize("body", [endless_chunks, endless_body, announced])
def test_a_body_without_an_end_for_a_known_size(
    body: Handler, edition: Rules, tmp_path: Path
) -> None:
    """A limited number of bytes is read beyond the listed size, and none of them is kept."""
    with scripted(registry_with(MANIFEST, body)) as server:
        error = pull_error(server.host, tmp_path, once(edition))
    assert error.code == "registry.wrong_size"
    assert files_below(tmp_path) < len(LAYER)


def delivered(image: DockerSource, data: bytes, path: Path) -> bytes:
    writer = BlobWriter(str(path))
    try:
        with image.open_blob(descriptor(data, size=-1)) as blob:
            blob.deliver(writer)
        writer.finish()
    finally:
        writer.abort()
    return path.read_bytes()


@pytest.mark.clause("REG-054")
@given(sizes=st.lists(st.integers(0, LIMIT), min_size=1, max_size=4), chunked=st.booleans())
def test_the_limit_is_for_the_sum(
    sizes: list[int], chunked: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Layers without a size are delivered as long as their sum is within the limit."""
    blobs = {digest_of(data): data for data in (bytes([n]) * size for n, size in enumerate(sizes))}

    def send(request: Request, connection: Connection) -> None:
        data = blobs[request.path.rpartition("/")[2]]
        if chunked:
            connection.head(200, Transfer_Encoding="chunked")
            connection.send((chunk(data) if data else b"") + b"0\r\n\r\n")
        else:
            connection.reply(200, data)

    folder, total = tmp_path_factory.mktemp("limit"), 0
    with (
        scripted(registry_with(MANIFEST, send)) as server,
        source(server.host, rules=once(Rules.CURRENT)) as image,
    ):
        for data in blobs.values():
            total += len(data)
            if total > LIMIT:
                with pytest.raises(LimitExceededError):
                    delivered(image, data, folder / "blob")
                break
            assert delivered(image, data, folder / "blob") == data
