"""Small values: digests, quoting, platforms, manifests, configs, the cancel token."""

from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.cancel import CancelToken
from towline.errors import (
    InvalidNameError,
    PlatformMismatchError,
    PullCancelledError,
    SourceError,
    TowlineError,
    step,
)
from towline.go.go_quote import quote
from towline.image.config import parse_config
from towline.image.descriptor import Descriptor
from towline.image.instances import choose_instance
from towline.image.manifest import (
    DOCKER_CONFIG,
    DOCKER_LIST,
    DOCKER_SCHEMA1,
    DOCKER_SCHEMA1_SIGNED,
    DOCKER_SCHEMA2,
    OCI_INDEX,
    OCI_MANIFEST,
    RawManifest,
    parse_index,
    parse_manifest,
    recognise,
)
from towline.image.platform import Platform, parse_platform
from towline.name.digest import parse_digest, sha256_of
from towline.wording import CURRENT, LIBPOD_1_3


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "digest.format"),
        ("sha256", "digest.format"),
        ("sha256:", "digest.format"),
        (":abc", "digest.format"),
        ("md5:" + "0" * 32, "digest.algorithm"),
        ("SHA256:" + "0" * 64, "digest.format"),
        ("a..b:" + "0" * 64, "digest.format"),
        ("a+b_c.d-e:" + "0" * 64, "digest.algorithm"),
        ("sha256:abc", "digest.length"),
        ("sha256:" + "A" * 64, "digest.format"),
        ("sha256:" + "0" * 63 + "\n", "digest.format"),
        ("sha512:" + "0" * 64, "digest.length"),
        ("sha256:../../../etc/passwd", "digest.length"),
    ],
)
def test_invalid_digests(text: str, code: str) -> None:
    """The format, the algorithm, the length and the hex digits are checked in this order."""
    with pytest.raises(InvalidNameError) as caught:
        parse_digest(text)
    assert caught.value.code == code


@given(st.binary())
def test_parsing_and_formatting_a_digest_are_inverse(data: bytes) -> None:
    """Parsing the formatted digest gives the same digest."""
    assert parse_digest(str(sha256_of(data))) == sha256_of(data)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("plain", '"plain"'),
        ('a"b\\', '"a\\"b\\\\"'),
        ("a\nb\t\x00\x1b[31m", '"a\\nb\\t\\x00\\x1b[31m"'),
        ("ünï 日本", '"ünï 日本"'),
        ("\u200b\u00a0\U000e0001", '"\\u200b\\u00a0\\U000e0001"'),
        ("\udcff", '"\\xff"'),
        ("\x7f", '"\\x7f"'),
    ],
)
def test_quoting(text: str, quoted: str) -> None:
    """Control and unprintable characters are escaped."""
    assert quote(text) == quoted


def test_an_error_is_rendered_with_its_steps_and_can_be_pickled() -> None:
    """Steps are rendered outermost first; each edition has its own wording."""
    with (
        pytest.raises(TowlineError) as caught,
        step("parsing-source", name="X"),
        step("parsing-stored-name", name="Y"),
    ):
        raise InvalidNameError("name.invalid", name="Y")
    error = caught.value
    assert error.render(LIBPOD_1_3) == (
        "unable to parse 'X': error parsing named reference \"Y\": invalid reference format"
    )
    copied = pickle.loads(pickle.dumps(error))
    assert copied.render(CURRENT) == str(error)
    assert copied.steps == error.steps


def instance(platform: str | None, digest: str = "") -> Descriptor:
    """An entry of an index for a platform."""
    return Descriptor(
        "", digest, 0, platform=None if platform is None else parse_platform(platform)
    )


@pytest.mark.parametrize(
    ("wanted", "available", "chosen"),
    [
        ("linux/amd64", ["linux/arm64", "linux/amd64", "linux/amd64"], 1),
        ("linux/arm64", ["linux/arm64/v8"], 0),
        ("linux/arm/v7", ["linux/arm/v6", "linux/arm/v7", "linux/arm"], 1),
        ("linux/arm/v7", ["linux/arm", "linux/arm/v5", "linux/arm/v8"], 1),
        ("linux/arm", ["linux/arm/v5", "linux/arm/v7"], 1),
        ("linux/amd64", ["unknown/unknown", None, "linux/arm64"], 1),
        ("linux/amd64", [None, "linux/amd64"], 1),
        ("linux/amd64", ["linux/amd64/v2", "linux/amd64"], 1),
    ],
)
def test_the_choice_of_an_instance(wanted: str, available: list[str | None], chosen: int) -> None:
    """The nearest lower variant; the first of equals; an entry without a platform last."""
    instances = [instance(platform, str(number)) for number, platform in enumerate(available)]
    found = choose_instance(
        instances, parse_platform(wanted), variants=True, list_kind="image index"
    )
    assert found.digest_text == str(chosen)


def test_no_instance_for_the_platform() -> None:
    """The error lists the platforms of the index."""
    instances = [instance("linux/arm64"), instance("windows/amd64")]
    with pytest.raises(
        PlatformMismatchError,
        match=r"no image for linux/amd64; it has .linux/arm64., .windows/amd64.",
    ):
        choose_instance(
            instances, Platform("linux", "amd64"), variants=True, list_kind="image index"
        )


