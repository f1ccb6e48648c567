"""The report of the benchmarks matches the samples: spreads, scales, tables, charts, the page."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks.measuring.run import CommandError, Sample, run, spread
from benchmarks.measuring.turns import Contender, run_in_turn
from benchmarks.report.charts import bars, lines
from benchmarks.report.document import Curve, Document, Part, Point, Row, read, write
from benchmarks.report.page import write_page
from benchmarks.report.scale import linear, logarithmic, short
from benchmarks.report.targets import losses, target_table
from benchmarks.workloads.content import PIECE, append_crc, pack
from benchmarks.workloads.images import sized_image
from benchmarks.workloads.layers import compressed_in_order, file_tar, write_layer
from benchmarks.workloads.stores import fill_store, publish


def sample(wall: float, cpu: float = 1.0) -> Sample:
    return Sample(wall, cpu, 50_000_000, 1_000, 3, 500)


def document() -> Document:
    made = Document("2026-11-23T21:53:00+00:00", "0" * 12, {}, {"skopeo": "1.9.3"}, ["<crane>"])
    made.machine = {
        "processor": "a & b",
        "cores": 2,
        "memory": 1 << 30,
        "system": "s",
        "python": "3",
    }
    made.load, made.seconds = [0.5], {"warm": 61.0}
    samples = {
        "towline": [sample(1.0), sample(3.0), sample(1.5)],
        "skopeo to oci:": [sample(4.5, 0.5)],
        "curl": [sample(1.4)],
    }
    made.rows = [Row("usr", "registry", "real files", samples, {"podman": "it `broke`"}, 5)]
    made.rows.append(Row("second", "second", "second pull", {"towline": [sample(0.2)]}))
    points = [Point(x, {"towline": [sample(x / 10)], "curl": []}) for x in (1.0, 10.0, 100.0)]
    made.curves = [Curve("size", "pulls by size", "MB", points)]
    made.parts = [Part("walk", "native", 1e-3, 1e-3, 9, 10**6), Part("walk", "twin", 4e-3, 4e-3, 9)]
    made.second = {"pull": [0.004], "HEAD": [0.001]}
    made.second |= {"requests a pull": [1.0], "bytes of bodies a pull": [0.0]}
    return made


def test_a_spread_covers_all_samples() -> None:
    """It has the median, lowest and highest of unsorted numbers."""
    found = spread([3.0, 1.0, 2.0])
    assert (found.median, found.low, found.high) == (2.0, 1.0, 3.0)


@pytest.mark.parametrize(("high", "last"), [(0.93, 1.0), (4.05, 5.0), (12.1, 15.0), (0, 1.0)])
def test_a_linear_axis_ends_at_a_round_number(high: float, last: float) -> None:
    """It begins at 0, contains every value, and has ticks at equal steps."""
    scale = linear(high, 100, 200)
    assert scale.ticks[-1] == last
    assert [scale.at(number) for number in (0, last / 2, last)] == [100, 150, 200]


def test_a_logarithmic_axis_marks_round_numbers() -> None:
    """Equal factors have equal lengths; the ends include the numbers; a wide axis marks powers."""
    scale = logarithmic(64, 4096, 0, 100)
    assert list(scale.ticks) == [50, 100, 200, 500, 1000, 2000, 5000]
    assert scale.at(500) == pytest.approx(50)
    assert list(logarithmic(1, 10_000, 0, 1).ticks) == [1, 10, 100, 1000, 10_000]
    assert logarithmic(3, 3, 0, 1).high > 3


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (0.05, "0.05"), (1.5, "1.5"), (20.0, "20"), (12_345, "12,345")]
)
def test_numbers_are_formatted_with_few_digits(number: float, text: str) -> None:
    """Trailing zeros are omitted, and thousands are separated."""
    assert short(number) == text


def test_a_document_is_read_as_it_was_written(tmp_path: Path) -> None:
    """JSON and back; a sample is one line of the file."""
    path = tmp_path / "made/one.json"
    write(document(), path)
    assert read(path) == document()
    assert json.loads(path.read_text())["commit"] == "0" * 12
    assert '{"wall": 1.0, "cpu": 1.0' in path.read_text()


def test_charts_are_svg_for_light_and_dark_pages() -> None:
    """They parse, name every contender, and have colours for light and dark pages."""
    made = document()
    for svg in (bars("a & b", made.rows), lines(made.curves[0])):
        ET.fromstring(svg)
        assert "prefers-color-scheme:dark" in svg
        assert "towline" in svg
    assert "1.50 s, CPU 1.00 s" in bars("x", made.rows)


def test_the_page_has_every_row_and_its_charts(tmp_path: Path) -> None:
    """It has medians with their spread, failures and omissions; each linked chart exists."""
    write_page(document(), "one.json", tmp_path)
    page = (tmp_path / "RESULTS.md").read_text()
    assert "| towline | 3 | 1.50 | 1.00 to 3.00 |" in page
    assert "podman fails: `it 'broke'`" in page
    assert "<crane>" in page
    assert "a difference of 3.00 ms" in page
    pictures = re.findall(r"\]\((results/\S+\.svg)\)", page)
    assert pictures
    assert all((tmp_path / picture).is_file() for picture in pictures)


def test_faster_peers_are_listed() -> None:
    """A peer with less wall time or CPU time than towline has a row, with the ratios."""
    table = "\n".join(losses(document()))
    assert "| real files | skopeo to oci: | 0.33 | 2.00 |" in table
    assert "| real files | curl | 1.07 | 1.00 |" in table
    assert "towline |" not in table


def test_targets_are_compared_with_medians() -> None:
    """The median is three times as fast as skopeo, so the target of 2.5 is reached."""
    table = target_table(document())
    assert "| registry, against skopeo | 2.5 times as fast | 3.00 | yes |" in table
    assert "| second pull, in process | at most 5 ms more than a request | 3.0 ms | yes |" in table


def test_contenders_take_turns(tmp_path: Path) -> None:
    """Each round begins with another contender; one that fails in the rehearsal is omitted."""
    order, log = tmp_path / "order", tmp_path / "log"
    names = ("a", "b")
    taking = [Contender(name, ["sh", "-c", f"printf {name} >> {order}"]) for name in names]
    broken = Contender("c", ["sh", "-c", "echo why; exit 3"])
    runs = run_in_turn([*taking, broken], 2, log, lambda: None)
    assert order.read_text() == "ab" + "ab" + "ba"
    assert [len(samples) for samples in runs.samples.values()] == [2, 2]
    assert "ended with 3: why" in runs.refused["c"]


def test_a_failure_of_towline_ends_the_benchmarks(tmp_path: Path) -> None:
    """It is raised and not omitted like a failure of a peer."""
    ours = Contender("towline", ["false"], ours=True)
    with pytest.raises(CommandError):
        run_in_turn([ours], 1, tmp_path / "log", lambda: None)


def test_a_run_counts_the_children_of_its_command(tmp_path: Path) -> None:
    """CPU time and peak memory include children; `fsync` succeeds without an effect."""
    code = f"import os; f = open({str(tmp_path / 'x')!r}, 'wb'); f.write(bytes(10**6)); os.fsync(f)"
    result = run(["sh", "-c", f'{sys.executable} -I -S -c "{code}"; true'], tmp_path / "log")
    assert (tmp_path / "x").stat().st_size == 10**6
    assert result.cpu > 0
    assert result.peak > 1_000_000


def test_pieces_form_one_gzip_stream(tmp_path: Path) -> None:
    """The CRC of the stream is computed from the CRCs of the pieces."""
    data = [b"a" * PIECE, b"b" * 700, b"c" * PIECE]
    crc = 0
    for each in data:
        crc = append_crc(crc, pack(each))
    layer = write_layer(tmp_path, compressed_in_order(data, 6), "x")
    stored = (tmp_path / layer.digest).read_bytes()
    assert gzip.decompress(stored) == b"".join(data)
    assert crc == int.from_bytes(stored[-8:-4], "little")
    assert hashlib.sha256(stored).hexdigest() == layer.digest
    assert hashlib.sha256(b"".join(data)).hexdigest() == layer.diff_id


def test_real_files_become_a_layer(tmp_path: Path) -> None:
    """The layer contains existing files as regular files; missing ones are omitted."""
    path = tmp_path / "one"
    path.write_bytes(b"x" * 600)
    layer = write_layer(tmp_path, compressed_in_order(file_tar([path, tmp_path / "gone"]), 1), "x")
    with tarfile.open(tmp_path / layer.digest) as tar:
        assert [entry.size for entry in tar] == [600]


def test_an_image_is_created_once(tmp_path: Path) -> None:
    """It has about the requested size; the same seed gives the same digests."""
    made = sized_image(tmp_path / "a", 2, 100_000)
    assert abs(made.size - 200_000) < 20_000
    kept = sized_image(tmp_path / "a", 2, 100_000)
    again = sized_image(tmp_path / "b", 2, 100_000)
    assert kept == made
    assert again.layers == made.layers
    assert all(made.blob(digest).is_file() for digest in made.blobs())


def test_a_filled_store_is_valid(tmp_path: Path) -> None:
    """It lists its images, verifies, and accepts another image, as after real pulls."""
    store = fill_store(tmp_path / "store", 5)
    publish(store, 5)
    assert len(store.images()) == 6
    assert store.verify().clean
    index = json.loads((tmp_path / "store/index.json").read_text())
    assert len(index["manifests"]) == 6


def test_without_a_registry_the_message_names_the_package(tmp_path: Path) -> None:
    """`make bench` exits with one line that says which package to install."""
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--cache", str(tmp_path / "cache")],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert "install docker-registry" in ran.stderr
