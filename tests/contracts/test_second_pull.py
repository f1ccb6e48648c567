"""What is here is not asked for again: the requests of a second pull are counted (REG-052)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fault_proxy import Real, fault_proxy
from tests.support.images import RealImages
from tests.support.pushing import OCI, Puller, digest_of, insecure, push, small_image
from tests.support.registry import NewRegistry, RegistryServer, RegistrySettings, Request
from tests.support.scripted_server import Line, scripted
from tests.support.scripted_server import Request as Asked
from tests.support.token_issuer import issuing
from towline.rules import Rules

pytestmark = pytest.mark.clause("REG-052")

IMAGE = small_image("first", layers=2, size=5_000)
MOVED = small_image("second", layers=2, size=5_000)
FORMS = ("registry_docker", "registry_oci", "registry_list", "registry_index")
HEAD_ONLY = [("HEAD", "latest")]


@pytest.fixture
def puller(tmp_path: Path) -> Puller:
    """A fresh store and an empty configuration."""
    return Puller(tmp_path / "machine")


def asked(requests: list[Request]) -> list[tuple[str, str]]:
    """Methods, and the last part of what was asked for."""
    return [(each.method, each.target.rstrip("/").rpartition("/")[2]) for each in requests]


def requests_of(server: RegistryServer, puller: Puller, name: str) -> list[Request]:
    """What a pull asks of the server."""
    before = len(server.requests())
    puller.runtime(tls_verify=False).pull(name)
    return server.requests()[before:]


@pytest.mark.parametrize("form", FORMS)
def test_one_head(real_images: RealImages, puller: Puller, form: str) -> None:
    """An image that has not moved costs one request, whose answer has no body."""
    name = getattr(real_images, form).name
    first = requests_of(real_images.registry, puller, name)
    assert {request.method for request in first} == {"GET"}
    stored = puller.stored()
    (second,) = requests_of(real_images.registry, puller, name)
    assert (second.method, second.status) == ("HEAD", 200)
    assert puller.stored() == stored
    assert puller.store.verify(None).clean


def test_a_name_that_moved(puller: Puller, new_registry: NewRegistry) -> None:
    """The new image is fetched without a ping; moving back to one that is here is one request."""
    server = new_registry()
    push(server, "x:latest", IMAGE)
    name = server.name("x:latest")
    requests_of(server, puller, name)
    push(server, "x:latest", MOVED)
    told = asked(requests_of(server, puller, name))
    blobs = [("GET", digest_of(blob)) for blob in MOVED.blobs]
    assert told[:2] == [*HEAD_ONLY, ("GET", "latest")]
    assert sorted(told[2:]) == sorted(blobs)
    puller.assert_whole(MOVED)
    assert str(puller.store.image(name).digest) == MOVED.digest
    push(server, "x:latest", IMAGE)
    assert asked(requests_of(server, puller, name)) == HEAD_ONLY
    assert str(puller.store.image(name).digest) == IMAGE.digest


def test_a_digest_that_is_here(puller: Puller, new_registry: NewRegistry) -> None:
    """A pull by digest asks as well whether the registry still has and gives it."""
    server = new_registry()
    push(server, "x:latest", IMAGE)
    requests_of(server, puller, server.name("x:latest"))
    by_digest = f"{server.name('x')}@{IMAGE.digest}"
    assert asked(requests_of(server, puller, by_digest)) == [("HEAD", IMAGE.digest)]
    assert by_digest in puller.store.image(IMAGE.digest).names


def test_with_a_token(puller: Puller, new_registry: NewRegistry, tmp_path: Path) -> None:
    """A refusal of the one request says where to get a token; nothing else is asked."""

    def unused(request: Asked, line: Line, real: Real) -> None:
        raise AssertionError(request)

    open_to_all = new_registry()
    push(open_to_all, "public/x:latest", IMAGE)
    with issuing(tmp_path / "issuer") as issuer:
        settings = RegistrySettings(storage=open_to_all.storage, token=issuer.settings)
        with fault_proxy(new_registry(settings).host, unused, "/nothing", 1) as proxy:
            puller.runtime(tls_verify=False).pull(f"{proxy.host}/public/x")
            before = len(proxy.requests), len(issuer.requests)
            puller.runtime(tls_verify=False).pull(f"{proxy.host}/public/x")
            told = [(each.method, each.path) for each in proxy.requests[before[0] :]]
        assert told == [("HEAD", "/v2/public/x/manifests/latest")] * 2
        assert len(issuer.requests) == before[1] + 1


def test_at_a_mirror(puller: Puller, new_registry: NewRegistry) -> None:
    """The mirror is asked, and the registry itself hears nothing."""
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
    assert asked(mirror.requests()[before[0] :]) == HEAD_ONLY
    assert len(server.requests()) == before[1]
    assert [(use.location, use.served) for use in attempt.endpoints] == [(mirror.name("x"), ())]


def test_the_original_asks_for_all_again(real_images: RealImages, puller: Puller) -> None:
    """In libpod-1.3 the second pull fetches manifest and config as the first one did."""
    server, name = real_images.registry, real_images.registry_docker.name
    puller.write("etc/containers/policy.json", '{"default":[{"type":"insecureAcceptAnything"}]}')
    runtime = puller.runtime(tls_verify=False, rules=Rules.LIBPOD_1_3)
    runtime.pull(name)
    before = len(server.requests())
    runtime.pull(name)
    requests = server.requests()[before:]
    assert [request.method for request in requests] == ["GET"] * 3
    assert asked(requests)[-1][1] == f"sha256:{puller.stored()[0][0]}"


@pytest.mark.parametrize("what", ["manifest", "config"])
@pytest.mark.parametrize("gone", [True, False])
def test_what_is_damaged_here_is_fetched(
    puller: Puller, new_registry: NewRegistry, what: str, gone: bool
) -> None:
    """Documents that are lost or changed on the disk are asked for, and put right."""
    server = new_registry()
    push(server, "x:latest", IMAGE)
    requests_of(server, puller, server.name("x:latest"))
    digest = digest_of(getattr(IMAGE, what))
    path = puller.folder / "store/blobs/sha256" / digest[7:]
    path.unlink() if gone else path.write_bytes(b"{" + path.read_bytes()[1:-1] + b" ")
    told = asked(requests_of(server, puller, server.name("x:latest")))
    assert told == [*HEAD_ONLY, ("GET", "latest" if what == "manifest" else digest)]
    puller.assert_whole(IMAGE)


def answers(said: str) -> Iterator[tuple[int, dict[str, str], bytes]]:
    """Answers to HEAD that say nothing of use: status, headers, bytes behind the head."""
    good = {"Content_Type": OCI}
    yield 200, good, b""
    yield 200, {**good, "Docker_Content_Digest": "nonsense"}, b""
    yield 200, {**good, "Docker_Content_Digest": digest_of(b"elsewhere")}, b""
    yield 200, {**good, "Docker_Content_Digest": f"{said}, {said}"}, b""
    yield 200, {**good, "Docker_Content_Digest": ""}, b"HTTP/1.1 200 OK\r\n\r\nsmuggled"
    for status in (400, 401, 403, 404, 405, 429, 500, 503):
        yield status, {**good, "Docker_Content_Digest": said}, b""
    yield 302, {"Location": "http://[nowhere"}, b""
    yield 302, {"Location": "/v2/x/manifests/latest"}, b""


@pytest.mark.parametrize(("status", "headers", "behind"), list(answers(IMAGE.digest)))
def test_an_answer_of_no_use(
    puller: Puller, status: int, headers: dict[str, str], behind: bytes
) -> None:
    """Whatever is said instead, the manifest is asked for as ever, and the pull succeeds."""
    blobs = {f"/v2/x/blobs/{digest_of(blob)}": blob for blob in IMAGE.blobs}

    def answer(request: Asked, line: Line) -> None:
        if request.method == "HEAD":
            line.head(status, **headers)
            line.send(behind)
        elif request.path == "/v2/x/manifests/latest":
            line.reply(200, IMAGE.manifest, Content_Type=OCI)
        else:
            line.reply(200, blobs.get(request.path, b"{}"))

    with scripted(answer) as server:
        runtime = puller.runtime(tls_verify=False)
        runtime.pull(f"{server.host}/x")
        before = len(server.requests)
        runtime.pull(f"{server.host}/x")
        methods = [(request.method, request.path) for request in server.requests[before:]]
    assert methods[-1] == ("GET", "/v2/x/manifests/latest")
    puller.assert_whole(IMAGE)


def test_a_promise_is_no_proof(puller: Puller) -> None:
    """A digest of something here that is no manifest says nothing: the manifest is asked for."""
    config = digest_of(IMAGE.config)
    blobs = {f"/v2/x/blobs/{digest_of(blob)}": blob for blob in IMAGE.blobs}

    def answer(request: Asked, line: Line) -> None:
        if request.method == "HEAD":
            line.head(200, Content_Type=OCI, Docker_Content_Digest=config)
        elif request.path == "/v2/x/manifests/latest":
            line.reply(200, IMAGE.manifest, Content_Type=OCI)
        else:
            line.reply(200, blobs.get(request.path, b"{}"))

    with scripted(answer) as server:
        runtime = puller.runtime(tls_verify=False)
        runtime.pull(f"{server.host}/x")
        stored, before = puller.stored(), len(server.requests)
        runtime.pull(f"{server.host}/x")
        methods = [request.method for request in server.requests[before:]]
    assert methods == ["HEAD", "GET"]
    assert puller.stored() == stored
    assert json.loads(puller.store.image(f"{server.host}/x").config) == json.loads(IMAGE.config)


@pytest.mark.clause("STORE-017")
def test_a_list_is_kept_while_its_image_is(real_images: RealImages, puller: Puller) -> None:
    """gc keeps the list that an image came through, and takes it with the image."""
    name = real_images.registry_index.name
    requests_of(real_images.registry, puller, name)
    puller.store.gc()
    assert asked(requests_of(real_images.registry, puller, name))[0][0] == "HEAD"
    assert len(requests_of(real_images.registry, puller, name)) == 1
    puller.store.remove(name)
    puller.store.gc()
    assert not list((puller.folder / "store/blobs/sha256").iterdir())