def test_an_attestation_is_never_chosen() -> None:
    """The platform of an attestation is `unknown/unknown`, which matches no real platform."""
    with pytest.raises(PlatformMismatchError):
        choose_instance(
            [instance("unknown/unknown")],
            Platform("linux", "amd64"),
            variants=True,
            list_kind="image index",
        )


@pytest.mark.parametrize(
    ("document", "media_type"),
    [
        ({"schemaVersion": 2, "mediaType": OCI_INDEX}, OCI_INDEX),
        ({"schemaVersion": 2, "config": {"mediaType": DOCKER_CONFIG}}, DOCKER_SCHEMA2),
        ({"schemaVersion": 2, "config": {}, "layers": []}, OCI_MANIFEST),
        ({"schemaVersion": 2, "manifests": []}, OCI_INDEX),
        ({"schemaVersion": 1}, DOCKER_SCHEMA1),
        ({"schemaVersion": 1, "signatures": []}, DOCKER_SCHEMA1_SIGNED),
        ({"schemaVersion": 3}, ""),
        ([], ""),
        ({"schemaVersion": "2"}, ""),
    ],
)
def test_recognising_a_manifest(document: object, media_type: str) -> None:
    """A known media type in the document decides, otherwise the schema version and the keys."""
    assert recognise(json.dumps(document).encode()) == media_type


@pytest.mark.parametrize(
    ("media_type", "document", "code"),
    [
        (OCI_MANIFEST, {"config": {}, "layers": [], "manifests": [{}]}, "manifest.ambiguous"),
        (DOCKER_SCHEMA2, {"config": {}, "layers": [], "fsLayers": [{}]}, "manifest.ambiguous"),
        (OCI_MANIFEST, {"layers": {}}, "manifest.not_json"),
        (OCI_MANIFEST, {"config": {"size": "1"}}, "manifest.not_json"),
        ("text/plain", {"schemaVersion": 2}, "manifest.schema_version"),
    ],
)
def test_invalid_manifests_are_rejected(media_type: str, document: object, code: str) -> None:
    """Ambiguous documents, wrong types and other media types are errors."""
    with pytest.raises(SourceError) as caught:
        parse_manifest(RawManifest(json.dumps(document).encode(), media_type))
    assert caught.value.code == code


def test_an_index_with_layers_is_ambiguous() -> None:
    """An index that could also be read as a manifest is an error."""
    raw = RawManifest(b'{"manifests": [{}], "layers": [{}]}', DOCKER_LIST)
    with pytest.raises(SourceError, match="ambiguous"):
        parse_index(raw)


def test_the_digest_of_a_descriptor_is_checked_when_it_is_used() -> None:
    """A descriptor may contain any text; `digest` returns a valid digest or raises."""
    raw = RawManifest(b'{"config": {"digest": "sha256:../x"}, "layers": []}', OCI_MANIFEST)
    config = parse_manifest(raw).config
    assert config.digest_text == "sha256:../x"
    with pytest.raises(InvalidNameError):
        _ = config.digest


@pytest.mark.clause("MANIFEST-010")
@pytest.mark.parametrize("wrong", [7, 1.5, True, [], [1], {}, {"a": {}}, "text", None])
@pytest.mark.parametrize(
    "field", ["config", "created", "history", "variant", "author", "container", "os.features"]
)
def test_fields_that_decide_nothing_may_have_any_type(field: str, wrong: object) -> None:
    """The config of an image remains usable, and labels keep those values that are strings."""
    document = {"os": "linux", "architecture": "arm64", field: wrong}
    assert str(parse_config(json.dumps(document).encode()).platform).startswith("linux/arm64")
    labels = {"Labels": {"good": "1", "wrong": wrong}, "Env": wrong, "Cmd": wrong, "User": wrong}
    config = parse_config(json.dumps({"config": labels}).encode())
    assert config.labels["good"] == "1"
    assert config.labels.get("wrong", "") == ("text" if wrong == "text" else "")


def test_parsing_a_config() -> None:
    """It has labels, operating system and diff IDs; an invalid diff ID makes `diff_ids` None."""
    config = parse_config(
        b'{"os": "linux", "config": {"labels": {"A": "1"}}, "rootfs": {"diff_ids": ["x"]}}'
    )
    assert (config.os, config.labels, config.diff_ids) == ("linux", {"A": "1"}, None)
    with pytest.raises(SourceError):
        parse_config(b"[]")


def test_cancelling_calls_each_callback_once() -> None:
    """A callback registered after cancelling is called too, and a removed one is not."""
    token, calls = CancelToken(), []
    token.raise_if_cancelled()
    token.on_cancel(lambda: calls.append("before"))
    token.on_cancel(lambda: calls.append("never"))()
    token.cancel()
    token.cancel()
    token.on_cancel(lambda: calls.append("after"))
    assert calls == ["before", "after"]
    for call in (token.raise_if_cancelled, lambda: token.wait(60)):
        with pytest.raises(PullCancelledError):
            call()
