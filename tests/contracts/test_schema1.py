"""Complete pulls of images of schema 1, and of manifests without a config."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import towline
from tests.support.schema1 import signed
from tests.support.scripted_server import Connection, Request, ScriptedServer, scripted
from tests.support.store_images import layer
from towline.config.locations import Locations
from towline.errors import LabelMissingError, PullFailedError, TowlineError
from towline.image.manifest import (
    DOCKER_SCHEMA1,
    DOCKER_SCHEMA1_SIGNED,
    DOCKER_SCHEMA2,
    OCI_MANIFEST,
)
from towline.name.digest import sha256_of

LOW, LOW_DIFF_ID = layer(b"low")
EMPTY, _ = layer(b"")
HIGH, HIGH_DIFF_ID = layer(b"high")
IDS = ("c" * 64, "b" * 64, "a" * 64)
HISTORY = (
    {
        "id": IDS[0],
        "parent": IDS[1],
        "created": "2019-01-02T03:04:05Z",
        "os": "linux",
        "architecture": "amd64",
        "config": {"Labels": {"Version": "1"}},
    },
    {"id": IDS[1], "parent": IDS[2], "created": "2019-01-02T03:04:04Z", "throwaway": True},
    {"id": IDS[2], "created": "2019-01-02T03:04:03Z"},
)
PLAIN = json.dumps(
    {
        "schemaVersion": 1,
        "name": "r",
        "tag": "latest",
        "fsLayers": [{"blobSum": str(sha256_of(data))} for data in (HIGH, EMPTY, LOW)],
        "history": [{"v1Compatibility": json.dumps(entry)} for entry in HISTORY],
    }
).encode()
SIGNED = signed(PLAIN)
FOREIGN = PLAIN.replace(b"linux", b"windows")
CONFIG = (
    '{"architecture":"amd64","config":{"Labels":{"Version":"1"}},'
    '"created":"2019-01-02T03:04:05Z",'
    '"history":[{"created":"2019-01-02T03:04:03Z"},'
    '{"created":"2019-01-02T03:04:04Z","empty_layer":true},'
    '{"created":"2019-01-02T03:04:05Z"}],'
    '"os":"linux",'
    f'"rootfs":{{"type":"layers","diff_ids":["{LOW_DIFF_ID}","{HIGH_DIFF_ID}"]}}}}'
).encode()
MANIFESTS = {
    "plain": (DOCKER_SCHEMA1, PLAIN),
    "signed": (DOCKER_SCHEMA1_SIGNED, SIGNED),
    "unsigned": (DOCKER_SCHEMA1_SIGNED, PLAIN),
    "json": ("application/json", PLAIN),
    "unknown": ("application/x-nobody-knows; charset=utf-8", SIGNED),
    "foreign": (DOCKER_SCHEMA1, FOREIGN),
    "null": (DOCKER_SCHEMA2, b"null"),
    "object": (DOCKER_SCHEMA2, b"{}"),
}
# A signed OCI manifest with other layers after the signatures; the last of two equal keys counts.
IMAGE = b'{"schemaVersion":2,"config":{},"layers":[]}'
WRAPPED = signed(IMAGE)[:-1] + b',"layers":[{}],"schemaVersion":1}'
MANIFESTS["wrapped"] = (OCI_MANIFEST, WRAPPED)
BLOBS = {str(sha256_of(data)): data for data in (LOW, EMPTY, HIGH)}


class Text:
    """A writer that records the text."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text


def respond(request: Request, connection: Connection) -> None:
    """Respond like a registry with these manifests and blobs."""
    match request.path.split("/"):
        case [_, "v2", ""]:
            connection.reply(200, b"{}")
        case [_, "v2", repository, "manifests", _]:
            media_type, data = MANIFESTS[repository]
            connection.reply(200, data, Content_Type=media_type)
        case [_, "v2", _, "blobs", digest] if digest in BLOBS:
            connection.reply(200, BLOBS[digest])
        case _:
            connection.reply(404)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted(respond) as running:
        yield running


@pytest.fixture
def host(server: ScriptedServer) -> str:
    return server.host


def runtime(root: Path, host: str, rules: towline.Rules) -> towline.Runtime:
    """A runtime without this machine's configuration; the label check needs the insecure entry."""
    etc = root / "etc"
    (etc / "containers").mkdir(parents=True)
    policy = etc / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    conf = f'[registries.insecure]\nregistries = ["{host}"]\n'
    (etc / "containers" / "registries.conf").write_text(conf)
    locations = Locations(environ={}, etc=str(etc), run=str(root / "run"), uid=0)
    options = towline.Options(rules=rules, policy=policy, locations=locations, tls_verify=False)
    return towline.Runtime(towline.open_store(root / "images"), options)


