"""Faults between towline and a real registry: the image is right, or there is one error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.fault_proxy import Fault, Real, fault_proxy
from tests.support.pushing import Puller, SmallImage, digest_of, push, small_image
from tests.support.registry import RegistryServer
from tests.support.scripted_server import Connection, Request, scripted
from towline.errors import PullFailedError, TowlineError
from towline.registry.credentials import Credentials

IMAGE = small_image("wanted")
KEPT = small_image("kept", layers=1, size=1000)
LAYER = IMAGE.layers[0]
ALWAYS = 1_000_000


def reset(request: Request, connection: Connection, real: Real) -> None:
    connection.head(real.status, Content_Length=str(len(real.body)))
    connection.send(real.body[: len(real.body) // 2])
    connection.reset()


def stall(request: Request, connection: Connection, real: Real) -> None:
    connection.head(real.status, Content_Length=str(len(real.body)))
    connection.send(real.body[: len(real.body) // 2])
    connection.wait_until_closed()


def short(request: Request, connection: Connection, real: Real) -> None:
    connection.head(real.status, Content_Length=str(len(real.body)))
    connection.send(real.body[:-10])
    connection.shutdown()


def length_too_small(request: Request, connection: Connection, real: Real) -> None:
    connection.head(real.status, Content_Length=str(len(real.body) - 10))
    connection.send(real.body)
    connection.shutdown()


def length_too_large(request: Request, connection: Connection, real: Real) -> None:
    connection.head(real.status, Content_Length=str(len(real.body) + 10))
    connection.send(real.body)
    connection.shutdown()


def body_too_long(request: Request, connection: Connection, real: Real) -> None:
    connection.head(real.status, Transfer_Encoding="chunked")
    for piece in (real.body, b"and more of it"):
        connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
    connection.send(b"0\r\n\r\n")


def reset_then(later: Fault) -> Fault:
    """Break off, and use another fault for the request of the rest."""

    def fault(request: Request, connection: Connection, real: Real) -> None:
        (later if "range" in request.headers else reset)(request, connection, real)

    fault.__qualname__ = f"reset_then_{later.__qualname__}"
    return fault


def wrong_range(request: Request, connection: Connection, real: Real) -> None:
    connection.reply(206, LAYER[7:], Content_Range=f"bytes 7-{len(LAYER) - 1}/{len(LAYER)}")


def no_range(request: Request, connection: Connection, real: Real) -> None:
    connection.reply(206, real.body)


def whole_instead(request: Request, connection: Connection, real: Real) -> None:
    data = {digest_of(blob): blob for blob in IMAGE.blobs}[request.path.rpartition("/")[2]]
    connection.reply(200, data)


def status(number: int, **headers: str) -> Fault:
    """Respond with a status and an empty body."""

    def fault(request: Request, connection: Connection, real: Real) -> None:
        connection.reply(number, b"", **headers)

    fault.__qualname__ = str(number) + "".join(f"_after_{text}" for text in headers.values())
    return fault


def redirect_loop(request: Request, connection: Connection, real: Real) -> None:
    connection.reply(307, b"", Location=request.target)


def swapped(request: Request, connection: Connection, real: Real) -> None:
    real.send(connection, body=bytes(len(real.body)))


def truncated(request: Request, connection: Connection, real: Real) -> None:
    real.send(connection, body=real.body[:-20])


def invalid_json(request: Request, connection: Connection, real: Real) -> None:
    real.send(connection, body=b'{"schemaVersion": 2,, }')


def huge(request: Request, connection: Connection, real: Real) -> None:
    real.send(connection, body=real.body[:-1] + b" " * (5 << 20) + b"}")


def slow_head(request: Request, connection: Connection, real: Real) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nContent-")
    connection.wait_until_closed()


@dataclass(frozen=True, slots=True)
class Case:
    """A fault, and the error code of the pull, `""` if it succeeds."""

    fault: Fault
    where: str
    code: str = ""
    times: int = 1

    def __str__(self) -> str:
        name = self.fault.__qualname__
        often = "always" if self.times == ALWAYS else f"x{self.times}"
        what = {BLOB: "blob", CONFIG: "config", MANIFEST: "manifest"}[self.where]
        return f"{name}-{what}-{often}-{self.code or 'pull'}"


BLOB = f"/blobs/{digest_of(LAYER)}"
CONFIG = f"/blobs/{digest_of(IMAGE.config)}"
MANIFEST = "/manifests/"
TRANSIENT = [
    Case(fault, where)
    for fault in (reset, stall, short, slow_head, length_too_large)
    for where in (BLOB, CONFIG, MANIFEST)
    if (fault, where) != (length_too_large, BLOB)
]
STATUSES = [
    Case(status(number, **headers), where, code, times)
    for where in (BLOB, CONFIG, MANIFEST)
    for number, headers, code, times in (
        (403, {}, "registry.forbidden", ALWAYS),
        (404, {}, "registry.not_found", ALWAYS),
        (416, {}, "registry.unexpected_status", ALWAYS),
        (401, {}, "registry.unauthorized", ALWAYS),
        (429, {"Retry_After": "0"}, "", 2),
        (429, {"Retry_After": "1"}, "registry.rate_limited", ALWAYS),
        (429, {}, "", 2),
        (429, {}, "registry.rate_limited", ALWAYS),
        (500, {}, "", 1),
        (501, {}, "registry.unexpected_status", ALWAYS),
        (502, {}, "", 2),
        (503, {"Retry_After": "0"}, "", 3),
        (504, {}, "registry.unexpected_status", ALWAYS),
    )
]
CASES = [
    *TRANSIENT,
    *STATUSES,
    Case(reset, BLOB, "registry.broken", ALWAYS),
    Case(stall, BLOB, "registry.broken", ALWAYS),
    Case(short, MANIFEST, "registry.broken", ALWAYS),
    Case(slow_head, MANIFEST, "registry.unreachable", ALWAYS),
    Case(length_too_small, BLOB, "verify.digest", ALWAYS),
    Case(length_too_small, CONFIG, "verify.config", ALWAYS),
    Case(length_too_small, MANIFEST, "manifest.not_json", ALWAYS),
    Case(body_too_long, BLOB, "verify.digest", ALWAYS),
    Case(body_too_long, CONFIG, "verify.config", ALWAYS),
    Case(reset_then(wrong_range), BLOB, times=2),
    Case(reset_then(no_range), BLOB, times=2),
    Case(reset_then(whole_instead), BLOB, times=2),
    Case(reset_then(status(416)), BLOB, times=2),
    Case(reset_then(status(401)), BLOB, "registry.unauthorized", times=2),
    Case(redirect_loop, BLOB, "registry.redirects", ALWAYS),
    Case(redirect_loop, MANIFEST, "registry.redirects", ALWAYS),
    Case(swapped, BLOB, "verify.digest", ALWAYS),
    Case(swapped, CONFIG, "verify.config", ALWAYS),
    Case(swapped, MANIFEST, "manifest.not_json", ALWAYS),
    Case(truncated, MANIFEST, "manifest.not_json", ALWAYS),
    Case(invalid_json, MANIFEST, "manifest.not_json", ALWAYS),
    Case(huge, MANIFEST, "limit.document", ALWAYS),
    Case(huge, CONFIG, "limit.document", ALWAYS),
]


@pytest.fixture(scope="module")
def images(registry: RegistryServer) -> RegistryServer:
    """The real registry, with both images."""
    push(registry, "faults/wanted:1", IMAGE)
    push(registry, "faults/kept:1", KEPT)
    return registry


@pytest.fixture
def puller(tmp_path: Path, images: RegistryServer) -> Puller:
    """A puller whose store has one image already."""
    puller = Puller(tmp_path)
    puller.runtime(tls_verify=False).pull(images.name("faults/kept:1"))
    return puller


@pytest.mark.clause("REG-020")
@pytest.mark.clause("REG-024")
@pytest.mark.clause("REG-025")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_right_bytes_or_one_error(puller: Puller, images: RegistryServer, case: Case) -> None:
    """Transient faults are retried; other faults are an error, and the store is unchanged.

    After that, a pull from the registry itself into the same store succeeds.
    """
    before = puller.stored()
    with fault_proxy(images.host, case.fault, case.where, case.times) as proxy:
        code = pull(puller, f"{proxy.host}/faults/wanted:1")
    assert code == case.code
    if case.code:
        assert puller.stored() == before
        assert puller.store.verify(None).clean
        assert pull(puller, images.name("faults/wanted:1")) == ""
    puller.assert_whole(IMAGE)


def pull(puller: Puller, name: str, credentials: Credentials | None = None) -> str:
    """Pull; returns the code of the error, `""` if there is none."""
    runtime = puller.runtime(tls_verify=False, auth=credentials)
    try:
        runtime.pull(name)
    except PullFailedError as failed:
        (error,) = failed.facts["errors"]
        assert isinstance(error, TowlineError)
        assert "\n" not in str(error)
        return error.code
    return ""


def test_a_registry_that_refuses_connections(puller: Puller) -> None:
    """This is an error at once, and the store is unchanged."""
    with scripted(lambda request, connection: None) as closed:
        pass
    before = puller.stored()
    assert pull(puller, f"{closed.host}/faults/wanted:1") == "registry.unreachable"
    assert puller.stored() == before


@pytest.fixture
def other_host() -> Iterator[tuple[str, list[Request]]]:
    """Another host, to which blobs are redirected, and the requests that it gets."""
    blobs = {digest_of(blob): blob for blob in IMAGE.blobs}

    def give(request: Request, connection: Connection) -> None:
        connection.reply(200, blobs[request.path.rpartition("/")[2]])

    with scripted(give) as server:
        yield server.host, server.requests


@pytest.mark.clause("AUTH-010")
def test_a_redirect_to_another_host_drops_credentials(
    puller: Puller, images: RegistryServer, other_host: tuple[str, list[Request]]
) -> None:
    """The blobs are from that host, and it gets no Authorization header."""
    other, requests = other_host

    def send_away(request: Request, connection: Connection, real: Real) -> None:
        authorized = request.headers.get("authorization") == "Basic dTpzZWNyZXQ="
        if not authorized:
            connection.reply(401, b"", WWW_Authenticate='Basic realm="r"')
        elif "/blobs/" in request.path:
            connection.reply(307, b"", Location=f"http://{other}{request.target}")
        else:
            real.send(connection)

    with fault_proxy(images.host, send_away, "/v2/") as proxy:
        name = f"{proxy.host}/faults/wanted:1"
        assert pull(puller, name, Credentials("u", "secret")) == ""
    puller.assert_whole(IMAGE)
    assert len(requests) == len(IMAGE.blobs)
    assert not [request for request in requests if "authorization" in request.headers]


def first_layer_path(image: SmallImage) -> str:
    """The path of the first layer of an image."""
    return f"/blobs/{digest_of(image.layers[0])}"


@pytest.mark.clause("CONF-045")
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (status(404), "registry.not_found"),
        (status(500), "registry.unexpected_status"),
        (reset, "registry.broken"),
        (stall, "registry.broken"),
        (swapped, "verify.digest"),
        (body_too_long, "verify.digest"),
        (redirect_loop, "registry.redirects"),
    ],
)
def test_a_broken_layer_of_a_mirror_is_fetched_from_the_registry(
    puller: Puller, images: RegistryServer, fault: Fault, code: str
) -> None:
    """The other blobs are from the mirror, and the result has what each endpoint served."""
    with fault_proxy(images.host, fault, first_layer_path(IMAGE)) as mirror:
        puller.conf(
            f'[[registry]]\nlocation = "{images.host}"\ninsecure = true\n'
            f'[[registry.mirror]]\nlocation = "{mirror.host}"\ninsecure = true\n'
        )
        result = puller.runtime().pull(images.name("faults/wanted:1"))
    puller.assert_whole(IMAGE)
    first, second = result.attempts[0].endpoints
    assert (first.mirror, second.mirror) == (True, False)
    assert set(first.served) == {IMAGE.digest, *map(digest_of, (IMAGE.config, IMAGE.layers[1]))}
    assert second.served == (digest_of(LAYER),)
    assert [error.code for error in first.errors] == [code]
    assert not second.errors


@pytest.mark.clause("CONF-042")
@pytest.mark.parametrize(
    "fault", [status(404), status(403), status(503), truncated, huge, slow_head, swapped]
)
def test_a_mirror_without_a_usable_manifest_is_skipped(
    puller: Puller, images: RegistryServer, fault: Fault
) -> None:
    """Everything is from the registry, and the result has the error of the mirror."""
    with fault_proxy(images.host, fault, MANIFEST) as mirror:
        puller.conf(
            f'[[registry]]\nlocation = "{images.host}"\ninsecure = true\n'
            f'[[registry.mirror]]\nlocation = "{mirror.host}"\ninsecure = true\n'
        )
        result = puller.runtime().pull(images.name("faults/wanted:1"))
    puller.assert_whole(IMAGE)
    first, second = result.attempts[0].endpoints
    assert not first.served
    assert len(first.errors) == 1
    assert set(second.served) == {IMAGE.digest, *map(digest_of, IMAGE.blobs)}
