"""Malicious archives, layouts and folders: they are pull_error soon, and nothing is stored."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import struct
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import towline
from towline.config.locations import Locations
from towline.core import Archive, CoreError, layer_pass
from towline.errors import TowlineError
from towline.store.layout.store import LayoutStore, open_store

ESCAPES = "\x1b[2J\x1b]0;owned\x07\u009b31m\u202egnp\r\ntowline: all is well"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = b'{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}'
DEEP = b"[" * 10_000 + b"]" * 10_000


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    return open_store(tmp_path / "store")


def options(folder: Path, **others: Any) -> towline.Options:
    """Options that use no configuration of this machine."""
    locations = Locations(
        environ={}, etc=str(folder / "etc"), run=str(folder), var=str(folder), uid=1
    )
    return towline.Options(locations=locations, **others)


def pull_error(store: LayoutStore, location: str, **others: Any) -> TowlineError:
    """The error of a pull that must fail, with a message of one line and an empty store."""
    with pytest.raises(TowlineError) as caught:
        towline.Runtime(store, options(Path(store.root).parent, **others)).pull(location)
    text = str(caught.value)
    assert text.isprintable(), ascii(text)
    assert len(text) < 5000
    assert not store.images()
    error: TowlineError = caught.value.facts.get("errors", [caught.value])[0]
    return error


def archive(path: Path, *members: tuple[str, bytes]) -> str:
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return f"docker-archive:{path}"


def docker_archive(path: Path, items: object, *members: tuple[str, bytes]) -> str:
    """A docker-archive with this manifest.json."""
    data = items if isinstance(items, bytes) else json.dumps(items).encode()
    return archive(path, ("manifest.json", data), *members)


def config(diff_ids: Sequence[str]) -> bytes:
    return json.dumps({"os": "linux", "rootfs": {"diff_ids": diff_ids}}).encode()


def blob(folder: Path, data: bytes) -> dict[str, Any]:
    """Add a blob to a layout; returns its descriptor."""
    digest = hashlib.sha256(data).hexdigest()
    (folder / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
    (folder / "blobs" / "sha256" / digest).write_bytes(data)
    return {"digest": f"sha256:{digest}", "size": len(data)}


def layout(folder: Path, layers: Sequence[object] = (), settings: bytes = CONFIG) -> str:
    document = {"schemaVersion": 2, "config": blob(folder, settings), "layers": layers}
    return layout_of(folder, json.dumps(document).encode(), MANIFEST)


def layout_of(folder: Path, document: bytes, media_type: str) -> str:
    """A layout with this manifest."""
    entry = blob(folder, document) | {"mediaType": media_type}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    return f"oci:{folder}"


# --- docker-archive ------------------------------------------------------------------------------


def test_a_manifest_with_100_000_layers(store: LayoutStore, tmp_path: Path) -> None:
    """The time is linear in the number of layers."""
    many = range(100_000)
    items = [{"Config": "c", "RepoTags": ["x:1"], "Layers": [f"l{i}" for i in many]}]
    location = docker_archive(tmp_path / "x.tar", items, ("c", config([f"d{i}" for i in many])))
    assert pull_error(store, location).code == "archive.layers_missing"
    items = [{"Config": "c", "Layers": [""] * 100_001}]
    location = docker_archive(tmp_path / "y.tar", items, ("c", config([""] * 100_001)))
    assert pull_error(store, location).code == "limit.archive"


def test_a_manifest_with_too_many_images_or_names(store: LayoutStore, tmp_path: Path) -> None:
    """It is refused before the first image is read."""
    images = docker_archive(tmp_path / "images.tar", [{"Config": "c"}] * 100_000, ("c", CONFIG))
    assert pull_error(store, images).code == "limit.archive"
    tags = [{"Config": "c", "RepoTags": [f"x:{i}" for i in range(100_000)]}]
    assert (
        pull_error(store, docker_archive(tmp_path / "tags.tar", tags, ("c", CONFIG))).code
        == "limit.archive"
    )


def test_the_manifest_of_many_images_is_read_once(tmp_path: Path) -> None:
    """manifest.json is not parsed again for each image."""
    items = [{"Config": "c", "RepoTags": [f"x:{i}"], "Layers": []} for i in range(3000)]
    location = docker_archive(tmp_path / "x.tar", items, ("c", config([])))
    goal = towline.resolve(location, root=tmp_path / "store", options=options(tmp_path))
    assert len(goal.pairs) == 3000
    unnamed = docker_archive(tmp_path / "y.tar", [{"Config": "c"}] * 1000, ("c", config([])))
    goal = towline.resolve(unnamed, root=tmp_path / "store", options=options(tmp_path))
    assert len(goal.pairs) == 1000


def test_a_member_name_of_a_million_folders(store: LayoutStore, tmp_path: Path) -> None:
    """Such a path is not resolved folder by folder."""
    name = "a/" * 500_000
    items = [{"Config": "c", "RepoTags": ["x:1"], "Layers": [name]}]
    pull_error(store, docker_archive(tmp_path / "x.tar", items, ("c", config(["d"]))))
    pull_error(store, docker_archive(tmp_path / "y.tar", [{"Config": name}]))


def test_links_that_grow(store: LayoutStore, tmp_path: Path) -> None:
    """Links that lead to themselves below ever longer paths are an error, like a loop."""
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, link in (
            ("a", "a/" + "b/" * 2000 + "c"),
            ("x", "y"),
            ("y", "x"),
            ("up", "../" * 999),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, link
            tar.addfile(info)
        items = json.dumps(
            [{"Config": n} for n in ("a", "x", "up", "../../../etc/passwd")]
        ).encode()
        info = tarfile.TarInfo("manifest.json")
        info.size = len(items)
        tar.addfile(info, io.BytesIO(items))
    pull_error(store, f"docker-archive:{path}")


@pytest.mark.parametrize("link", ["/etc/passwd", "../../../../../../etc/passwd", "/proc/self/fd/0"])
def test_links_out_of_the_archive(store: LayoutStore, tmp_path: Path, link: str) -> None:
    """Targets are only searched in the archive."""
    path = tmp_path / "x.tar"
    docker_archive(path, [{"Config": "c", "RepoTags": ["x:1"], "Layers": []}])
    with tarfile.open(path, "a") as tar:
        info = tarfile.TarInfo("c")
        info.type, info.linkname = tarfile.SYMTYPE, link
        tar.addfile(info)
    assert pull_error(store, f"docker-archive:{path}").code == "archive.no_member"


@pytest.mark.parametrize(
    "manifest",
    [
        DEEP,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b"[" + b"9" * 5000 + b"]",
        b'[{"Config":' + DEEP + b"}]",
        b'[{"Config":"\\ud800","RepoTags":["\\udfff"]}]',
        b'[{"Config":"../../etc/passwd"}]',
        json.dumps([{"Config": ESCAPES, "RepoTags": [ESCAPES], "Layers": [ESCAPES]}]).encode(),
        json.dumps([{"Config": ESCAPES}]).encode(),
        json.dumps([{"Config": "c", "RepoTags": ["x:1"], "Layers": [ESCAPES]}]).encode(),
        json.dumps([{"Config": "big" + ESCAPES}]).encode(),
        b"\xff\xfe[\0]\0",
    ],
    ids=[
        "lists",
        "objects",
        "digits",
        "config",
        "surrogates",
        "escape",
        "all",
        "name",
        "layer",
        "big",
        "utf-16",
    ],
)
def test_malicious_manifests(store: LayoutStore, tmp_path: Path, manifest: bytes) -> None:
    """Nothing in manifest.json reaches the terminal, the file system or the recursion limit."""
    big = ("big" + ESCAPES, b" " * (5 << 20))
    diff_ids = config([ESCAPES])
    pull_error(store, docker_archive(tmp_path / "x.tar", manifest, ("c", diff_ids), big))


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/random", "/dev/full"])
@pytest.mark.parametrize("transport", ["docker-archive", "oci-archive", "tarball"])
def test_endless_devices(store: LayoutStore, transport: str, path: str) -> None:
    """A device that never ends is not read as an archive."""
    assert pull_error(store, f"{transport}:{path}").code == "path.not_a_file"


# --- tar and its compressions --------------------------------------------------------------------


def header(name: bytes, size: bytes, kind: bytes = b"0") -> bytes:
    """A tar header with this size field and a valid checksum."""
    block = bytearray(512)
    block[: len(name)] = name
    block[100:108] = b"0000644\0"
    block[124 : 124 + len(size)] = size
    block[156:157] = kind
    block[257:265] = b"ustar\00000"
    block[148:156] = b" " * 8
    block[148:155] = b"%06o\0" % sum(block)
    return bytes(block)


def pax(records: bytes) -> bytes:
    padding = b"\0" * (-len(records) % 512)
    return header(b"p", b"%011o\0" % len(records), b"x") + records + padding


END = b"\0" * 1024


@pytest.mark.parametrize(
    "data",
    [
        header(b"a", b"77777777777\0") + END,
        header(b"a", b"\x80" + b"\xff" * 11) + END,
        header(b"a", b"\xff" * 12) + END,
        header(b"a", b"\x80" + struct.pack(">3xQ", 2**63)) + END,
        header(b"a", b"-1\0") + END,
        header(b"a", b"99999\0") + END,
        pax(b"22 size=999999999999999\n"[:22] + b"\n") + header(b"a", b"0\0") + END,
        pax(b"28 size=99999999999999999999\n") + header(b"a", b"0\0") + END,
        pax(b"11 size=-1\n") + header(b"a", b"0\0") + END,
        pax(b"99999999999999999999 a=b\n") + header(b"a", b"0\0") + END,
        pax(b"0 a=b\n") + header(b"a", b"0\0") + END,
        pax(b"x" * 600) + header(b"a", b"0\0") + END,
        header(b"l", b"77777777777\0", b"L") + END,
        header(b"l", b"\x80" + b"\0" * 7 + b"\x40\0\0\0", b"K") + END,
        header(b"x", b"77777777777\0", b"x") + END,
    ],
    ids=[
        "huge", "base-256", "negative", "sign", "minus", "no-octal", "pax-huge", "pax-overflow",
        "pax-minus", "pax-length", "pax-zero", "pax-text", "long-name", "long-link", "pax-8g",
    ],
)  # fmt: skip
def test_false_headers(tmp_path: Path, data: bytes) -> None:
    """Sizes that overflow, are negative or too large are an error and allocate nothing."""
    path = tmp_path / "x.tar"
    path.write_bytes(data)
    with pytest.raises(CoreError):
        layer_pass(str(path))
    _, failure = Archive(str(path)).index()
    assert failure is not None


def test_decompression_bombs(store: LayoutStore, tmp_path: Path) -> None:
    """The size of decompressed data is limited, also with several compressions."""
    path = tmp_path / "bomb.gz"
    zeros = gzip.compress(b"\0" * (8 << 20), mtime=0)
    path.write_bytes(gzip.compress(zeros * 200, mtime=0))
    members, failure = Archive(str(path)).index()
    assert not members
    assert failure is not None
    assert failure.code.startswith("limit_")
    assert pull_error(store, f"docker-archive:{path}").code == "limit.archive"


# --- layouts and folders -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "size",
    [10**4200, -(10**4200), 2**63, 2**64, 2**63 - 1, -2, -(2**63), 0, 1.5, "1", True],
    ids=lambda size: str(size)[:6],
)
def test_invalid_sizes_of_layers(store: LayoutStore, tmp_path: Path, size: object) -> None:
    """Sizes that overflow, are negative or not numbers are an error."""
    layers: list[dict[str, object]] = [
        {"digest": f"sha256:{number:064x}", "size": size} for number in range(20)
    ]
    (tmp_path / "image").mkdir()
    layers.append(blob(tmp_path / "image", b"layer") | {"size": size})
    pull_error(store, layout(tmp_path / "image", layers))


def test_a_layer_longer_than_its_manifest_says(store: LayoutStore, tmp_path: Path) -> None:
    """A layer of four terabytes with a stated size of three bytes is not copied."""
    folder = tmp_path / "image"
    layer = blob(folder, b"abc")
    os.truncate(folder / "blobs" / "sha256" / layer["digest"].partition(":")[2], 4 << 40)
    assert pull_error(store, layout(folder, [layer])).code == "verify.size"


@pytest.mark.parametrize("planted", ["fifo", "device", "folder", "sparse"])
@pytest.mark.parametrize("what", ["index.json", "manifest", "layer"])
def test_blobs_that_are_not_regular_files(
    store: LayoutStore, tmp_path: Path, what: str, planted: str
) -> None:
    """A FIFO, an endless device or file, and a folder are errors and do not block."""
    folder = tmp_path / "image"
    layer = blob(folder, b"abc")
    location = layout(folder, [layer])
    names = {
        "index.json": "index.json",
        "layer": f"blobs/sha256/{layer['digest'][7:]}",
        "manifest": "blobs/sha256/"
        + json.loads((folder / "index.json").read_text())["manifests"][0]["digest"][7:],
    }
    path = folder / names[what]
    path.unlink()
    if planted == "fifo":
        os.mkfifo(path)
    elif planted == "device":
        path.symlink_to("/dev/zero")
    elif planted == "folder":
        path.mkdir()
    else:
        path.touch()
        os.truncate(path, 4 << 40)
    pull_error(store, location)


def test_escapes_in_platforms(store: LayoutStore, tmp_path: Path) -> None:
    """Platforms in messages are quoted, and their number is limited."""
    entry = {"digest": "sha256:" + "a" * 64, "platform": {"os": ESCAPES, "architecture": "x"}}
    index = json.dumps({"schemaVersion": 2, "manifests": [entry] * 5000}).encode()
    error = pull_error(store, layout_of(tmp_path / "image", index, INDEX))
    assert error.code == "platform.none"


def test_escapes_in_names(store: LayoutStore, tmp_path: Path) -> None:
    """Names in messages are quoted, and their number is limited."""
    folder = tmp_path / "image"
    layout(folder)
    index = json.loads((folder / "index.json").read_text())
    entry = index["manifests"][0] | {"annotations": {"org.opencontainers.image.ref.name": ESCAPES}}
    (folder / "index.json").write_text(json.dumps(index | {"manifests": [entry] * 5000}))
    pull_error(store, f"oci:{folder}")
    pull_error(store, f"oci:{folder}:x")


def test_deeply_nested_indexes(store: LayoutStore, tmp_path: Path) -> None:
    """The depth of nested indexes is limited."""
    folder = tmp_path / "image"
    inner = blob(folder, json.dumps({"schemaVersion": 2, "manifests": []}).encode())
    for _ in range(20):
        entry = inner | {"mediaType": INDEX}
        document = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]})
        inner = blob(folder, document.encode())
    (folder / "index.json").write_text(json.dumps({"manifests": [inner | {"mediaType": INDEX}]}))
    assert pull_error(store, f"oci:{folder}").code == "manifest.nested"


@pytest.mark.parametrize("digest", ["sha256:../../../../etc/passwd", "../x", "sha256:" + "/" * 64])
def test_digests_that_are_paths(store: LayoutStore, tmp_path: Path, digest: str) -> None:
    """Only a valid digest becomes part of a path."""
    layer = {"digest": digest, "size": 1}
    assert pull_error(store, layout(tmp_path / "a", [layer])).code.startswith("digest.")
    (tmp_path / "b").mkdir()
    entry = {"digest": digest, "size": 1, "mediaType": MANIFEST}
    (tmp_path / "b" / "index.json").write_text(json.dumps({"manifests": [entry]}))
    assert pull_error(store, f"oci:{tmp_path}/b").code.startswith("digest.")


def test_one_layer_five_thousand_times(store: LayoutStore, tmp_path: Path) -> None:
    """A repeated layer is one blob."""
    folder = tmp_path / "image"
    layer = blob(folder, END)
    towline.Runtime(store, options(tmp_path)).pull(layout(folder, [layer] * 5_000))
    assert len(store.images()[0].layers) == 5_000
    assert store.verify().clean


def test_invalid_file_times(tmp_path: Path) -> None:
    """A tarball from before 1970, or after the year 9999, can be pulled."""
    folder = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else tmp_path
    path = folder / f"towline-attack-{os.getpid()}.tar"
    try:
        path.write_bytes(END)
        for seconds in (-(1 << 60), 1 << 40, 1 << 62):
            os.utime(path, ns=(0, 0))
            try:
                os.utime(path, (0, seconds))
            except OSError:
                continue  # this file system has no such time
            result = towline.pull(
                f"tarball:{path}", root=tmp_path / "store", options=options(tmp_path)
            )
            assert result.images
    finally:
        path.unlink(missing_ok=True)
