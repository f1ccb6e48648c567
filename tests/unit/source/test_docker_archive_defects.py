"""``docker-archive:``: defects, and the error for each."""

from __future__ import annotations

import gzip
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.archives import (
    config,
    docker_archive,
    layer,
    read_blob,
    sha256_hex,
    special,
    tar,
)
from tests.support.docker_archives import BOTH, IMAGE, A, B, fault, listed, source_of
from towline.core import BlobWriter, CoreError
from towline.errors import LimitExceededError, PathError, SourceError
from towline.image.manifest import parse_manifest
from towline.rules import Rules
from towline.source.docker_archive import open_source
from towline.transport.docker_archive import DockerArchiveReference


def replaced(name: str, content: bytes) -> bytes:
    """An archive in which `manifest.json`, `config` or `layer` has another content."""
    entries = docker_archive((["x:1"], [A]))
    index = {"config": 0, "layer": 1, "manifest.json": 2}[name]
    entries[index] = (entries[index][0], content)
    return tar(entries)


def without(index: int) -> bytes:
    """An archive without the member at this index: config, layer or manifest.json."""
    entries = docker_archive((["x:1"], [A]))
    return tar([*entries[:index], *entries[index + 1 :]])


CONFIG = f"{sha256_hex(config([A]))}.json"
LAYER = f"{sha256_hex(A)}.tar"
DEFECTS = {
    "no manifest": (without(2), "archive.no_member"),
    "no config": (without(0), "archive.no_member"),
    "no layer": (without(1), "archive.layers_missing"),
    "manifest is text": (replaced("manifest.json", b"text"), "archive.manifest_not_json"),
    "manifest is an object": (replaced("manifest.json", b"{}"), "archive.manifest_not_json"),
    "manifest goes on": (replaced("manifest.json", b"[] []"), "archive.manifest_not_json"),
    "manifest is a device": (
        tar([*docker_archive((["x:1"], [A]))[:-1], special("manifest.json", tarfile.CHRTYPE)]),
        "archive.not_regular",
    ),
    "config is text": (replaced("config", b"text"), "archive.config_not_json"),
    "config is a list": (replaced("config", b"[]"), "archive.config_not_json"),
    "config is empty": (replaced("config", b"{}"), "archive.no_rootfs"),
    "config has no rootfs": (replaced("config", b'{"rootfs":null}'), "archive.no_rootfs"),
    "config has more layers": (replaced("config", config([A, B])), "archive.layer_count"),
    "one member for two layers": (
        tar(
            [
                ("c", config([A, B])),
                ("l", A),
                ("manifest.json", listed(Config="c", Layers=["l", "l"])),
            ]
        ),
        "archive.layer_used_twice",
    ),
    "layers of pack without a file": (
        tar(
            [
                ("c", config([A, B])),
                ("l", A),
                ("manifest.json", listed(Config="c", Layers=["", "l"])),
            ]
        ),
        "archive.unnamed_layers",
    ),
    "several layers without a file": (
        tar([("c", config([A, B])), ("manifest.json", listed(Config="c", Layers=["", ""]))]),
        "archive.unnamed_layers",
    ),
    "cut short in a layer": (IMAGE[:2000], "archive.damaged"),
    "ends in garbage": (IMAGE.rstrip(b"\0")[:-1] + b"\0" * 500 + b"x" * 1024, None),
    "gzip cut short": (gzip.compress(IMAGE)[:-20], "archive.compression"),
    "gzip with a wrong check value": (
        gzip.compress(IMAGE)[:-8] + b"\0" * 8,
        "archive.compression",
    ),
    "only the magic of gzip": (b"\x1f\x8b\x08", "archive.compression"),
    "only the magic of xz": (b"\xfd7zXZ\x00", "archive.compression"),
    "bzip2 of invalid data": (b"BZh9" + b"x" * 100, "archive.compression"),
    "text": (b"text " * 500, "archive.not_tar"),
    "nothing": (b"", "archive.no_member"),
    "a tar of nothing": (b"\0" * 1024, "archive.no_member"),
}


