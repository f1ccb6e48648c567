"""Sizes that a manifest or an index lists wrongly: the digest decides (REG-027)."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.archives import config, descriptor, layer, layout, sha256_hex, write_files
from tests.support.pushing import Puller
from tests.support.scripted_server import Connection, Request, scripted
from towline.errors import TowlineError
from towline.image.manifest import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST

LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
PLATFORM = {"os": "linux", "architecture": "amd64"}
ABSENT = "absent"
sizes = st.one_of(
    st.none(),  # the true size
    st.just(ABSENT),
    st.integers(-3, 10),
    st.integers(1000, 1 << 20),
    st.sampled_from([1 << 40, 1 << 62, (1 << 63) - 1, 1 << 63, -(1 << 63), 1 << 200]),
)


class Image:
    """An image whose documents list these sizes: of two layers, the config, and the manifest."""

    def __init__(self, listed: list[Any]) -> None:
        contents = [layer("a"), layer("b" * 40)]
        document = config(contents, created="2026-01-01T00:00:00Z")
        first, second, in_manifest, in_index = listed
        self.manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": sized(descriptor(OCI_CONFIG, document), in_manifest),
                "layers": [
                    sized(descriptor(LAYER_TYPE, data), size)
                    for data, size in zip(contents, (first, second), strict=True)
                ],
            }
        ).encode()
        entry = descriptor(OCI_MANIFEST, self.manifest, platform=PLATFORM)
        self.entry = sized(entry, in_index)
        self.blobs = {f"sha256:{sha256_hex(data)}": data for data in (*contents, document)}
        self.blobs[f"sha256:{sha256_hex(self.manifest)}"] = self.manifest
        # The sizes in the manifest: those without a number are read as absent.
        checked = zip(listed, (*contents, document, self.manifest), strict=True)
        self.wrong = sum(
            isinstance(size, int) and size not in (-1, len(data)) for size, data in checked
        )


def sized(listed: dict[str, Any], size: Any) -> dict[str, Any]:
    if size == ABSENT:
        return {key: value for key, value in listed.items() if key != "size"}
    return listed if size is None else {**listed, "size": size}


def in_layout(image: Image, folder: Path) -> str:
    files = {f"blobs/{name.replace(':', '/')}": data for name, data in image.blobs.items()}
    return f"oci:{write_files(folder, layout([image.entry], files))}"


@contextmanager
def in_registry(image: Image, *, stated: bool) -> Iterator[str]:
    """A registry with the image in an index; without stated lengths its bodies are chunked."""
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [image.entry]}

    def give(request: Request, connection: Connection) -> None:
        wanted = request.path.rpartition("/")[2]
        kind = OCI_INDEX if wanted == "1" else OCI_MANIFEST
        data = json.dumps(index).encode() if wanted == "1" else image.blobs.get(wanted, b"")
        if stated or request.method == "HEAD":
            connection.reply(200, data, Content_Type=kind)
        else:
            connection.head(200, Transfer_Encoding="chunked", Content_Type=kind)
            connection.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data))

    with scripted(give) as server:
        yield f"{server.host}/sizes/image:1"


def check(puller: Puller, name: str, image: Image) -> None:
    """The image is stored whole, and again without a fetch; each wrong size is a warning."""
    runtime = puller.runtime(tls_verify=False)
    result = runtime.pull(name)
    codes = [warning.code for warning in result.warnings]
    assert codes == ["verify.other_size"] * image.wrong
    store = puller.store
    assert store.verify().clean
    (stored,) = store.images()
    assert stored.manifest.data == image.manifest
    index = json.loads(Path(store.root, "index.json").read_bytes())
    assert [entry["size"] for entry in index["manifests"]] == [len(image.manifest)]
    seen: list[str] = []
    again = runtime.pull(name, on_progress=lambda blob: seen.append(blob.state))
    assert set(seen) == {"present"}
    assert again.image.id == stored.id
    assert store.gc().blobs == 0
    assert store.verify().clean


@pytest.mark.clause("REG-027", "MANIFEST-012")
@given(st.lists(sizes, min_size=4, max_size=4))
def test_wrong_sizes_in_a_layout(listed: list[Any]) -> None:
    """With the right digests the image is stored, whatever sizes are listed."""
    image = Image(listed)
    with tempfile.TemporaryDirectory() as folder:
        check(Puller(Path(folder)), in_layout(image, Path(folder, "layout")), image)


@pytest.mark.clause("REG-027", "MANIFEST-012")
@given(st.lists(sizes, min_size=4, max_size=4), st.booleans())
def test_wrong_sizes_in_a_registry(listed: list[Any], stated: bool) -> None:
    """With the right digests the image is stored, whatever sizes are listed."""
    image = Image(listed)
    with tempfile.TemporaryDirectory() as folder, in_registry(image, stated=stated) as name:
        check(Puller(Path(folder)), name, image)


@pytest.mark.clause("REG-027")
@given(st.lists(sizes, min_size=4, max_size=4), st.integers(0, 3), st.booleans())
def test_no_size_makes_wrong_bytes_right(listed: list[Any], broken: int, longer: bool) -> None:
    """With a wrong digest nothing is stored."""
    image = Image(listed)
    name = list(image.blobs)[broken]
    image.blobs[name] = image.blobs[name] + b"x" if longer else image.blobs[name][:-1]
    with tempfile.TemporaryDirectory() as folder:
        puller = Puller(Path(folder))
        with pytest.raises(TowlineError) as caught:
            puller.runtime().pull(in_layout(image, Path(folder, "layout")))
        # The folder's random name may be no image name: then the goal reads the manifest already.
        (error,) = caught.value.errors or (caught.value,)
        assert error.code in ("verify.digest", "verify.config", "verify.manifest")
        assert not puller.store.images()
        store = puller.store
        assert all(store.document(parsed(name), 1 << 20) is None for name in [name])


def parsed(text: str) -> Any:
    from towline.name.digest import parse_digest

    return parse_digest(text)
