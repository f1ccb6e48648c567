"""Both cores give the same results for every tar, framing and damage."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.twin_actions import (
    CORES,
    Core,
    archive_facts,
    both,
    layer_facts,
    native,
    result_of,
)
from tests.support.twin_strategies import (
    COMPRESSIONS,
    block,
    compressed,
    compressions,
    damaged,
    entry,
    skippable,
    tars,
)
from towline.core.compression import FORMATS, detect
from towline.core.failure import CoreError

limits = st.dictionaries(
    st.sampled_from(
        ["max_bytes", "max_entries", "max_frames", "max_index", "max_path", "max_ratio"]
    ),
    st.one_of(st.integers(0, 20), st.integers(0, 5000)),
)
# Damage can be at many offsets, and an example takes a few milliseconds.
one_file = settings(
    max_examples=min(10 * settings().max_examples, 5_000),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def write_file(tmp_path: Path) -> Callable[[bytes], str]:
    """A function that writes bytes to a file and returns its path."""

    def write(data: bytes) -> str:
        path = tmp_path / "subject"
        path.write_bytes(data)
        return str(path)

    return write


@pytest.mark.clause("CORE-001", "CORE-004")
@one_file
@given(data=compressed(), rounds=st.integers(0, 3))
def test_archives(write_file: Callable[[bytes], str], data: bytes, rounds: int) -> None:
    """Framing, members, errors, bytes and sizes are the same."""
    path = write_file(data)
    both(lambda core: archive_facts(core, path, rounds=rounds))


@pytest.mark.clause("CORE-001", "CORE-009")
@one_file
@given(
    data=st.one_of(compressed(2), damaged(compressed(2))),
    keep=st.one_of(st.integers(0, 50), st.integers(0, 5000)),
    sizes=st.booleans(),
)
def test_the_cache_of_an_index(
    write_file: Callable[[bytes], str], data: bytes, keep: int, sizes: bool
) -> None:
    """Both cache the same members, so that both inflate the same; the bytes are right."""
    path = write_file(data)
    noting = {"keep": keep, "sizes": sizes}
    noted = both(lambda core: archive_facts(core, path, noting=noting))
    without = result_of(lambda: archive_facts(native, path))
    assert noted[:-1] == without[:-1]


@pytest.mark.clause("CORE-001", "CORE-006")
@one_file
@given(data=damaged(compressed(2)))
def test_damaged_archives(write_file: Callable[[bytes], str], data: bytes) -> None:
    """For truncated, changed or extended archives the codes and offsets are the same too."""
    path = write_file(data)
    both(lambda core: archive_facts(core, path))


@pytest.mark.clause("CORE-001")
@one_file
@given(data=st.one_of(compressed(2), damaged(compressed(1)), st.binary(max_size=2000)))
def test_layers(write_file: Callable[[bytes], str], data: bytes) -> None:
    """The layer pass gives the same result for any input."""
    path = write_file(data)
    both(lambda core: layer_facts(core, path))


@pytest.mark.clause("CORE-001", "CORE-005")
@one_file
@given(data=st.one_of(compressed(2), damaged(compressed(1))), chosen=limits)
@example(data=gzip.compress(bz2.compress(bytes(1024))), chosen={"max_frames": 1, "max_bytes": 6})
def test_limits(write_file: Callable[[bytes], str], data: bytes, chosen: dict[str, int]) -> None:
    """Limits end both at the same offset."""
    path = write_file(data)
    both(lambda core: archive_facts(core, path, chosen))
    both(lambda core: layer_facts(core, path, chosen))


@pytest.mark.clause("CORE-001")
@one_file
@given(
    tar=tars(),
    compress=compressions(),
    wanted=st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 3000)), max_size=6),
    indexed=st.booleans(),
)
def test_ranges(
    write_file: Callable[[bytes], str],
    tar: bytes,
    compress: Callable[[bytes], bytes],
    wanted: list[tuple[int, int]],
    indexed: bool,
) -> None:
    """Ranges may be in any order, overlap, and be beyond the end, in several calls."""
    path = write_file(compress(tar))

    def read(core: Core) -> Any:
        archive = core.Archive(path)
        if indexed:
            archive.index()
        together = result_of(lambda: archive.read(wanted))
        single = [result_of(partial(archive.read, [one])) for one in wanted]
        measured = [result_of(partial(archive.measure, *one)) for one in wanted]
        return together, single, measured

    results = both(read)
    if (
        detect(lambda count: tar[:count], FORMATS) is not None
    ):  # the tar begins like compressed data
        return
    if all(offset + size <= len(tar) for offset, size in wanted):
        assert results[0] == [tar[offset : offset + size] for offset, size in wanted]


@pytest.mark.clause("CORE-007")
@one_file
@given(
    files=st.lists(
        st.tuples(
            st.text(
                st.characters(exclude_characters="\0/", codec="utf-8"), min_size=1, max_size=180
            ),
            st.binary(max_size=1500),
            st.sampled_from([tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE]),
        ),
        max_size=6,
    ),
    form=st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
)
def test_members_are_those_that_tarfile_finds(
    write_file: Callable[[bytes], str], files: list[tuple[str, bytes, bytes]], form: int
) -> None:
    """Members of tars that the standard library writes have the offsets that it reads."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=form) as tar:
        for name, data, kind in files:
            info = tarfile.TarInfo(f"./{name}")
            info.type = kind
            info.size = len(data) if kind == tarfile.REGTYPE else 0
            info.linkname = f"{name}/to" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            tar.addfile(info, io.BytesIO(data))
    path = write_file(written.getvalue())
    _, members, failure, *_ = both(lambda core: archive_facts(core, path))
    assert failure is None
    with tarfile.open(path) as tar:
        expected = [
            (
                info.name.encode("utf-8", "surrogateescape"),
                info.linkname.encode("utf-8", "surrogateescape"),
                info.type.decode(),
                info.size,
                info.offset_data,
                info.offset,
            )
            for info in tar
        ]
    found = [(name.rstrip(b"/"), *rest) for name, *rest in members]
    assert found == [(name.rstrip(b"/"), *rest) for name, *rest in expected]


