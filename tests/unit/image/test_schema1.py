"""Manifests of schema 1, and the configs that are built from them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.schema1 import signed
from towline.errors import SourceError
from towline.go.go_json import GoJsonError, compacted, quoted, raw_members
from towline.image.manifest import DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED, RawManifest
from towline.image.schema1 import Schema1, manifest_digest, parse_schema1
from towline.name.digest import Digest, parse_digest, sha256_of

NEW, MIDDLE, OLD = "c" * 64, "b" * 64, "a" * 64
BLOBS = {NEW: "sha256:" + "3" * 64, MIDDLE: "sha256:" + "2" * 64, OLD: "sha256:" + "1" * 64}


def entry(name: str, parent: str = "", **more: Any) -> str:
    """An entry of a history."""
    fields = {"id": name, "created": "2019-01-02T03:04:05Z", **more}
    return json.dumps({**fields, "parent": parent} if parent else fields)


def document(*entries: str, **more: Any) -> bytes:
    """A manifest with one layer for each entry, newest first."""
    listed = [{"blobSum": BLOBS.get(json.loads(text).get("id"), "")} for text in entries]
    history = [{"v1Compatibility": text} for text in entries]
    fields = {"schemaVersion": 1, "fsLayers": listed, "history": history}
    return json.dumps({**fields, **more}).encode()


def known(data: bytes) -> Digest:
    """The digest of a manifest with the media type of signed schema 1."""
    return manifest_digest(RawManifest(data, DOCKER_SCHEMA1_SIGNED))


def parse(data: bytes, media_type: str = "text/plain") -> Schema1:
    """Parse a document."""
    return parse_schema1(RawManifest(data, media_type))


@pytest.mark.clause("MANIFEST-024")
def test_the_config_that_is_built() -> None:
    """Keys are sorted, values unchanged, and history and diff IDs are lowest first."""
    newest = (
        '{"Size": 12, "id": "NEW", "parent": "MIDDLE", "throwaway": false, "layer_id": "x",'
        ' "zeta": [1.50, {"b": "<\\u003e&", "a": 1e3}], "created": "2019-01-02T03:04:05.120Z",'
        ' "os": "linux", "architecture": "amd64", "author": "A <a@b>",'
        ' "config": {"Labels": {"Version": "1"}, "Cmd": null},'
        ' "container_config": {"Cmd": ["/bin/sh", "-c", "a && \\"b\\""]}}'
    )
    manifest = parse(
        document(
            newest.replace("NEW", NEW).replace("MIDDLE", MIDDLE),
            entry(MIDDLE, OLD, throwaway=True, comment="none\n"),
            entry(OLD, created="2015-10-31T22:22:55+02:00"),
        )
    )
    first, third = parse_digest("sha256:" + "d" * 64), parse_digest("sha256:" + "e" * 64)
    expected = (
        '{"architecture":"amd64",'
        '"author":"A \\u003ca@b\\u003e",'
        '"config":{"Labels":{"Version":"1"},"Cmd":null},'
        '"container_config":{"Cmd":["/bin/sh","-c","a \\u0026\\u0026 \\"b\\""]},'
        '"created":"2019-01-02T03:04:05.120Z",'
        '"history":['
        '{"created":"2015-10-31T22:22:55+02:00"},'
        '{"created":"2019-01-02T03:04:05Z","comment":"none\\n","empty_layer":true},'
        '{"created":"2019-01-02T03:04:05.12Z","author":"A \\u003ca@b\\u003e",'
        '"created_by":"/bin/sh -c a \\u0026\\u0026 \\"b\\""}],'
        '"os":"linux",'
        f'"rootfs":{{"type":"layers","diff_ids":["{first}","{third}"]}},'
        '"zeta":[1.50,{"b":"\\u003c\\u003e\\u0026","a":1e3}]}'
    )
    assert manifest.config_with([first, third]).decode() == expected


@pytest.mark.clause("MANIFEST-022")
def test_layers_are_lowest_first() -> None:
    """Throwaway layers are in `layers` and `empty`, and not in `content`."""
    manifest = parse(document(entry(NEW, MIDDLE), entry(MIDDLE, OLD, throwaway=True), entry(OLD)))
    assert [layer.digest_text for layer in manifest.layers] == [
        BLOBS[OLD],
        BLOBS[MIDDLE],
        BLOBS[NEW],
    ]
    assert [layer.digest_text for layer in manifest.content] == [BLOBS[OLD], BLOBS[NEW]]
    assert [layer.digest_text for layer in manifest.empty] == [BLOBS[MIDDLE]]
    assert {layer.size for layer in manifest.layers} == {-1}


@pytest.mark.clause("MANIFEST-022")
def test_neighbours_with_one_id_are_one_layer() -> None:
    """The lowest of them is kept."""
    top = entry(NEW, OLD, comment="upper")
    manifest = parse(document(top, entry(NEW, OLD, comment="lower"), entry(OLD)))
    assert len(manifest.layers) == 2
    assert manifest.history[-1].comment == "lower"


@pytest.mark.clause("MANIFEST-025")
def test_platform_and_labels_are_those_of_the_newest_entry() -> None:
    """Older entries are ignored."""
    fields = {"os": "windows", "architecture": "arm64", "config": {"Labels": {"A": "b"}}}
    config = parse(document(entry(NEW, OLD, **fields), entry(OLD, os="linux"))).partial_config()
    assert (config.os, config.architecture, dict(config.labels)) == (
        "windows",
        "arm64",
        {"A": "b"},
    )


@pytest.mark.clause("MANIFEST-021", "MANIFEST-022")
@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"null", "manifest.schema_version"),
        (b'{"schemaVersion": 2}', "manifest.schema_version"),
        (b'{"schemaVersion": 1}', "manifest.schema1_empty"),
        (b'{"schemaVersion": 1, "fsLayers": [{}]}', "manifest.schema1_counts"),
        (b'{"schemaVersion": 1, "fsLayers": {}}', "manifest.not_json"),
        (b'{"schemaVersion": 1,', "manifest.not_json"),
        (document(entry("x")), "manifest.schema1_id"),
        (document(entry("")), "manifest.schema1_id"),
        (document(entry(OLD, NEW)), "manifest.schema1_base"),
        (document(entry(NEW, NEW), entry(OLD)), "manifest.schema1_parent"),
        (
            document(entry(NEW, OLD), entry(OLD, NEW), entry(NEW)),
            "manifest.schema1_repeated",
        ),
        (document(entry(OLD, created="yesterday")), "manifest.schema1_history"),
        (document(entry(OLD, created="2019-02-30T00:00:00Z")), "manifest.schema1_history"),
        (document(entry(OLD, throwaway="yes")), "manifest.schema1_history"),
        (document(entry(OLD, container_config={"Cmd": "x"})), "manifest.schema1_history"),
        (document(entry(OLD), signatures=[]), "manifest.schema1_signatures"),
        (document(entry(OLD), signatures=[None]), "manifest.schema1_signatures"),
        (document(entry(OLD), signatures=[{"protected": "é"}]), "manifest.schema1_signatures"),
        (document(entry(OLD), signatures=[{"protected": "bnVsbA"}]), "manifest.schema1_signatures"),
    ],
)
def test_invalid_manifests_are_rejected(data: bytes, code: str) -> None:
    """Each defect has its error code."""
    with pytest.raises(SourceError) as caught:
        parse(data)
    assert caught.value.code == code


@pytest.mark.clause("MANIFEST-023")
def test_the_digest_of_a_signed_manifest() -> None:
    """It is the digest of the signed part, and the content decides the media type."""
    payload = document(entry(OLD))
    raw = signed(payload)
    assert known(raw) == sha256_of(payload) != sha256_of(raw)
    assert parse(raw, DOCKER_SCHEMA1).media_type == DOCKER_SCHEMA1_SIGNED
    assert parse(payload, DOCKER_SCHEMA1_SIGNED).media_type == DOCKER_SCHEMA1
    assert known(payload) == sha256_of(payload)
    without = document(entry(OLD), signatures=None)
    assert known(without) == sha256_of(without)
    other = b'{"schemaVersion": 2, "signatures": [1]}'
    assert known(other) == sha256_of(other)


@pytest.mark.clause("MANIFEST-023")
def test_nothing_outside_the_signed_part_is_parsed() -> None:
    """A second list of layers after the signed part is ignored."""
    raw = signed(document(entry(OLD)))
    forged = raw[:-1] + b',"fsLayers":[{"blobSum":"%s"}]}' % BLOBS[NEW].encode()
    assert known(forged) == known(raw)
    assert parse(forged).layers == parse(raw).layers


@pytest.mark.clause("MANIFEST-023")
def test_signatures_must_agree() -> None:
    """Signatures of different parts are an error."""
    payload = document(entry(OLD))
    one, other = json.loads(signed(payload)), json.loads(signed(payload, tail="} "))
    one["signatures"] += other["signatures"]
    with pytest.raises(SourceError) as caught:
        known(json.dumps(one).encode())
    assert caught.value.code == "manifest.schema1_signatures"


@pytest.mark.parametrize(
    ("written", "normalized"),
    [
        ("2019-01-02T03:04:05Z", "2019-01-02T03:04:05Z"),
        ("2019-01-02T03:04:05.000Z", "2019-01-02T03:04:05Z"),
        ("2019-01-02T03:04:05.123456789Z", "2019-01-02T03:04:05.123456789Z"),
        ("2019-01-02T03:04:05.10+00:00", "2019-01-02T03:04:05.1Z"),
        ("2019-01-02T3:04:05-07:30", "2019-01-02T03:04:05-07:30"),
        (None, "0001-01-01T00:00:00Z"),
    ],
)
def test_times_are_normalized(written: str | None, normalized: str) -> None:
    """They are in RFC 3339 form, without trailing zeros in the fraction."""
    assert parse(document(entry(OLD, created=written))).history[0].created == normalized


def test_raw_members_are_compacted_and_quoted() -> None:
    """Values stay as written; strings keep their white space, and HTML characters are escaped."""
    members = raw_members(' {"a" : 1.0 , "b":{ "c" : "d  e" }, "a":\n[ 1,\t2 ], "\\u00e9": null} ')
    assert members == {"a": "[ 1,\t2 ]", "b": '{ "c" : "d  e" }', "é": "null"}
    assert compacted('{ "c" : "d  \\" e<" }') == '{"c":"d  \\" e\\u003c"}'
    assert quoted('"\\\n\x01\b<\u2028é') == '"\\"\\\\\\n\\u0001\\u0008\\u003c\\u2028é"'
    assert raw_members("{}") == {}
    for text in ("null", "[]", "{", '{"a":1} x', ""):
        with pytest.raises(GoJsonError):
            raw_members(text)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.text(), VALUES), st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_compacting_changes_no_value(
    document: dict[str, Any], ascii_only: bool, indent: int | str | None
) -> None:
    """Splitting a document into members and compacting them keeps every value."""
    text = json.dumps(document, ensure_ascii=ascii_only, indent=indent)
    members = raw_members(text)
    assert {key: json.loads(value) for key, value in members.items()} == document
    written = [f"{quoted(key)}:{compacted(value)}" for key, value in members.items()]
    joined = "{" + ",".join(written) + "}"
    assert json.loads(joined) == document
    assert not set("<>&\u2028\u2029") & set(joined)
