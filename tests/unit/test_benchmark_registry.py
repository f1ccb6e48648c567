"""The registry of the benchmarks serves the generated images, also through a shaped link."""

from __future__ import annotations

from pathlib import Path

import towline
from benchmarks.serving.link import Link, shaped
from benchmarks.serving.registry import registry
from benchmarks.workloads.images import first_layers, sized_image


def test_a_linked_image_can_be_pulled(tmp_path: Path) -> None:
    """The registry serves hard links to the image's files; a shaped link only delays them."""
    image = sized_image(tmp_path, 2, 50_000)
    part = first_layers(tmp_path, image, 1)
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    options = towline.Options(policy=policy, tls_verify=False)
    with registry(tmp_path) as server:
        server.offer(image)
        server.offer(part)
        with shaped(Link("near", 0.001, 1e9, 1e9), server.host) as host:
            towline.pull(f"{host}/{image.name}", tmp_path / "store", options=options)
        requests, received = server.new_requests()
        assert requests >= len(image.blobs())
        assert received > image.size
        towline.pull(f"{server.host}/{part.name}", tmp_path / "store", options=options)
        requests, received = server.new_requests()
        assert received < part.size  # its layer is here already
    store = towline.open_store(tmp_path / "store")
    assert store.verify().clean
    digests = {stored.id for stored in store.images()}
    assert digests == {image.config, part.config}