@pytest.mark.clause("MANIFEST-020", "MANIFEST-024", "TEXT-009")
@pytest.mark.parametrize("repository", ["plain", "signed", "unsigned", "json", "unknown"])
@pytest.mark.parametrize("label", [None, "version"])
def test_the_pulled_image_has_a_generated_config(
    tmp_path: Path, host: str, repository: str, label: str | None
) -> None:
    """The complete image is stored with the generated config; no config is in the progress."""
    pulling = runtime(tmp_path, host, towline.Rules.LIBPOD_1_3)
    writer = Text()
    result = pulling.pull(f"{host}/{repository}", label, writer)
    image = result.attempts[0].stored
    assert image is not None
    assert (image.id, image.raw_config) == (sha256_of(CONFIG).hex, CONFIG)
    assert image.digest == sha256_of(PLAIN)
    assert image.manifest.data == MANIFESTS[repository][1]
    store = towline.open_store(tmp_path / "images")
    assert store.image(f"{host}/{repository}") == image
    assert store.gc().blobs == 0
    assert store.verify().clean
    lines = writer.text.splitlines()
    assert lines[0] == f"Trying to pull {host}/{repository}...Getting image source signatures"
    assert sorted(lines[1:4]) == sorted(f"Copying blob {digest}" for digest in BLOBS)
    assert lines[4:] == ["Writing manifest to image destination", "Storing signatures"]


@pytest.mark.clause("MANIFEST-023")
def test_a_signed_manifest_is_pulled_by_the_digest_of_its_payload(
    tmp_path: Path, host: str
) -> None:
    """The digest is that of the manifest without its signatures."""
    pulling = runtime(tmp_path, host, towline.Rules.LIBPOD_1_3)
    name = f"{host}/signed@{sha256_of(PLAIN)}"
    assert pulling.pull(name).images == (name,)
    with pytest.raises(PullFailedError, match="does not match provided manifest digest"):
        pulling.pull(f"{host}/signed@{sha256_of(SIGNED)}")


@pytest.mark.clause("MANIFEST-020")
def test_current_refuses_schema_1(tmp_path: Path, host: str) -> None:
    """The message names schema version 1."""
    pulling = runtime(tmp_path, host, towline.Rules.CURRENT)
    for repository in ("plain", "signed", "json"):
        with pytest.raises(PullFailedError, match="schema version 1"):
            pulling.pull(f"{host}/{repository}")


@pytest.mark.clause("MANIFEST-025")
def test_label_and_os_are_read_from_the_history(tmp_path: Path, host: str) -> None:
    """A label that is missing there, and another operating system, are errors."""
    pulling = runtime(tmp_path, host, towline.Rules.LIBPOD_1_3)
    with pytest.raises(LabelMissingError):
        pulling.pull(f"{host}/plain", "nope")
    with pytest.raises(PullFailedError, match='"windows" cannot be used'):
        pulling.pull(f"{host}/foreign")


@pytest.mark.clause("MANIFEST-027")
@pytest.mark.parametrize("repository", ["null", "object"])
def test_a_config_without_a_digest(
    tmp_path: Path, server: ScriptedServer, host: str, repository: str
) -> None:
    """The error is that of a missing blob or of an invalid digest; no blob is requested."""
    message = "Invalid status code returned when fetching blob 404 (Not Found)"
    old = runtime(tmp_path / "old", host, towline.Rules.LIBPOD_1_3)
    with pytest.raises(PullFailedError) as failed:
        old.pull(f"{host}/{repository}")
    assert (
        str(failed.value) == f"unable to pull image: Error parsing image configuration: {message}"
    )
    with pytest.raises(TowlineError) as refused:
        old.pull(f"{host}/{repository}", "version")
    assert str(refused.value) == message
    new = runtime(tmp_path / "new", host, towline.Rules.CURRENT)
    with pytest.raises(PullFailedError, match='the digest "" is not of the form'):
        new.pull(f"{host}/{repository}")
    assert not any("/blobs/" in target for target in server.targets())


@pytest.mark.clause("MANIFEST-023", "REG-008")
@pytest.mark.parametrize("rules", [towline.Rules.CURRENT, towline.Rules.LIBPOD_1_3])
def test_a_signed_wrapper_does_not_have_the_digest_of_its_payload(
    tmp_path: Path, host: str, rules: towline.Rules
) -> None:
    """A server cannot change an OCI image and keep its digest by adding signatures."""
    with pytest.raises(PullFailedError) as caught:
        runtime(tmp_path, host, rules).pull(f"{host}/wrapped@{sha256_of(IMAGE)}")
    assert caught.value.facts["errors"][0].code == "verify.manifest"
