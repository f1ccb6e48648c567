"""Both cores read sparse files with their holes filled."""

from __future__ import annotations

import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import tools
from tests.support.byte_writers import MemoryWriter
from tests.support.twin_actions import CORES, Core, archive_facts, both, layer_facts, result_of
from tests.support.twin_strategies import (
    COMPRESSIONS,
    SPARSE_FORMS,
    entry,
    sparse_content,
    sparse_entry,
    sparse_files,
)

pytestmark = pytest.mark.clause("CORE-013")
FRAMINGS = ["", "gzip", "zstd"]
one_file = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
every_form = pytest.mark.parametrize("form", SPARSE_FORMS)


def archive_of(path: Path, framing: str, *entries: bytes) -> str:
    """A file with a tar of these entries."""
    tar = b"".join(entries) + bytes(1024)
    path.write_bytes(COMPRESSIONS[framing](tar) if framing else tar)
    return str(path)


@given(
    file=sparse_files(),
    form=st.sampled_from(SPARSE_FORMS),
    framing=st.sampled_from(FRAMINGS),
    start=st.integers(0, 400),
    count=st.integers(0, 5000),
)
@one_file
def test_any_range_of_a_sparse_file(
    tmp_path: Path,
    file: tuple[int, list[tuple[int, bytes]]],
    form: str,
    framing: str,
    start: int,
    count: int,
) -> None:
    """Its size and bytes are those with the holes; the files around it are read as before."""
    size, segments = file
    content = sparse_content(size, segments)
    member = sparse_entry(form, size, segments)
    path = archive_of(
        tmp_path / "tar", framing, entry(b"a", b"before"), member, member, entry(b"z", b"after")
    )

    def read(core: Core) -> Any:
        archive = core.Archive(path)
        members, failure = archive.index(keep=1000)
        assert failure is None
        assert [each.name for each in members] == [b"a", b"sparse", b"sparse", b"z"]
        at = [(each.offset, each.size) for each in members]
        assert archive.read(at[::-1]) == [b"after", content, content, b"before"]
        first, last = min(start, size), min(start + count, size)
        ranges = [(offset + first, last - first) for offset, _ in at[1:3]]
        assert archive.read(ranges) == [content[first:last]] * 2
        written = MemoryWriter()
        archive.copy_to(*at[2], written)
        assert bytes(written.data) == content
        beyond = result_of(lambda: archive.read([(at[1][0], size + 1)]))
        return at, archive.measure(*at[1]), beyond

    both(read)
    assert both(partial(layer_facts, path=path))[5] == 4


@every_form
@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_compressed_file_with_holes(tmp_path: Path, form: str, framing: str) -> None:
    """The holes are filled before the file is decompressed."""
    packed = COMPRESSIONS["zstd"](b"x" * 70_000) + COMPRESSIONS["zstd-skippable"](b"")
    assert packed[4] != packed[-1]
    holes = [at for at, byte in enumerate(packed) if not byte]
    segments = [(0, packed[: holes[0]]), (holes[0] + 1, packed[holes[0] + 1 :])]
    path = archive_of(tmp_path / "tar", framing, sparse_entry(form, len(packed), segments))
    facts = both(lambda core: archive_facts(core, path, noting={"keep": 9, "sizes": True}))
    assert facts[3:5] == ([packed], [70_000])


@every_form
@pytest.mark.parametrize(
    ("size", "segments"),
    [
        (10, [(0, b"abc"), (2, b"d")]),
        (10, [(8, b"abc")]),
        (10, [(5, b"a"), (0, b"b")]),
        ((1 << 33) - 1, [((1 << 33) - 1, b"a")]),
    ],
    ids=["overlap", "outside", "order", "far outside"],
)
def test_a_damaged_map(
    tmp_path: Path, form: str, size: int, segments: list[tuple[int, bytes]]
) -> None:
    """It is an error of the index; a layer, whose files are not read, is only counted."""
    path = archive_of(tmp_path / "tar", "", entry(b"a"), sparse_entry(form, size, segments))
    _, members, failure, *_ = both(partial(archive_facts, path=path))
    header = 512 if form == "old" else 512 + 1024
    assert (len(members), failure) == (1, ("failed", "corrupt", header))
    assert both(partial(layer_facts, path=path))[5] == 2


@every_form
@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("count", [1, 3])
def test_holes_count_as_content(tmp_path: Path, form: str, framing: str, count: int) -> None:
    """A file of a few bytes that states terabytes exceeds the limits, alone or with others."""
    size = 4 << 30 if count > 1 else (8 << 30) - 1
    path = archive_of(tmp_path / "tar", framing, *[sparse_entry(form, size, [(5, b"x")])] * count)
    facts = both(lambda core: archive_facts(core, path, {"max_bytes": 8 << 20}))
    assert facts[2] == ("failed", "limit_bytes", 8 << 20)
    facts = both(partial(archive_facts, path=path))
    assert facts[2] == ("failed", "limit_ratio", 64 << 20)
    assert both(partial(layer_facts, path=path))[5] == count


@every_form
def test_maps_count_as_memory(tmp_path: Path, form: str) -> None:
    """The segments of all maps are limited together with the names."""
    member = sparse_entry(form, 5000, [(at * 2, b"x") for at in range(100)])
    path = archive_of(tmp_path / "tar", "", member, member)
    limits = {"max_index": 2 * (256 + 6 + 1600)}
    assert both(lambda core: archive_facts(core, path, limits))[2] is None
    limits["max_index"] -= 1
    _, members, failure, *_ = both(lambda core: archive_facts(core, path, limits))
    assert (len(members), failure) == (1, ("failed", "limit_index", len(member)))


@pytest.mark.parametrize(
    "options",
    [
        ["--format=gnu"],
        *[["--format=posix", f"--sparse-version={version}"] for version in ("0.0", "0.1", "1.0")],
    ],
    ids=SPARSE_FORMS,
)
@pytest.mark.parametrize("core", CORES)
def test_sparse_files_of_gnu_tar(tmp_path: Path, core: Core, options: list[str]) -> None:
    """What `tar -S` writes is read as the files on the disk."""
    tar = tools.require("tar")
    name = "n" * 120
    for file in ("some", "none", name):
        with (tmp_path / file).open("wb") as opened:
            for at in range(30 if file != "none" else 0):
                opened.seek(at * 300_000)
                opened.write(b"%d" % at * 700)
            opened.truncate(10_000_000)
    subprocess.run(
        [
            tar,
            "-C",
            str(tmp_path),
            "-S",
            *options,
            "-cf",
            str(tmp_path / "tar"),
            "some",
            "none",
            name,
        ],
        check=True,
    )
    assert (tmp_path / "tar").stat().st_size < 2_000_000
    archive = core.Archive(str(tmp_path / "tar"))
    members, failure = archive.index()
    assert failure is None
    assert [each.name.decode() for each in members] == ["some", "none", name]
    for member in members:
        assert archive.read([(member.offset, member.size)]) == [
            (tmp_path / member.name.decode()).read_bytes()
        ]
    assert core.layer_pass(str(tmp_path / "tar")).entries == 3