@pytest.mark.clause("CORE-006")
@pytest.mark.parametrize("name", sorted(COMPRESSIONS))
def test_every_truncation_of_a_compressed_tar(
    write_file: Callable[[bytes], str], name: str
) -> None:
    """A truncated compressed tar is an error."""
    whole = COMPRESSIONS[name](entry(b"a", b"hello" * 99) + entry(b"b") + bytes(1024))
    for cut in range(len(whole)):
        path = write_file(whole[:cut])
        facts = both(partial(layer_facts, path=path))
        # Missing complete frames or padding cannot be detected.
        assert facts[0] == "failed" or "-" in name or not cut


@pytest.mark.clause("CORE-007")
@pytest.mark.parametrize("core", CORES)
def test_every_truncation_of_a_plain_tar(write_file: Callable[[bytes], str], core: Core) -> None:
    """A plain tar may end after the data of a member, and before a header."""
    whole = entry(b"a", b"hello" * 110) + entry(b"b", b"x") + bytes(1024)
    for cut in range(len(whole) + 1):
        found = result_of(partial(layer_facts, core, write_file(whole[:cut])))
        if cut == 0 or 1062 <= cut <= 1536 or 2049 <= cut <= 2560 or cut in (3072, len(whole)):
            assert found[1] == cut
        elif cut < 512:
            assert found == ("failed", "not_tar", 0)
        else:
            assert found == ("failed", "truncated", cut)


