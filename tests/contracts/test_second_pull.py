"""Stored documents are not fetched again: the requests of a second pull (REG-052)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fault_proxy import Real, fault_proxy
from tests.support.images import RealImages
from tests.support.pushing import OCI, Puller, digest_of, insecure, push, small_image
from tests.support.registry import NewRegistry, RegistryServer, RegistrySettings, Request
from tests.support.scripted_server import Connection, scripted
from tests.support.scripted_server import Request as ServerRequest
from tests.support.token_issuer import issuing
from towline.rules import Rules

pytestmark = pytest.mark.clause("REG-052")

IMAGE = small_image("first", layers=2, size=5_000)
MOVED = small_image("second", layers=2, size=5_000)
FORMS = ("registry_docker", "registry_oci", "registry_list", "registry_index")
HEAD_ONLY = [("HEAD", "latest")]


@pytest.fixture
def puller(tmp_path: Path) -> Puller:
    """A new store and an empty configuration."""
    return Puller(tmp_path / "machine")


def summary(requests: list[Request]) -> list[tuple[str, str]]:
    """The method and the last path segment of each request."""
    return [(each.method, each.target.rstrip("/").rpartition("/")[2]) for each in requests]


def requests_of(server: RegistryServer, puller: Puller, name: str) -> list[Request]:
    """The requests that a pull sends to the server."""
    before = len(server.requests())
    puller.runtime(tls_verify=False).pull(name)
    return server.requests()[before:]


@pytest.mark.parametrize("form", FORMS)
def test_an_unchanged_image_costs_one_head_request(
    real_images: RealImages, puller: Puller, form: str
) -> None:
    """The second pull of an unchanged name sends one HEAD request."""
    name = getattr(real_images, form).name
    first = requests_of(real_images.registry, puller, name)
    assert {request.method for request in first} == {"GET"}
    stored = puller.stored()
    (second,) = requests_of(real_images.registry, puller, name)
    assert (second.method, second.status) == ("HEAD", 200)
    assert puller.stored() == stored
    assert puller.store.verify(None).clean


def test_a_name_that_was_moved(puller: Puller, new_registry: NewRegistry) -> None:
    """The new image is fetched without a ping; a return to a stored image is one request."""
    server = new_registry()
    push(server, "x:latest", IMAGE)
    name = server.name("x:latest")
    requests_of(server, puller, name)
    push(server, "x:latest", MOVED)
    requests = summary(requests_of(server, puller, name))
    blobs = [("GET", digest_of(blob)) for blob in MOVED.blobs]
    assert requests[:2] == [*HEAD_ONLY, ("GET", "latest")]
    assert sorted(requests[2:]) == sorted(blobs)
    puller.assert_whole(MOVED)
    assert str(puller.store.image(name).digest) == MOVED.digest
    push(server, "x:latest", IMAGE)
    assert summary(requests_of(server, puller, name)) == HEAD_ONLY
    assert str(puller.store.image(name).digest) == IMAGE.digest


def test_a_stored_digest_costs_one_head_request(puller: Puller, new_registry: NewRegistry) -> None:
    """A pull by digest also checks that the registry has the manifest and allows access."""
    server = new_registry()
    push(server, "x:latest", IMAGE)
    requests_of(server, puller, server.name("x:latest"))
    by_digest = f"{server.name('x')}@{IMAGE.digest}"
    assert summary(requests_of(server, puller, by_digest)) == [("HEAD", IMAGE.digest)]
    assert by_digest in puller.store.image(IMAGE.digest).names


def test_a_second_pull_with_a_token(
    puller: Puller, new_registry: NewRegistry, tmp_path: Path
) -> None:
    """The 401 response to the HEAD request has the challenge; there is no ping."""

    def unused(request: ServerRequest, connection: Connection, real: Real) -> None:
        raise AssertionError(request)

    open_to_all = new_registry()
    push(open_to_all, "public/x:latest", IMAGE)
    with issuing(tmp_path / "issuer") as issuer:
        settings = RegistrySettings(storage=open_to_all.storage, token=issuer.settings)
        with fault_proxy(new_registry(settings).host, unused, "/nothing", 1) as proxy:
            puller.runtime(tls_verify=False).pull(f"{proxy.host}/public/x")
            before = len(proxy.requests), len(issuer.requests)
            puller.runtime(tls_verify=False).pull(f"{proxy.host}/public/x")
            requests = [(each.method, each.path) for each in proxy.requests[before[0] :]]
        assert requests == [("HEAD", "/v2/public/x/manifests/latest")] * 2
        assert len(issuer.requests) == before[1] + 1


def test_a_second_pull_from_a_mirror(puller: Puller, new_registry: NewRegistry) -> None:
    """The HEAD request is sent to the mirror, and none to the registry itself."""
    server, mirror = new_registry(), new_registry()
    push(mirror, "x:latest", IMAGE)
    puller.conf(
        "\n".join(insecure(server.host))
        + f'[[registry.mirror]]\nlocation = "{mirror.host}"\ninsecure = true\n'
    )
    name = server.name("x:latest")
    puller.runtime().pull(name)
    before = len(mirror.requests()), len(server.requests())
    (attempt,) = puller.runtime().pull(name).attempts
    assert summary(mirror.requests()[before[0] :]) == HEAD_ONLY
    assert len(server.requests()) == before[1]
    assert [(use.location, use.served) for use in attempt.endpoints] == [(mirror.name("x"), ())]


def test_libpod_1_3_fetches_documents_again(real_images: RealImages, puller: Puller) -> None:
    """In libpod-1.3 the second pull fetches the manifest and the config again."""
    server, name = real_images.registry, real_images.registry_docker.name
    puller.write("etc/containers/policy.json", '{"default":[{"type":"insecureAcceptAnything"}]}')
    runtime = puller.runtime(tls_verify=False, rules=Rules.LIBPOD_1_3)
    runtime.pull(name)
    before = len(server.requests())
    runtime.pull(name)
    requests = server.requests()[before:]
    assert [request.method for request in requests] == ["GET"] * 3
    assert summary(requests)[-1][1] == f"sha256:{puller.stored()[0][0]}"


@pytest.mark.parametrize("document", ["manifest", "config"])
@pytest.mark.parametrize("gone", [True, False])
def test_a_damaged_document_is_fetched_again(
    puller: Puller, new_registry: NewRegistry, document: str, gone: bool
) -> None:
    """Documents that are missing or damaged in the store are fetched and replaced."""
    server = new_registry()
    push(server, "x:latest", IMAGE)
    requests_of(server, puller, server.name("x:latest"))
    digest = digest_of(getattr(IMAGE, document))
    path = puller.folder / "store/blobs/sha256" / digest[7:]
    path.unlink() if gone else path.write_bytes(b"{" + path.read_bytes()[1:-1] + b" ")
    requests = summary(requests_of(server, puller, server.name("x:latest")))
    assert requests == [*HEAD_ONLY, ("GET", "latest" if document == "manifest" else digest)]
    puller.assert_whole(IMAGE)


def head_responses(digest: str) -> Iterator[tuple[int, dict[str, str], bytes]]:
    """Unusable responses to HEAD: status, headers, and bytes after the headers."""
    good = {"Content_Type": OCI}
    yield 200, good, b""
    yield 200, {**good, "Docker_Content_Digest": "nonsense"}, b""
    yield 200, {**good, "Docker_Content_Digest": digest_of(b"elsewhere")}, b""
    yield 200, {**good, "Docker_Content_Digest": f"{digest}, {digest}"}, b""
    yield 200, {**good, "Docker_Content_Digest": ""}, b"HTTP/1.1 200 OK\r\n\r\nsmuggled"
    for status in (400, 401, 403, 404, 405, 429, 500, 503):
        yield status, {**good, "Docker_Content_Digest": digest}, b""
    yield 302, {"Location": "http://[nowhere"}, b""
    yield 302, {"Location": "/v2/x/manifests/latest"}, b""


@pytest.mark.parametrize(("status", "headers", "rest"), list(head_responses(IMAGE.digest)))
def test_an_unusable_head_response_is_ignored(
    puller: Puller, status: int, headers: dict[str, str], rest: bytes
) -> None:
    """After an unusable response the manifest is fetched, and the pull succeeds."""
    blobs = {f"/v2/x/blobs/{digest_of(blob)}": blob for blob in IMAGE.blobs}

    def respond(request: ServerRequest, connection: Connection) -> None:
        if request.method == "HEAD":
            connection.head(status, **headers)
            connection.send(rest)
        elif request.path == "/v2/x/manifests/latest":
            connection.reply(200, IMAGE.manifest, Content_Type=OCI)
        else:
            connection.reply(200, blobs.get(request.path, b"{}"))

    with scripted(respond) as server:
        runtime = puller.runtime(tls_verify=False)
        runtime.pull(f"{server.host}/x")
        before = len(server.requests)
        runtime.pull(f"{server.host}/x")
        methods = [(request.method, request.path) for request in server.requests[before:]]
    assert methods[-1] == ("GET", "/v2/x/manifests/latest")
    puller.assert_whole(IMAGE)


def test_a_head_response_with_the_digest_of_a_config_is_ignored(puller: Puller) -> None:
    """If the digest is that of a stored blob that is not a manifest, the manifest is fetched."""
    config = digest_of(IMAGE.config)
    blobs = {f"/v2/x/blobs/{digest_of(blob)}": blob for blob in IMAGE.blobs}

    def respond(request: ServerRequest, connection: Connection) -> None:
        if request.method == "HEAD":
            connection.head(200, Content_Type=OCI, Docker_Content_Digest=config)
        elif request.path == "/v2/x/manifests/latest":
            connection.reply(200, IMAGE.manifest, Content_Type=OCI)
        else:
            connection.reply(200, blobs.get(request.path, b"{}"))

    with scripted(respond) as server:
        runtime = puller.runtime(tls_verify=False)
        runtime.pull(f"{server.host}/x")
        stored, before = puller.stored(), len(server.requests)
        runtime.pull(f"{server.host}/x")
        methods = [request.method for request in server.requests[before:]]
    assert methods == ["HEAD", "GET"]
    assert puller.stored() == stored
    assert json.loads(puller.store.image(f"{server.host}/x").raw_config) == json.loads(IMAGE.config)


@pytest.mark.clause("STORE-017")
def test_a_list_is_kept_as_long_as_its_image(real_images: RealImages, puller: Puller) -> None:
    """gc keeps the list from which an image was selected, and removes it with the image."""
    name = real_images.registry_index.name
    requests_of(real_images.registry, puller, name)
    puller.store.gc()
    assert summary(requests_of(real_images.registry, puller, name))[0][0] == "HEAD"
    assert len(requests_of(real_images.registry, puller, name)) == 1
    puller.store.remove(name)
    puller.store.gc()
    assert not list((puller.folder / "store/blobs/sha256").iterdir())
