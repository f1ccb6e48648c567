"""Sources of docker-archives that are built in code, and the errors that they raise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.support.archives import docker_archive, layer, tar
from towline.errors import TowlineError
from towline.name.reference import parse_normalized
from towline.rules import Rules
from towline.source.docker_archive import DockerArchiveSource, open_source
from towline.transport.docker_archive import DockerArchiveReference

A, B = layer("a"), layer("b")
IMAGE = tar(docker_archive((["x:1"], [A])))
BOTH = pytest.mark.parametrize(
    "rules", [Rules.CURRENT, Rules.LIBPOD_1_3], ids=lambda rules: rules.edition
)


@contextmanager
def source_of(
    data: bytes, folder: Path, rules: Rules = Rules.CURRENT, *, name: str = "", index: int = 0
) -> Iterator[DockerArchiveSource]:
    """A source of an archive with these bytes."""
    path = folder / "image.tar"
    path.write_bytes(data)
    own = parse_normalized(name).tagged() if name else None
    reference = DockerArchiveReference(str(path), own, index)
    with closing(open_source(reference, rules.archives, rules.limits)) as source:
        yield source


def fault(data: bytes, folder: Path, rules: Rules = Rules.CURRENT, index: int = 0) -> str:
    """The code of the error that an archive raises; its sentence must not be empty."""
    with (
        pytest.raises(TowlineError) as caught,
        source_of(data, folder, rules, index=index) as source,
    ):
        source.manifest()
    assert caught.value.render(rules.wording)
    return caught.value.code


def listed(**item: object) -> bytes:
    """A manifest.json with one item."""
    return json.dumps([item]).encode()
