"""A machine that has not enough of something."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.source.archives import tar
from towline.core import BlobWriter, CoreError, Limits, layer_pass

WITHOUT_THREADS = """
import resource, sys
from towline.core import layer_pass

with open("/proc/self/statm") as file:
    now = int(file.read().split()[0]) * resource.getpagesize()
most = now + 3 * (1 << 19)  # there is no room for the stack of a thread
resource.setrlimit(resource.RLIMIT_AS, (most, most))
print(layer_pass(sys.argv[1]))
"""


def test_a_layer_is_read_without_a_thread(tmp_path: Path) -> None:
    """Where no thread can be begun, the one that is there does all the work."""
    path = str(tmp_path / "layer")
    (tmp_path / "layer").write_bytes(tar([("a", bytes(3 << 20))]))
    command = [sys.executable, "-c", WITHOUT_THREADS, path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout == f"{layer_pass(path)}\n"


def test_a_layer_that_will_not_come_is_not_read(tmp_path: Path) -> None:
    """Who follows a fetch that broke off lets go, however much there is to decompress."""
    data = tar([("a", bytes(400_000))])
    writer = BlobWriter(str(tmp_path / "blob"))
    writer.write(data)
    writer.end_following()
    few = Limits(max_bytes=10_000)
    with pytest.raises(CoreError) as caught:
        writer.follow(len(data) + 1, limits=few)
    assert caught.value.code == "cancelled"
    with pytest.raises(CoreError) as caught:
        writer.follow(len(data), limits=few)
    assert caught.value.code == "limit_bytes"
    writer.abort()
