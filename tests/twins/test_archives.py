"""Both cores judge every tar, framing and damage alike."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.twin_actions import (
    CORES,
    Core,
    archive_facts,
    both,
    judged,
    layer_facts,
    native,
)
from tests.support.twin_strategies import (
    COMPRESSIONS,
    block,
    compressed,
    compressions,
    damaged,
    entry,
    tars,
)
from towline.core.failure import CoreError
from towline.core.twin.frames import FORMATS, detect

limits = st.dictionaries(
    st.sampled_from(["max_bytes", "max_entries", "max_path", "max_ratio"]),
    st.one_of(st.integers(0, 20), st.integers(0, 5000)),
)
# Damage has many places to be in, and an example takes a few milliseconds.
one_file = settings(
    max_examples=min(10 * settings().max_examples, 5_000),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def place(tmp_path: Path) -> Callable[[bytes], str]:
    """Puts bytes into a file."""

    def put(data: bytes) -> str:
        path = tmp_path / "subject"
        path.write_bytes(data)
        return str(path)

    return put


@pytest.mark.clause("CORE-001", "CORE-004")
@one_file
@given(data=compressed(), rounds=st.integers(0, 3))
def test_archives(place: Callable[[bytes], str], data: bytes, rounds: int) -> None:
    """Framing, members, damage, bytes and measures are the same."""
    path = place(data)
    both(lambda core: archive_facts(core, path, rounds=rounds))


@pytest.mark.clause("CORE-001", "CORE-009")
@one_file
@given(
    data=st.one_of(compressed(2), damaged(compressed(2))),
    keep=st.one_of(st.integers(0, 50), st.integers(0, 5000)),
    sizes=st.booleans(),
)
def test_what_an_index_notes(
    place: Callable[[bytes], str], data: bytes, keep: int, sizes: bool
) -> None:
    """Both keep the same members, so that both inflate the same; what is noted is what is there."""
    path = place(data)
    noting = {"keep": keep, "sizes": sizes}
    noted = both(lambda core: archive_facts(core, path, noting=noting))
    without = judged(lambda: archive_facts(native, path))
    assert noted[:-1] == without[:-1]


@pytest.mark.clause("CORE-001", "CORE-006")
@one_file
@given(data=damaged(compressed(2)))
def test_damaged_archives(place: Callable[[bytes], str], data: bytes) -> None:
    """So they are for what is cut, changed, or followed by junk: code and offset too."""
    path = place(data)
    both(lambda core: archive_facts(core, path))


@pytest.mark.clause("CORE-001")
@one_file
@given(data=st.one_of(compressed(2), damaged(compressed(1)), st.binary(max_size=2000)))
def test_layers(place: Callable[[bytes], str], data: bytes) -> None:
    """The layer pass says the same of everything."""
    path = place(data)
    both(lambda core: layer_facts(core, path))


@pytest.mark.clause("CORE-001", "CORE-005")
@one_file
@given(data=st.one_of(compressed(2), damaged(compressed(1))), budget=limits)
def test_budgets(place: Callable[[bytes], str], data: bytes, budget: dict[str, int]) -> None:
    """Budgets end both at the same place."""
    path = place(data)
    both(lambda core: archive_facts(core, path, budget))
    both(lambda core: layer_facts(core, path, budget))


@pytest.mark.clause("CORE-001")
@one_file
@given(
    tar=tars(),
    way=compressions(),
    wanted=st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 3000)), max_size=6),
    indexed=st.booleans(),
)
def test_ranges(
    place: Callable[[bytes], str],
    tar: bytes,
    way: Callable[[bytes], bytes],
    wanted: list[tuple[int, int]],
    indexed: bool,
) -> None:
    """Ranges in any order, overlapping, beyond the end, one call after another."""
    path = place(way(tar))

    def ask(core: Core) -> Any:
        archive = core.Archive(path)
        if indexed:
            archive.index()
        together = judged(lambda: archive.read(wanted))
        single = [judged(partial(archive.read, [one])) for one in wanted]
        measured = [judged(partial(archive.measure, *one)) for one in wanted]
        return together, single, measured

    answer = both(ask)
    if detect(tar, FORMATS) is not None:  # the tar passes for a further compression
        return
    if all(offset + size <= len(tar) for offset, size in wanted):
        assert answer[0] == [tar[offset : offset + size] for offset, size in wanted]


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
def test_well_formed_tars_as_tarfile_reads_them(
    place: Callable[[bytes], str], files: list[tuple[str, bytes, bytes]], form: int
) -> None:
    """What the standard library writes is found where it says it is."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=form) as tar:
        for name, data, kind in files:
            info = tarfile.TarInfo(f"./{name}")
            info.type = kind
            info.size = len(data) if kind == tarfile.REGTYPE else 0
            info.linkname = f"{name}/to" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            tar.addfile(info, io.BytesIO(data))
    path = place(written.getvalue())
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
def test_every_truncation(place: Callable[[bytes], str], name: str) -> None:
    """A compressed tar may end nowhere but at its end."""
    whole = COMPRESSIONS[name](entry(b"a", b"hello" * 99) + entry(b"b") + bytes(1024))
    for cut in range(len(whole)):
        path = place(whole[:cut])
        facts = both(partial(layer_facts, path=path))
        # Whole frames, and padding of them, are not missed.
        assert facts[0] == "failed" or "-" in name or not cut


