"""How often a compressed archive is decompressed: once for the index, once for the layers."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import zstandard

import towline
import towline.source.archive
from tests.support.archives import (
    Entry,
    docker_archive,
    layers_of,
    layout,
    oci_image,
    sha256_hex,
    tar,
)
from towline.core import Archive
from towline.rules import Rules
from towline.runtime.options import Options
from towline.source.docker_archive import open_source
from towline.store.layout.store import open_store
from towline.transport.docker_archive import DockerArchiveReference

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 1),
    "bzip2": lambda data: bz2.compress(data, 1),
    "xz": lambda data: lzma.compress(data, preset=0),
    "zstd": lambda data: zstandard.ZstdCompressor(1).compress(data),
    "gzip in zstd": lambda data: zstandard.ZstdCompressor(1).compress(gzip.compress(data, 1)),
}
EVERY_COMPRESSION = pytest.mark.parametrize("compression", COMPRESSIONS)


def layers(count: int, size: int = 20_000) -> list[bytes]:
    """Distinct layers of one file each; compression halves their size."""
    source = random.Random(4)
    return [
        tar([(f"{at}.txt", source.randbytes(size // 2).hex().encode()[:size])])
        for at in range(count)
    ]


def shuffled(entries: Sequence[Entry]) -> list[Entry]:
    """The same members in another order."""
    return random.Random(7).sample(entries, len(entries))


def docker(plain: Sequence[bytes], pack: Callable[[bytes], bytes] = bytes) -> list[Entry]:
    """A docker-archive whose members are not in the order of the manifest."""
    stored = {f"{sha256_hex(data)}.tar": pack(data) for data in plain}
    entries = docker_archive((["example.com/many:1"], plain))
    return shuffled([(name, stored.get(name, content)) for name, content in entries])


def oci(plain: Sequence[bytes]) -> list[Entry]:
    """An oci-archive whose members are in another order."""
    blobs, descriptor = oci_image(*plain)
    return shuffled([*layout([descriptor], blobs).items()])


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Archive]:
    """The archives that are opened; the limit of kept bytes is lowered below the layers."""
    archives: list[Archive] = []

    def open_archive(*args: Any, **kwargs: Any) -> Archive:
        archives.append(Archive(*args, **kwargs))
        return archives[-1]

    monkeypatch.setattr(towline.source.archive, "Archive", open_archive)
    monkeypatch.setattr(towline.source.archive, "_KEPT", 64 << 10)
    return archives


@pytest.mark.clause("ARCH-008")
@EVERY_COMPRESSION
@pytest.mark.parametrize(
    "entries",
    [docker(layers(50)), docker(layers(50), gzip.compress), oci(layers(50))],
    ids=["docker-archive", "docker-archive of compressed layers", "oci-archive"],
)
@pytest.mark.parametrize("verify_diff_ids", [False, True], ids=["", "diff IDs verified"])
def test_a_pull_takes_two_passes(
    opened: list[Archive],
    tmp_path: Path,
    entries: list[Entry],
    compression: str,
    verify_diff_ids: bool,
) -> None:
    """For every compression, and every order of the layers."""
    plain = tar(entries)
    path = tmp_path / "archive"
    path.write_bytes(COMPRESSIONS[compression](plain))
    kind = (
        "docker-archive" if any(name == "manifest.json" for name, _ in entries) else "oci-archive"
    )
    options = Options(verify_diff_ids=verify_diff_ids)
    result = towline.pull(f"{kind}:{path}", tmp_path / "store", options=options)
    (image,) = open_store(tmp_path / "store").images()
    assert result.attempts[0].stored is not None
    assert len(image.layers) == 50
    (archive,) = opened
    assert len(plain) < archive.inflated <= 2 * len(plain)


@pytest.mark.clause("ARCH-008")
@EVERY_COMPRESSION
def test_a_small_image_takes_one_pass(
    opened: list[Archive], tmp_path: Path, compression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The layers that were kept during indexing are delivered from memory."""
    monkeypatch.setattr(towline.source.archive, "_KEPT", 8 << 20)
    entries = docker(layers(5))
    path = tmp_path / "archive"
    path.write_bytes(COMPRESSIONS[compression](tar(entries)))
    towline.pull(f"docker-archive:{path}", tmp_path / "store")
    (archive,) = opened
    assert archive.inflated == len(tar(entries))


