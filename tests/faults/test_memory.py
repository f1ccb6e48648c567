"""Archives and layers with millions of members need little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.twin_strategies import COMPRESSIONS, block

pytestmark = pytest.mark.clause("CORE-005")

MEMORY = 320 << 20  # bytes of address space; the interpreter with the core needs half of it
MEMBERS = 1_500_000
CHUNK = 10_000  # members in one frame

PROGRAM = """
import json, resource, sys
from towline.core import layer_pass
from towline.errors import TowlineError
from towline.source.archive import ArchiveMembers

resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[3]), int(sys.argv[3])))
try:
    if sys.argv[1] == "layer":
        found = layer_pass(sys.argv[2]).entries
    else:
        found = len(ArchiveMembers(sys.argv[2], ("gzip", "zstd"), sizes=True).members)
except TowlineError as error:
    found = error.code
print(json.dumps(found))
"""


def headers(count: int, name: bytes, prefix: bytes) -> Iterator[bytes]:
    """Headers of empty files with different names."""
    for number in range(count):
        yield block(b"%07d" % number + name, prefix=prefix)


def found_in(kind: str, path: Path) -> object:
    """What a process with little memory finds: the number of members, or the code of an error."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, kind, str(path), str(MEMORY)],
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tar of some megabytes with names of 370 megabytes."""
    chunk = COMPRESSIONS["zstd"](b"".join(headers(CHUNK, b"n" * 90, b"p" * 155)))
    path = tmp_path_factory.mktemp("many") / "many.tar.zst"
    path.write_bytes(chunk * (MEMBERS // CHUNK) + COMPRESSIONS["zstd"](bytes(1024)))
    return path


def test_a_layer_counts_its_members(many: Path) -> None:
    """A pass over a layer keeps no names."""
    assert found_in("layer", many) == MEMBERS


def test_an_archive_with_too_many_names_is_refused(many: Path) -> None:
    """The error has a code, and comes before the memory is used up."""
    assert found_in("archive", many) == "limit.archive"


def test_the_largest_archives_that_are_read(tmp_path: Path) -> None:
    """Archives below the limit fit into the same memory, with short names and with long ones."""
    path = tmp_path / "archive.tar"
    path.write_bytes(b"".join(headers(120_000, b"", b"")) + bytes(1024))
    assert found_in("archive", path) == 120_000
    path.write_bytes(b"".join(headers(64_000, b"n" * 90, b"p" * 155)) + bytes(1024))
    assert found_in("archive", path) == 64_000