@pytest.mark.clause("ARCH-014", "ARCH-026")
@BOTH
@pytest.mark.parametrize(("data", "code"), DEFECTS.values(), ids=DEFECTS)
def test_a_defect_has_its_code(tmp_path: Path, rules: Rules, data: bytes, code: str | None) -> None:
    """Each kind of broken archive has its own error code, the same in both editions."""
    found = fault(data, tmp_path, rules)
    if code is None:
        assert found.startswith("archive.")
    else:
        assert found == code


@BOTH
def test_the_size_of_documents_is_limited(tmp_path: Path, rules: Rules) -> None:
    """A manifest.json or config above the limit is not read."""
    size = rules.limits.document_size + 1
    member = tarfile.TarInfo("manifest.json")
    member.size = size
    path = tmp_path / "huge.tar"
    with path.open("wb") as file:
        file.write(member.tobuf(tarfile.GNU_FORMAT))
        file.truncate(512 + (size + 511) // 512 * 512 + 1024)
    source = open_source(DockerArchiveReference(str(path)), rules.archives, rules.limits)
    with closing(source), pytest.raises(LimitExceededError) as caught:
        source.manifest()
    assert caught.value.code == "limit.document"
    assert caught.value.facts["what"] == "manifest.json"


@BOTH
def test_the_error_of_a_damaged_layer_names_its_member(tmp_path: Path, rules: Rules) -> None:
    """A layer with damaged compression cannot be measured."""
    data = replaced("layer", gzip.compress(A)[:-20])
    with pytest.raises(SourceError) as caught, source_of(data, tmp_path, rules) as source:
        source.manifest()
    assert caught.value.code == "archive.member_damaged"
    assert caught.value.facts["member"] == LAYER


def test_an_archive_that_is_truncated_while_read(tmp_path: Path) -> None:
    """The error is that of the archive, not of the store."""
    big = layer("a") + bytes(1 << 20)
    with source_of(tar(docker_archive((["x:1"], [big]))), tmp_path) as source:
        blob = source.open_blob(parse_manifest(source.manifest()).layers[0])
        with (tmp_path / "image.tar").open("r+b") as file:
            file.truncate(4096)
        with pytest.raises(SourceError) as caught:
            read_blob(blob, tmp_path)
    assert caught.value.code == "archive.member_damaged"


def test_an_error_of_the_writer_is_not_an_error_of_the_archive(tmp_path: Path) -> None:
    """The error of the writer is raised."""
    big = layer("a") + bytes(8 << 20)
    with source_of(tar(docker_archive((["x:1"], [big]))), tmp_path) as source:
        blob = source.open_blob(parse_manifest(source.manifest()).layers[0])
        writer = BlobWriter(str(tmp_path / "blob"))
        writer.abort()
        with pytest.raises(CoreError) as caught:
            blob.deliver(writer)
    assert caught.value.code == "cancelled"


def test_archives_that_cannot_be_opened(tmp_path: Path) -> None:
    """A missing file, a folder and an endless device have their own errors."""

    def code_and_text(path: Path, rules: Rules) -> tuple[str, str]:
        with pytest.raises(PathError) as caught:
            open_source(DockerArchiveReference(str(path)), rules.archives, rules.limits)
        return caught.value.code, caught.value.render(rules.wording)

    gone = tmp_path / "gone.tar"
    code, message = code_and_text(gone, Rules.LIBPOD_1_3)
    assert code == "path.unusable"
    assert message == f'error opening file "{gone}": open {gone}: no such file or directory'
    code, message = code_and_text(tmp_path, Rules.LIBPOD_1_3)
    assert message == (
        f'Error detecting compression for file "{tmp_path}": Error detecting compression:'
        f" read {tmp_path}: is a directory"
    )
    assert code_and_text(Path("/dev/zero"), Rules.CURRENT)[0] == "path.not_a_file"