@pytest.mark.clause("ARCH-008")
def test_many_smaller_files_need_a_third_pass(opened: list[Archive], tmp_path: Path) -> None:
    """The documents are not among the smallest files then, and the memory limit is the same."""
    (plain,) = layers(1)
    small_files = [(f"{at}.txt", b"%d" % at * 10) for at in range(10_000)]
    entries = [*small_files, *docker_archive((["example.com/many:1"], [plain]))]
    path = tmp_path / "archive"
    path.write_bytes(gzip.compress(tar(entries), 1))
    reference = DockerArchiveReference(str(path))
    rules = Rules.CURRENT
    source = open_source(reference, rules.archives, rules.limits)
    assert layers_of(source, tmp_path) == [plain]
    (archive,) = opened
    assert 2 * len(tar(entries)) < archive.inflated
    source.close()


@pytest.mark.clause("CORE-009")
@pytest.mark.parametrize("keep", [5, 100, 5_000, 100_000])
def test_the_smallest_files_are_kept(tmp_path: Path, keep: int) -> None:
    """As many as the limit allows; the first bytes of all files are kept."""
    sizes = [700, 90, 4_000, 10, 50, 60_000, 90, 300]
    path = tmp_path / "archive"
    path.write_bytes(gzip.compress(tar([(f"{size}", bytes(size)) for size in sizes])))
    archive = Archive(str(path))
    members, _ = archive.index(keep=keep)
    whole = archive.inflated
    kept = 0
    for member in sorted(members, key=lambda member: member.size):
        assert archive.read([(member.offset, 6)]) == [bytes(6)]
        assert archive.inflated == whole
        archive.read([(member.offset, member.size)])
        if archive.inflated > whole:
            break
        kept += member.size
    expected = 0
    for size in sorted(sizes):
        keep -= size + 128  # the overhead of one file
        if keep < 0:
            break
        expected += size
    assert kept == expected


@pytest.mark.clause("CORE-009")
def test_the_number_of_tiny_files_that_are_kept_is_limited(tmp_path: Path) -> None:
    """Each kept or measured file counts with an overhead, however small it is."""
    path = tmp_path / "archive"
    empty = gzip.compress(b"", mtime=0)
    path.write_bytes(gzip.compress(tar([(f"{at}", empty) for at in range(5_000)]), 1))
    archive = Archive(str(path))
    members, _ = archive.index(keep=20 * (len(empty) + 128), sizes=True)
    whole = archive.inflated
    assert archive.read([(members[19].offset, len(empty))]) == [empty]
    assert archive.measure(members[4_000].offset, len(empty)) == 0
    assert archive.inflated == whole
    archive.read([(members[20].offset, len(empty))])
    assert archive.inflated > whole
    whole = archive.inflated
    assert archive.measure(members[-1].offset, len(empty)) == 0
    assert archive.inflated > whole


@pytest.mark.clause("CORE-009")
def test_sizes_are_measured_within_a_limit(tmp_path: Path) -> None:
    """Members that decompress to large sizes are not measured during indexing."""
    large = gzip.compress(bytes(48 << 20), 9)
    path = tmp_path / "archive"
    path.write_bytes(gzip.compress(tar([("a", large), ("b", large)])))
    archive = Archive(str(path))
    members, _ = archive.index(sizes=True)
    whole = archive.inflated
    assert archive.measure(members[0].offset, members[0].size) == 48 << 20
    assert archive.inflated == whole
    assert archive.measure(members[1].offset, members[1].size) == 48 << 20
    assert archive.inflated > whole