@pytest.mark.clause("CORE-007")
@pytest.mark.parametrize("core", CORES)
def test_every_truncation_of_a_plain_tar(place: Callable[[bytes], str], core: Core) -> None:
    """A plain tar may end where a member's data ends, and where a header may begin."""
    whole = entry(b"a", b"hello" * 110) + entry(b"b", b"x") + bytes(1024)
    for cut in range(len(whole) + 1):
        found = judged(partial(layer_facts, core, place(whole[:cut])))
        if cut == 0 or 1062 <= cut <= 1536 or 2049 <= cut <= 2560 or cut in (3072, len(whole)):
            assert found[1] == cut
        elif cut < 512:
            assert found == ("failed", "not_tar", 0)
        else:
            assert found == ("failed", "truncated", cut)


@pytest.mark.clause("CORE-005")
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "zstd"])
def test_bombs_stop_within_the_budget(place: Callable[[bytes], str], core: Core, name: str) -> None:
    """A small input that grows without end is left at the budget."""
    zeros = block(b"a", size=b"77777777777\0") + bytes(4 << 20)
    path = place(COMPRESSIONS[name](zeros))
    found = judged(lambda: layer_facts(core, path, {"max_bytes": 1 << 20}))
    assert found == ("failed", "limit_bytes", 1 << 20)
    nested = place(COMPRESSIONS[name](COMPRESSIONS["gzip"](zeros)))
    archive = core.Archive(nested, limits=core.Limits(max_bytes=1 << 20))
    _, failure = archive.index()
    assert (failure.code, failure.offset) == ("limit_bytes", 1 << 20)
    assert archive.framing == (name, "gzip")


@pytest.mark.clause("CORE-005")
@pytest.mark.parametrize("core", CORES)
def test_ratio_counts_after_a_while(place: Callable[[bytes], str], core: Core) -> None:
    """64 MiB may come of anything; after that the ratio counts."""
    bomb = place(COMPRESSIONS["zstd"](block(b"a", size=b"00500000000\0") + bytes(80 << 20)))
    found = judged(lambda: layer_facts(core, bomb, {"max_ratio": 3}))
    assert found == ("failed", "limit_ratio", 64 << 20)


@pytest.mark.parametrize("core", CORES)
def test_a_damaged_frame_vouches_for_nothing(place: Callable[[bytes], str], core: Core) -> None:
    """Members of earlier frames are reported and can be read, later ones cannot."""
    gzip = COMPRESSIONS["gzip"]
    first = gzip(entry(b"a", b"hello"))
    path = place(first + gzip(entry(b"b", b"there"))[:-3])
    archive = core.Archive(path)
    members, failure = archive.index()
    assert [member.name for member in members] == [b"a"]
    assert (failure.code, failure.offset) == ("truncated", len(first))
    assert archive.read([(512, 5)]) == [b"hello"]
    with pytest.raises(CoreError) as caught:
        archive.read([(1536, 5)])
    assert (caught.value.code, caught.value.offset) == ("truncated", len(first))


def test_a_tail_behind_the_end_mark_is_part_of_the_tar(place: Callable[[bytes], str]) -> None:
    """It counts for diff ID and size."""
    tar = entry(b"a") + bytes(1024)
    plain, longer = place(tar), tar + b"tail"
    without = both(lambda core: layer_facts(core, plain))
    path = place(COMPRESSIONS["gzip"](longer))
    with_tail = both(lambda core: layer_facts(core, path))
    assert with_tail[3] != without[3]
    assert with_tail[4] == len(longer)


def hashed(core: Core, path: str) -> Any:
    """What a core says of a whole file."""
    return core.hash_file(path)


def test_errors_of_opening(tmp_path: Path) -> None:
    """Both say which file, and why."""
    for path in (str(tmp_path / "none"), str(tmp_path)):
        both(partial(archive_facts, path=path))
        both(partial(layer_facts, path=path))
        both(partial(hashed, path=path))
    for core in CORES:
        with pytest.raises(CoreError, match="none: No such file or directory"):
            core.Archive(str(tmp_path / "none"))
    both(lambda core: archive_facts(core, str(tmp_path / "none"), formats=["rar"]))
    both(lambda core: core.hash_file(str(tmp_path), "md5"))


def test_values_look_alike() -> None:
    """Equality, hash and text of the frozen values."""
    member = {"name": b"a", "linkname": b"", "type": "0", "size": 1, "offset": 2, "header": 3}
    for core in CORES:
        one, other = core.Member(**member), core.Member(**member)
        assert one == other
        assert hash(one) == hash(other)
        assert core.Limits(max_path=3) != core.Limits(max_path=4)
        assert hash(core.Limits()) == hash(core.Limits())
    assert {repr(core.Limits()) for core in CORES} == {repr(CORES[0].Limits())}
