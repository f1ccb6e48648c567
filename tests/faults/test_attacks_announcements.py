"""Attacks on what spares requests: a HEAD or a list that lies, and places that cannot be asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.docker_images import Registry, source
from tests.support.pushing import OCI, OCI_INDEX, Puller, digest_of, entry, insecure, small_image
from tests.support.scripted_server import Handler, Line, Request, scripted
from towline.image.manifest import DOCKER_LIST, DOCKER_SCHEMA2

TAG = "/v2/r/manifests/latest"
IMAGE = small_image("attacked", layers=1, size=5_000)
OF_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"


@pytest.mark.clause("REG-052")
def test_a_token_without_end_says_nothing() -> None:
    """What keeps the registry from saying what it has is told by the request for the manifest."""

    def refuse(request: Request, line: Line) -> None:
        realm = f'Bearer realm="http://{request.headers["host"]}/token"'
        line.reply(401, WWW_Authenticate=realm)

    registry = Registry()
    registry.odd[TAG] = refuse
    registry.odd["/token"] = lambda request, line: line.reply(
        200, b'{"token":"' + bytes(2 << 20) + b'"}'
    )
    with scripted(registry) as server, source(server.host) as image:
        assert image.announcement() is None


def registry_of(head: dict[str, str], index: bytes = b"") -> Handler:
    """A registry with the image, which answers HEAD with these headers."""
    documents = {digest_of(data): data for data in (IMAGE.manifest, *IMAGE.blobs)}

    def answer(request: Request, line: Line) -> None:
        name = request.path.rpartition("/")[2]
        if request.method == "HEAD":
            line.head(200, **head)
        elif name == "latest" and index:
            line.reply(200, index, Content_Type=OCI_INDEX)
        elif "/manifests/" in request.path:
            line.reply(200, IMAGE.manifest, Content_Type=OCI)
        else:
            line.reply(200, documents.get(name, b"{}"))

    return answer


def pulled_again(tmp_path: Path, answer: Handler) -> list[tuple[str, str]]:
    """What a second pull asks for, which changes nothing in the store."""
    puller = Puller(tmp_path)
    with scripted(answer) as server:
        runtime = puller.runtime(tls_verify=False)
        runtime.pull(f"{server.host}/r")
        before, view = len(server.requests), (puller.folder / "store/index.json").read_bytes()
        runtime.pull(f"{server.host}/r")
        asked = [
            (request.method, request.path.rpartition("/")[2])
            for request in server.requests[before:]
        ]
    assert (puller.folder / "store/index.json").read_bytes() == view
    puller.assert_whole(IMAGE)
    return asked


@pytest.mark.clause("REG-052")
@pytest.mark.parametrize("said", [DOCKER_LIST, DOCKER_SCHEMA2, OCI_INDEX, OF_SCHEMA1])
def test_a_head_that_lies_about_the_type(said: str, tmp_path: Path) -> None:
    """A document that is here is not read as another kind than it is: it is asked for."""
    head = {"Content_Type": said, "Docker_Content_Digest": IMAGE.digest}
    assert pulled_again(tmp_path, registry_of(head))[-1] == ("GET", "latest")


@pytest.mark.clause("REG-052")
@pytest.mark.parametrize("said", [DOCKER_LIST, DOCKER_SCHEMA2, OF_SCHEMA1])
def test_a_list_that_lies_about_the_type(said: str, tmp_path: Path) -> None:
    """So it is where a list says of an instance what it is not; the registry's word counts."""
    index = json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry(said, IMAGE.manifest)]}
    ).encode()
    head = {"Content_Type": OCI_INDEX, "Docker_Content_Digest": digest_of(index)}
    assert pulled_again(tmp_path, registry_of(head, index)) == [
        ("HEAD", "latest"),
        ("GET", IMAGE.digest),
    ]


@pytest.mark.clause("CONF-045", "REG-052")
def test_a_mirror_that_cannot_be_asked(tmp_path: Path) -> None:
    """A credential helper that fails for the first mirror keeps no pull from the next place."""
    puller = Puller(tmp_path)
    answer = registry_of({"Content_Type": OCI, "Docker_Content_Digest": IMAGE.digest})
    with scripted(answer) as mirror, scripted(answer) as server:
        puller.conf(
            "\n".join(insecure(server.host))
            + f'[[registry.mirror]]\nlocation = "{mirror.host}"\ninsecure = true\n'
        )
        helpers = json.dumps({"credHelpers": {mirror.host: "of-nobody"}})
        authfile = str(puller.write("auth.json", helpers))
        for _ in range(2):
            puller.runtime(authfile=authfile).pull(f"{server.host}/r")
    assert mirror.requests == []
    puller.assert_whole(IMAGE)
