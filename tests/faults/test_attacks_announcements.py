"""Attacks with false media types in HEAD responses and lists, and unusable mirrors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.docker_images import Registry, source
from tests.support.pushing import OCI, OCI_INDEX, Puller, digest_of, entry, insecure, small_image
from tests.support.scripted_server import Connection, Handler, Request, scripted
from towline.image.manifest import DOCKER_LIST, DOCKER_SCHEMA2

TAG = "/v2/r/manifests/latest"
IMAGE = small_image("attacked", layers=1, size=5_000)
OF_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"


@pytest.mark.clause("REG-052")
def test_an_oversized_token_gives_no_announcement() -> None:
    """The later request for the manifest raises the error."""

    def refuse(request: Request, connection: Connection) -> None:
        realm = f'Bearer realm="http://{request.headers["host"]}/token"'
        connection.reply(401, WWW_Authenticate=realm)

    registry = Registry()
    registry.odd[TAG] = refuse
    registry.odd["/token"] = lambda request, connection: connection.reply(
        200, b'{"token":"' + bytes(2 << 20) + b'"}'
    )
    with scripted(registry) as server, source(server.host) as image:
        assert image.announcement() is None


def registry_of(head: dict[str, str], index: bytes = b"") -> Handler:
    """A registry with the image, which responds to HEAD with these headers."""
    documents = {digest_of(data): data for data in (IMAGE.manifest, *IMAGE.blobs)}

    def handle(request: Request, connection: Connection) -> None:
        name = request.path.rpartition("/")[2]
        if request.method == "HEAD":
            connection.head(200, **head)
        elif name == "latest" and index:
            connection.reply(200, index, Content_Type=OCI_INDEX)
        elif "/manifests/" in request.path:
            connection.reply(200, IMAGE.manifest, Content_Type=OCI)
        else:
            connection.reply(200, documents.get(name, b"{}"))

    return handle


def pull_again(tmp_path: Path, handle: Handler) -> list[tuple[str, str]]:
    """The requests of a second pull, which must not change the store."""
    puller = Puller(tmp_path)
    with scripted(handle) as server:
        runtime = puller.runtime(tls_verify=False)
        runtime.pull(f"{server.host}/r")
        before, view = len(server.requests), (puller.folder / "store/index.json").read_bytes()
        runtime.pull(f"{server.host}/r")
        requested = [
            (request.method, request.path.rpartition("/")[2])
            for request in server.requests[before:]
        ]
    assert (puller.folder / "store/index.json").read_bytes() == view
    puller.assert_whole(IMAGE)
    return requested


@pytest.mark.clause("REG-052")
@pytest.mark.parametrize("media_type", [DOCKER_LIST, DOCKER_SCHEMA2, OCI_INDEX, OF_SCHEMA1])
def test_a_head_response_with_a_false_type(media_type: str, tmp_path: Path) -> None:
    """A stored document is not parsed as another type: it is requested again."""
    head = {"Content_Type": media_type, "Docker_Content_Digest": IMAGE.digest}
    assert pull_again(tmp_path, registry_of(head))[-1] == ("GET", "latest")


@pytest.mark.clause("REG-052")
@pytest.mark.parametrize("media_type", [DOCKER_LIST, DOCKER_SCHEMA2, OF_SCHEMA1])
def test_a_list_with_a_false_type(media_type: str, tmp_path: Path) -> None:
    """The type in the list is not used: the instance is requested, and its Content-Type counts."""
    index = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [entry(media_type, IMAGE.manifest)],
        }
    ).encode()
    head = {"Content_Type": OCI_INDEX, "Docker_Content_Digest": digest_of(index)}
    assert pull_again(tmp_path, registry_of(head, index)) == [
        ("HEAD", "latest"),
        ("GET", IMAGE.digest),
    ]


@pytest.mark.clause("CONF-045", "REG-052")
def test_a_mirror_whose_credential_helper_fails(tmp_path: Path) -> None:
    """The mirror is asked without credentials, and if it refuses, the next endpoint is used."""
    puller = Puller(tmp_path)
    handle = registry_of({"Content_Type": OCI, "Docker_Content_Digest": IMAGE.digest})
    with scripted(lambda _, c: c.reply(401)) as mirror, scripted(handle) as server:
        puller.conf(
            "\n".join(insecure(server.host))
            + f'[[registry.mirror]]\nlocation = "{mirror.host}"\ninsecure = true\n'
        )
        helpers = json.dumps({"credHelpers": {mirror.host: "of-nobody"}})
        authfile = str(puller.write("auth.json", helpers))
        for _ in range(2):
            puller.runtime(authfile=authfile).pull(f"{server.host}/r")
    assert mirror.requests
    assert not any("authorization" in request.headers for request in mirror.requests)
    puller.assert_whole(IMAGE)
