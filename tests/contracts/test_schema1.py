"""Whole pulls of images of schema 1, and of manifests that name no config."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import towline
from tests.support.scripted_server import Line, Request, ScriptedServer, scripted
from tests.support.store_images import layer
from tests.unit.test_schema1 import signed
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
TOLD = (
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
        "history": [{"v1Compatibility": json.dumps(entry)} for entry in TOLD],
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
# Signatures around a manifest of OCI, and other layers behind them: the last of two keys counts.
IMAGE = b'{"schemaVersion":2,"config":{},"layers":[]}'
WRAPPED = signed(IMAGE)[:-1] + b',"layers":[{}],"schemaVersion":1}'
MANIFESTS["wrapped"] = (OCI_MANIFEST, WRAPPED)
BLOBS = {str(sha256_of(data)): data for data in (LOW, EMPTY, HIGH)}


class Text:
    """A writer that keeps what was written."""

    def __init__(self) -> None:
        self.told = ""

    def write(self, text: str) -> None:
        self.told += text


def answer(request: Request, line: Line) -> None:
    """A registry of these manifests and blobs."""
    match request.path.split("/"):
        case [_, "v2", ""]:
            line.reply(200, b"{}")
        case [_, "v2", repository, "manifests", _]:
            media_type, data = MANIFESTS[repository]
            line.reply(200, data, Content_Type=media_type)
        case [_, "v2", _, "blobs", digest] if digest in BLOBS:
            line.reply(200, BLOBS[digest])
        case _:
            line.reply(404)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted(answer) as running:
        yield running


@pytest.fixture
def host(server: ScriptedServer) -> str:
    return server.host


def runtime(root: Path, host: str, rules: towline.Rules) -> towline.Runtime:
    """A runtime that looks at nothing of this machine; the registry is insecure for the check."""
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
def test_pull(tmp_path: Path, host: str, repository: str, label: str | None) -> None:
    """The image comes whole, with the config that follows from it; no config is announced."""
    pulling = runtime(tmp_path, host, towline.Rules.LIBPOD_1_3)
    writer = Text()
    result = pulling.pull(f"{host}/{repository}", label, writer)
    image = result.attempts[0].stored
    assert image is not None
    assert (image.id, image.config) == (sha256_of(CONFIG).hex, CONFIG)
    assert image.digest == sha256_of(PLAIN)
    assert image.manifest.data == MANIFESTS[repository][1]
    store = towline.open_store(tmp_path / "images")
    assert store.image(f"{host}/{repository}") == image
    assert store.gc().blobs == 0
    assert store.verify().clean
    lines = writer.told.splitlines()
    assert lines[0] == f"Trying to pull {host}/{repository}...Getting image source signatures"
    assert sorted(lines[1:4]) == sorted(f"Copying blob {digest}" for digest in BLOBS)
    assert lines[4:] == ["Writing manifest to image destination", "Storing signatures"]


@pytest.mark.clause("MANIFEST-023")
def test_pull_by_digest(tmp_path: Path, host: str) -> None:
    """The digest is that of what was signed."""
    pulling = runtime(tmp_path, host, towline.Rules.LIBPOD_1_3)
    name = f"{host}/signed@{sha256_of(PLAIN)}"
    assert pulling.pull(name).images == (name,)
    with pytest.raises(PullFailedError, match="does not match provided manifest digest"):
        pulling.pull(f"{host}/signed@{sha256_of(SIGNED)}")


@pytest.mark.clause("MANIFEST-020")
def test_current_refuses(tmp_path: Path, host: str) -> None:
    """An image of schema 1 is refused by its name, before anything of it is fetched."""
    pulling = runtime(tmp_path, host, towline.Rules.CURRENT)
    for repository in ("plain", "signed", "json"):
        with pytest.raises(PullFailedError, match="schema version 1"):
            pulling.pull(f"{host}/{repository}")


@pytest.mark.clause("MANIFEST-025")
def test_what_the_history_says(tmp_path: Path, host: str) -> None:
    """A label that it lacks, and a system that is not this one."""
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
    """The registry does not have it, or its digest is wrong; either way nothing is asked for."""
    said = "Invalid status code returned when fetching blob 404 (Not Found)"
    old = runtime(tmp_path / "old", host, towline.Rules.LIBPOD_1_3)
    with pytest.raises(PullFailedError) as failed:
        old.pull(f"{host}/{repository}")
    assert str(failed.value) == f"unable to pull image: Error parsing image configuration: {said}"
    with pytest.raises(TowlineError) as refused:
        old.pull(f"{host}/{repository}", "version")
    assert str(refused.value) == said
    new = runtime(tmp_path / "new", host, towline.Rules.CURRENT)
    with pytest.raises(PullFailedError, match='the digest "" is not of the form'):
        new.pull(f"{host}/{repository}")
    assert not any("/blobs/" in target for target in server.targets())


@pytest.mark.clause("MANIFEST-023", "REG-008")
@pytest.mark.parametrize("rules", [towline.Rules.CURRENT, towline.Rules.LIBPOD_1_3])
def test_signatures_lend_no_digest_to_other_manifests(
    tmp_path: Path, host: str, rules: towline.Rules
) -> None:
    """A server cannot append to an image under its digest by wrapping it as if it were signed."""
    with pytest.raises(PullFailedError) as caught:
        runtime(tmp_path, host, rules).pull(f"{host}/wrapped@{sha256_of(IMAGE)}")
    assert caught.value.facts["errors"][0].code == "verify.manifest"
