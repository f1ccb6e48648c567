"""The contract of `Source` and `OpenBlob`, for every transport, with images of real tools."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing

import pytest

import towline
from tests.support.byte_writers import MemoryWriter
from tests.support.frozen_facts import FrozenFacts
from tests.support.images import EVERY_FORM, NAME, RealImage, RealImages
from towline.cancel import CancelToken
from towline.config.locations import Locations
from towline.config.registries import Registries
from towline.copying.reading import Reading
from towline.errors import TowlineError, VerificationError
from towline.frozen import replace
from towline.image.descriptor import Descriptor
from towline.image.manifest import Manifest
from towline.image.platform import Platform
from towline.name.digest import sha256_of
from towline.runtime.registry_access import RegistryAccess
from towline.runtime.sources import Sources
from towline.source.protocol import Alternatives, Announcing, ListsImages, NamesImage, Source
from towline.transport import parse_image_name

RULES = towline.Rules.CURRENT
PLATFORM = Platform("linux", "amd64")


def opened(image: RealImage) -> Source:
    """The source of an image, as a pull opens it."""
    options = towline.Options(locations=Locations(environ={}, etc="/nowhere"), tls_verify=False)
    access = RegistryAccess(
        options, CancelToken(), Registries, lambda error: pytest.fail(str(error))
    )
    reference = parse_image_name(image.location, FrozenFacts(), RULES.names)
    return Sources(RULES, platform=PLATFORM, docker=access.open).open(reference)


@pytest.fixture(params=EVERY_FORM)
def source(request: pytest.FixtureRequest, real_images: RealImages) -> Iterator[Source]:
    """The source of the same image in every form."""
    with closing(opened(getattr(real_images, request.param))) as made:
        yield made


def parsed(source: Source) -> Manifest:
    """The manifest of the image, of a list that for amd64."""
    reading = Reading(RULES.copying, RULES.limits, PLATFORM)
    manifest = reading.parsed(source, reading.manifest(source)[0])
    assert isinstance(manifest, Manifest)
    return manifest


def delivered(source: Source, layer: Descriptor, offset: int = 0) -> tuple[int, bytes]:
    """Where the delivery of a blob began, and its bytes."""
    writer = MemoryWriter()
    with source.open_blob(layer, offset) as blob:
        begun = blob.offset
        assert blob.size in (None, layer.size)
        writer.data += bytes(begun)
        blob.deliver(writer)
        blob.close()  # leaving the context closes it again
    return begun, bytes(writer.data[begun:])


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def test_the_manifest(source: Source) -> None:
    """It is the same whenever it is read, and an instance of it has the digest."""
    raw = source.manifest()
    assert source.manifest() == raw
    reading = Reading(RULES.copying, RULES.limits, PLATFORM)
    chosen, listed = reading.manifest(source)
    assert (listed or chosen) == raw
    if listed is not None:
        assert source.manifest(chosen.digest) == chosen


def test_the_config(source: Source) -> None:
    """Its bytes have the digest of the descriptor; those of another digest are refused."""
    config = parsed(source).config
    assert digest(source.config(config)) == config.digest_text
    with pytest.raises(TowlineError):
        source.config(replace(config, digest_text=str(sha256_of(b"another"))))


def test_every_layer_is_delivered(source: Source) -> None:
    """In the source's own order, which is one of the wanted layers."""
    layers = list({each.digest_text: each for each in parsed(source).layers}.values())
    order = source.in_order(layers)
    assert sorted(map(str, order)) == sorted(map(str, layers))
    assert source.parallel >= 1
    for layer in order:
        begun, data = delivered(source, layer)
        assert (begun, digest(data), len(data)) == (0, layer.digest_text, layer.size)


def test_a_layer_is_delivered_from_an_offset(source: Source) -> None:
    """From there on, or from the beginning."""
    layer = max(parsed(source).layers, key=lambda each: each.size)
    _, whole = delivered(source, layer)
    for offset in (1, layer.size // 2, layer.size - 1):
        begun, data = delivered(source, layer, offset)
        assert begun in (0, offset)
        assert data == whole[begun:]


def test_an_unknown_layer_is_an_error(source: Source) -> None:
    """When it is opened, or while it is delivered."""
    unknown = Descriptor(parsed(source).layers[0].media_type, str(sha256_of(b"unknown")), 7)
    with pytest.raises(TowlineError):
        delivered(source, unknown)


def test_a_source_is_closed_twice(source: Source) -> None:
    """The second call has no effect."""
    source.close()
    source.close()


@pytest.mark.parametrize("form", EVERY_FORM)
def test_what_only_some_sources_can_do(real_images: RealImages, form: str) -> None:
    """Archives list images, layouts name them, registries announce a manifest and have mirrors."""
    image: RealImage = getattr(real_images, form)
    with closing(opened(image)) as source:
        assert isinstance(source, ListsImages) == (image.transport == "docker-archive")
        assert isinstance(source, NamesImage) == (image.transport in ("oci", "oci-archive"))
        assert isinstance(source, Announcing) == (image.transport == "docker")
        assert isinstance(source, Alternatives) == (image.transport == "docker")
        if isinstance(source, Alternatives):
            (layer, *_) = parsed(source).layers
            error = VerificationError("verify.digest")
            assert not source.give_up(layer, error)  # it was not opened
            delivered(source, layer)
            while source.give_up(layer, error):
                delivered(source, layer)
        if isinstance(source, ListsImages):
            listed = source.listed_images()
            assert [each.index for each in listed] == list(range(len(listed)))
            assert (NAME in listed[0].names) == (form != "docker_archive_unnamed")
        if isinstance(source, NamesImage) and image.name:
            assert source.annotated_names() == ((image.name,) if image.name else ())
        if isinstance(source, Announcing):
            announced = source.announcement()
            assert announced is not None
            assert announced.digest == source.manifest().digest
            assert announced.media_type == source.manifest().media_type