@pytest.mark.clause("CORE-005")
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "zstd"])
def test_bombs_end_at_the_limit(write_file: Callable[[bytes], str], core: Core, name: str) -> None:
    """The decompression of a small input with a huge output ends at the limit."""
    zeros = block(b"a", size=b"77777777777\0") + bytes(4 << 20)
    path = write_file(COMPRESSIONS[name](zeros))
    found = result_of(lambda: layer_facts(core, path, {"max_bytes": 1 << 20}))
    assert found == ("failed", "limit_bytes", 1 << 20)
    nested = write_file(COMPRESSIONS[name](COMPRESSIONS["gzip"](zeros)))
    archive = core.Archive(nested, limits=core.Limits(max_bytes=1 << 20))
    _, failure = archive.index()
    assert (failure.code, failure.offset) == ("limit_bytes", 1 << 20)
    assert archive.framing == (name, "gzip")


@pytest.mark.clause("CORE-005")
@pytest.mark.parametrize("core", CORES)
def test_the_ratio_is_limited_from_64_mib_on(
    write_file: Callable[[bytes], str], core: Core
) -> None:
    """Any input may grow to 64 MiB; beyond that the ratio is limited."""
    bomb = write_file(COMPRESSIONS["zstd"](block(b"a", size=b"00500000000\0") + bytes(80 << 20)))
    found = result_of(lambda: layer_facts(core, bomb, {"max_ratio": 3}))
    assert found == ("failed", "limit_ratio", 64 << 20)


@pytest.mark.clause("CORE-012")
@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "zstd", "zstd-streamed"])
@pytest.mark.parametrize("content", [b"", b"\0"])
def test_many_frames_end_at_the_limit(
    write_file: Callable[[bytes], str], name: str, content: bytes
) -> None:
    """Frames that give nothing or little are limited in number, with or without a tar before."""
    cost = {"gzip": 1, "bzip2": 64, "xz": 4}.get(name, 1)
    tar, frame = COMPRESSIONS[name](entry(b"a") + bytes(1024)), COMPRESSIONS[name](content)
    path = write_file(tar + 20 * frame)
    assert both(lambda core: layer_facts(core, path, {"max_frames": 21 * cost}))[-1] == 1
    failure = ("failed", "limit_frames", len(tar) + 19 * len(frame))
    limits = {"max_frames": 21 * cost - 1}
    assert both(lambda core: layer_facts(core, path, limits)) == failure
    assert both(lambda core: archive_facts(core, path, limits))[2] == failure
    alone = write_file(20 * frame)
    failure = ("failed", "limit_frames", 10 * len(frame))
    assert both(lambda core: layer_facts(core, alone, {"max_frames": 10 * cost})) == failure


@pytest.mark.clause("CORE-004")
@pytest.mark.parametrize("before", [[b""], [b"\0" * 4], [b"x" * 700_000, b"y"] * 2])
def test_zstd_may_begin_with_skippable_frames(
    write_file: Callable[[bytes], str], before: list[bytes]
) -> None:
    """pzstd writes one before each frame; a skippable frame alone is not zstd."""
    prefix = b"".join(map(skippable, before))
    tar = entry(b"a", COMPRESSIONS["gzip"](b"hello")) + bytes(1024)
    path = write_file(prefix + COMPRESSIONS["zstd"](tar))
    facts = both(lambda core: layer_facts(core, path))
    assert (facts[2], facts[4], facts[5]) == ("zstd", len(tar), 1)
    for noting in (None, {"sizes": True, "keep": 10}):
        facts = both(partial(archive_facts, path=path, noting=noting))
        assert (facts[0], len(facts[1]), facts[2], facts[4]) == (("zstd",), 1, None, [5])
    for rest in (b"", prefix, COMPRESSIONS["gzip"](tar), tar):
        alone = write_file(prefix + rest)
        assert both(partial(layer_facts, path=alone))[1] in ("not_tar", "corrupt")
    member = entry(b"a", prefix + COMPRESSIONS["zstd"](b"hello")) + bytes(1024)
    inside = write_file(COMPRESSIONS["gzip"](member))
    assert both(lambda core: archive_facts(core, inside, noting={"sizes": True}))[4] == [5]


