"""The second pull of an image that the store already has."""

from __future__ import annotations

import http.client
import time
from pathlib import Path
from statistics import median

import towline
from benchmarks.measuring.run import CommandError, run
from benchmarks.measuring.workspace import remove
from benchmarks.peers.pulls import contenders
from benchmarks.sections.bench import Bench
from benchmarks.workloads.images import MIB, Image, sized_image

__all__ = ["second_pull"]

_CALLS = 200
_ACCEPT = "application/vnd.oci.image.manifest.v1+json"


def second_pull(bench: Bench) -> None:
    """Measure it by command line with the peers, and in one process with bare requests."""
    image = sized_image(bench.cache, 1, bench.scaled(64 * MIB))
    bench.registry.offer(image)
    folder = bench.workspace.folder / "stores"
    prepared = []
    # Each contender has its own store, with the image in it.
    stores = {"towline": "towline", "skopeo to oci:": "skopeo", "podman": "podman"}
    for name, store in stores.items():
        target = folder / store
        for peer in contenders((name,), bench.registry.host, image, bench.workspace, target):
            try:
                run(peer.command, bench.workspace.log, flushes=bench.real_flushes)
            except CommandError as failed:
                if peer.ours:
                    raise
                bench.omit(f"second pull by {name} ({str(failed).splitlines()[-1]})")
                continue
            prepared.append(peer)
    bench.row(
        "second",
        "second",
        "second pull by command line",
        prepared,
        before=lambda: None,
        counter=bench.registry,
    )
    for store in stores.values():
        remove(folder / store)
    bench.workspace.clean()
    _in_process(bench, image, folder / "process")


def _in_process(bench: Bench, image: Image, root: Path) -> None:
    host = bench.registry.host
    options = towline.Options(policy=bench.workspace.policy, tls_verify=False)
    name = f"{host}/{image.name}"
    towline.pull(name, root, options=options)
    bench.registry.new_requests()
    pulls, heads = [], []
    for _ in range(_CALLS):
        begun = time.perf_counter()
        towline.pull(name, root, options=options)
        pulled = time.perf_counter()
        _head(host, image)
        heads.append(time.perf_counter() - pulled)
        pulls.append(pulled - begun)
    requests, received = bench.registry.new_requests()
    bench.document.second = {
        "pull": [round(each, 6) for each in pulls],
        "HEAD": [round(each, 6) for each in heads],
        # The bare requests are subtracted.
        "requests a pull": [(requests - _CALLS) / _CALLS],
        "bytes of bodies a pull": [received / _CALLS],
    }
    pull, head = (median(each) * 1000 for each in (pulls, heads))
    bench.say(f"second pull in one process: {pull:.2f} ms, bare HEAD {head:.2f} ms")


def _head(host: str, image: Image) -> None:
    """Send a HEAD request for the manifest on a new connection: the minimum for a second pull."""
    connection = http.client.HTTPConnection(host)
    connection.request("HEAD", f"/v2/{image.name}/manifests/latest", headers={"Accept": _ACCEPT})
    connection.getresponse().read()
    connection.close()
