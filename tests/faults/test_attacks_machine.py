"""A machine without enough threads or memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.archives import tar
from towline.core import BlobWriter, CoreError, Limits, hash_file, layer_pass

WITHOUT_THREADS = """
import os, resource, sys
from towline.core import BlobWriter, layer_pass

with open("/proc/self/statm") as file:
    now = int(file.read().split()[0]) * resource.getpagesize()
most = now + 3 * (1 << 19)  # too little memory for the stack of a thread
resource.setrlimit(resource.RLIMIT_AS, (most, most))
facts = layer_pass(sys.argv[1])
writer = BlobWriter(sys.argv[1] + ".copy")
source = os.open(sys.argv[1], os.O_RDONLY)
writer.write(os.pread(source, 100_000, 0))
writer.copy_range(source, 100_000, facts.size - 100_000)
print(facts, writer.finish())
"""

FORKING = """
import os, sys, threading
from towline.core import BlobWriter

def write(path):
    writer = BlobWriter(path)
    for _ in range(100):
        writer.write(bytes(10_000))
    return writer.finish()

def busy(path):
    while not over.is_set():
        write(path)

over = threading.Event()
threads = [threading.Thread(target=busy, args=[f"{sys.argv[1]}/{n}"]) for n in range(3)]
for thread in threads:
    thread.start()
wanted = write(f"{sys.argv[1]}/parent")
for number in range(50):
    child = os.fork()
    if not child:
        os._exit(write(f"{sys.argv[1]}/child") != wanted)
    assert os.waitpid(child, 0)[1] == 0
over.set()
"""


@pytest.mark.clause("CORE-011")
def test_the_core_works_without_new_threads(tmp_path: Path) -> None:
    """If no thread can be started, the calling thread does all the work."""
    path = str(tmp_path / "layer")
    (tmp_path / "layer").write_bytes(tar([("a", bytes(3 << 20))]))
    command = [sys.executable, "-c", WITHOUT_THREADS, path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout == f"{layer_pass(path)} {hash_file(path)}\n"


@pytest.mark.clause("CORE-011")
def test_a_fork_of_a_busy_process(tmp_path: Path) -> None:
    """The child does not wait for locks that other threads held during the fork."""
    command = [sys.executable, "-W", "ignore", "-c", FORKING, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")


def test_following_ends_when_the_download_ends(tmp_path: Path) -> None:
    """The follower stops, also with data left to decompress."""
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