@pytest.mark.clause("CORE-012")
@pytest.mark.parametrize("core", CORES)
def test_frames_of_members_are_limited_together(
    write_file: Callable[[bytes], str], core: Core
) -> None:
    """An index measures members only as long as their frames together are within the limit."""
    gzip = COMPRESSIONS["gzip"]
    members = b"".join(entry(b"%d" % at, gzip(b"x") * 5) for at in range(9))
    path = write_file(gzip(members + bytes(1024)))
    archive = core.Archive(path, limits=core.Limits(max_frames=12))
    found, _ = archive.index(sizes=True)
    inflated = archive.inflated
    measured = [archive.measure(member.offset, member.size) for member in found[:2]]
    assert (measured, archive.inflated) == ([5, 5], inflated)
    assert archive.measure(found[2].offset, found[2].size) == 5
    assert archive.inflated > inflated


@pytest.mark.parametrize("core", CORES)
def test_members_in_a_damaged_frame_are_not_reported(
    write_file: Callable[[bytes], str], core: Core
) -> None:
    """Members in earlier frames are reported and can be read, later ones cannot."""
    gzip = COMPRESSIONS["gzip"]
    first = gzip(entry(b"a", b"hello"))
    path = write_file(first + gzip(entry(b"b", b"there"))[:-3])
    archive = core.Archive(path)
    members, failure = archive.index()
    assert [member.name for member in members] == [b"a"]
    assert (failure.code, failure.offset) == ("truncated", len(first))
    assert archive.read([(512, 5)]) == [b"hello"]
    with pytest.raises(CoreError) as caught:
        archive.read([(1536, 5)])
    assert (caught.value.code, caught.value.offset) == ("truncated", len(first))


def test_bytes_after_the_end_mark_are_part_of_the_tar(write_file: Callable[[bytes], str]) -> None:
    """They are included in the diff ID and the size."""
    tar = entry(b"a") + bytes(1024)
    plain, longer = write_file(tar), tar + b"tail"
    without = both(lambda core: layer_facts(core, plain))
    path = write_file(COMPRESSIONS["gzip"](longer))
    with_tail = both(lambda core: layer_facts(core, path))
    assert with_tail[3] != without[3]
    assert with_tail[4] == len(longer)


def hashed(core: Core, path: str) -> Any:
    """The digest and size of a file in a core."""
    return core.hash_file(path)


def test_errors_when_opening_a_file(tmp_path: Path) -> None:
    """The errors of both have the path and the reason."""
    for path in (str(tmp_path / "none"), str(tmp_path)):
        both(partial(archive_facts, path=path))
        both(partial(layer_facts, path=path))
        both(partial(hashed, path=path))
    for core in CORES:
        with pytest.raises(CoreError, match="none: No such file or directory"):
            core.Archive(str(tmp_path / "none"))
    both(lambda core: archive_facts(core, str(tmp_path / "none"), formats=["rar"]))
    both(lambda core: core.hash_file(str(tmp_path), "md5"))


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    """A pipe without a writer, a device and a link to one are refused at once."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zeros").symlink_to("/dev/zero")
    for path in (str(tmp_path / "pipe"), str(tmp_path / "zeros"), "/dev/zero"):
        for core in CORES:
            for call in (core.hash_file, core.layer_pass):
                with pytest.raises(CoreError, match="Not a regular file"):
                    call(path)
        both(partial(layer_facts, path=path))
        both(partial(hashed, path=path))


def test_value_classes_are_equal() -> None:
    """Both have the same equality, hash and repr of the frozen values."""
    member = {"name": b"a", "linkname": b"", "type": "0", "size": 1, "offset": 2, "header": 3}
    for core in CORES:
        one, other = core.Member(**member), core.Member(**member)
        assert one == other
        assert hash(one) == hash(other)
        assert core.Limits(max_path=3) != core.Limits(max_path=4)
        assert hash(core.Limits()) == hash(core.Limits())
    assert {repr(core.Limits()) for core in CORES} == {repr(CORES[0].Limits())}
