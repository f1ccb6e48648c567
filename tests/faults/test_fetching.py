"""The requests of pulls at a real registry: each blob is fetched once, and no stored blob."""

from __future__ import annotations

import hashlib
import io
import json
import signal
import subprocess
import tarfile
import time
import urllib.request
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.registry import NewRegistry, RegistryServer
from tests.support.towline_cli import CommandLine
from towline import Options, Runtime, open_store
from towline.core import BlobWriter
from towline.source.mirrored import MirroredSource

_TYPES = "application/vnd.oci.image"


def blob(seed: int, size: int) -> bytes:
    """A layer with one file of this size."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as tar:
        entry = tarfile.TarInfo("file")
        entry.size = size
        tar.addfile(entry, io.BytesIO(hashlib.shake_128(str(seed).encode()).digest(size)))
    return output.getvalue()


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def put(server: RegistryServer, layers: Sequence[bytes]) -> str:
    """Upload a new image of these layers; returns its name."""

    def send(method: str, url: str, data: bytes = b"", kind: str = "") -> str:
        headers = {"Content-Type": kind or "application/octet-stream"}
        request = urllib.request.Request(url, data, headers, method=method)
        with urllib.request.urlopen(request) as response:
            return str(response.headers.get("Location", ""))

    def upload(data: bytes, kind: str) -> dict[str, object]:
        location = send("POST", f"{server.url}/v2/image/blobs/uploads/")
        send("PUT", f"{location}&digest={digest_of(data)}", data)
        return {"mediaType": f"{_TYPES}.{kind}", "digest": digest_of(data), "size": len(data)}

    rootfs = {"type": "layers", "diff_ids": [digest_of(data) for data in layers]}
    config = {"architecture": "amd64", "os": "linux", "rootfs": rootfs}
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_TYPES}.manifest.v1+json",
        "config": upload(json.dumps(config).encode(), "config.v1+json"),
        "layers": [upload(data, "layer.v1.tar") for data in layers],
    }
    document = json.dumps(manifest).encode()
    kind = f"{_TYPES}.manifest.v1+json"
    send("PUT", f"{server.url}/v2/image/manifests/latest", document, kind)
    return server.name("image")


def fetched(server: RegistryServer, layers: Sequence[bytes]) -> Counter[str]:
    """How many bytes of each layer the registry sent."""
    sent: Counter[str] = Counter()
    for request in server.requests():
        name = request.target.rpartition("/")[2]
        if request.method == "GET" and name in map(digest_of, layers):
            sent[name] += request.size
    return sent


@pytest.mark.parametrize("slots", [1, 2, 6])
def test_a_hundred_layers(
    new_registry: NewRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slots: int
) -> None:
    """More layers than slots do not block each other; each is fetched once."""
    server = new_registry()
    layers = [blob(number, 2_000) for number in range(100)]
    name = put(server, layers)
    monkeypatch.setattr(MirroredSource, "parallel", slots)
    line = CommandLine.below(tmp_path)
    options = Options(policy=line.policy, tls_verify=False)
    Runtime(open_store(line.root), options).pull(name)
    assert fetched(server, layers) == Counter({digest_of(data): len(data) for data in layers})
    assert line("verify").status == 0


def test_a_killed_pull_is_resumed(new_registry: NewRegistry, tmp_path: Path) -> None:
    """After it is killed with 70 % on the disk, at most 35 % is fetched."""
    server = new_registry()
    size = 200 << 20
    layers = [blob(1, size)]
    name = put(server, layers)
    line = CommandLine.below(tmp_path)
    arguments = line.arguments("pull", "--quiet", "--tls-verify=false", name)
    store = line.root
    with subprocess.Popen(arguments, env=line.environment, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            sizes = [path.stat().st_size for path in store.rglob(digest_of(layers[0])[7:])]
            if sizes and max(sizes) >= 0.7 * size:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.001)
    assert line("pull", "--quiet", "--tls-verify=false", name).status == 0
    again = sum(request.size for request in server.requests() if request.status == 206)
    assert again <= 0.35 * len(layers[0])
    assert line("verify").status == 0


def test_eight_processes_fetch_each_blob_once(new_registry: NewRegistry, tmp_path: Path) -> None:
    """Other processes wait for a blob, and take it from the store."""
    server = new_registry()
    layers = [blob(number, 3 << 20) for number in range(5)]
    name = put(server, layers)
    line = CommandLine.below(tmp_path)
    arguments = line.arguments("pull", "--quiet", "--tls-verify=false", name)
    processes = [subprocess.Popen(arguments, env=line.environment) for _ in range(8)]
    assert [process.wait() for process in processes] == [0] * 8
    assert fetched(server, layers) == Counter({digest_of(data): len(data) for data in layers})
    assert line("verify").status == 0


def test_a_source_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    """The digest is that of the written bytes."""
    source, copy = tmp_path / "source", tmp_path / "copy"
    for _ in range(20):
        source.write_bytes(blob(1, 8 << 20))
        changing = subprocess.Popen(
            ["dd", "if=/dev/urandom", f"of={source}", "bs=64K", "count=128", "conv=notrunc"],
            stderr=subprocess.DEVNULL,
        )
        writer = BlobWriter(str(copy))
        with source.open("rb") as file:
            writer.copy_range(file.fileno(), 0, 8 << 20)
        assert writer.finish()[0] == digest_of(copy.read_bytes())
        changing.wait()
