"""Malicious files in the store and the configuration: nothing blocks, crashes or never ends."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import towline
from tests.support.store_images import blob_path
from tests.support.towline_cli import CommandLine
from towline.config.locations import Locations
from towline.errors import TowlineError
from towline.name.digest import Digest
from towline.rules import Rules
from towline.store.layout.store import LayoutStore, open_store

EXAMPLE = Path(__file__).parents[2] / "examples" / "hello.tar"
NAME = "localhost/hello:latest"
ESCAPES = "\x1b[2J\x1b]0;owned\x07\u009b31m\u202egnp\r\ntowline: all is well\ud800"
DEEP = b"[" * 100_000


def options(folder: Path, **others: Any) -> towline.Options:
    """Options that use no configuration of this machine."""
    locations = Locations(
        environ={}, etc=str(folder / "etc"), run=str(folder), var=str(folder), uid=1
    )
    return towline.Options(locations=locations, **others)


def pull(folder: Path) -> None:
    towline.pull(f"oci-archive:{EXAMPLE}", root=folder / "store", options=options(folder))


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    """A store with the example in it."""
    pull(tmp_path)
    return open_store(tmp_path / "store")


def check_message(error: TowlineError) -> str:
    text = str(error)
    assert "\x1b" not in text, ascii(text)
    assert len(text) < 5000
    text.encode()
    return text


# --- the store -----------------------------------------------------------------------------------


def _bytes(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 4 << 40)


PLANTED: dict[str, Callable[[Path], object]] = {
    "deep": _bytes(DEEP),
    "deep-objects": _bytes(b'{"a":' * 100_000),
    "digits": _bytes(b'{"version":' + b"9" * 5000 + b"}"),
    "escapes": _bytes(json.dumps({"version": ESCAPES, "schema": ESCAPES}).encode()),
    "entries": _bytes(
        json.dumps({"manifests": [ESCAPES, None, [[]], {"annotations": 1}]}).encode()
    ),
    "infinite": _bytes(b'{"version":1,"manifests":[{"size":1e999,"digest":[]}]}'),
    "no-utf-8": _bytes(b"\xff\xfe\0"),
    "sparse": _sparse,
    "fifo": os.mkfifo,
    "folder": lambda path: path.mkdir(),
    "device": lambda path: path.symlink_to("/dev/zero"),
    "link": lambda path: path.symlink_to("/etc/passwd"),
}


@pytest.mark.parametrize("plant", PLANTED)
@pytest.mark.parametrize(
    "where",
    [
        "store.json",
        "record",
        "lookup",
        "index.json",
        "index.sha256",
        "unfinished",
        "lock",
        "holder",
    ],
)
def test_planted_files_in_the_store(
    store: LayoutStore, tmp_path: Path, where: str, plant: str
) -> None:
    """Each operation succeeds or raises an error; none crashes, blocks, or never ends."""
    root = Path(store.root)
    own = root / "towline"
    paths = {
        "store.json": own / "store.json",
        "record": next((own / "images").iterdir()),
        "lookup": next((own / "lookup").iterdir()),
        "index.json": root / "index.json",
        "index.sha256": own / "index.sha256",
        "unfinished": own / "unfinished",
        "lock": own / "locks" / "index",
        "holder": own / "locks" / "holders" / "1-2",
    }
    path = paths[where]
    path.unlink(missing_ok=True)
    PLANTED[plant](path)
    operations: list[Callable[[], object]] = [
        lambda: open_store(root).images(),
        lambda: open_store(root).image(NAME).config,
        lambda: open_store(root).verify(),
        lambda: open_store(root).gc(),
        lambda: pull(tmp_path),
        lambda: open_store(root).remove(NAME),
    ]
    for operation in operations:
        try:
            operation()
        except TowlineError as error:
            check_message(error)


def test_a_forged_index_with_its_checksum(store: LayoutStore, tmp_path: Path) -> None:
    """With an invalid index.json whose checksum is right, a pull does not crash."""
    data = b'{"schemaVersion":2,"manifests":[\n"org.opencontainers.image.ref.name":"%s"' % (
        NAME.encode()
    )
    root = Path(store.root)
    (root / "index.json").write_bytes(data)
    (root / "towline" / "index.sha256").write_text(hashlib.sha256(data).hexdigest())
    try:
        pull(tmp_path)
    except TowlineError as error:
        check_message(error)


@pytest.mark.parametrize("folder", ["blobs/sha512", "towline/partial/sha512"])
def test_gc_removes_nothing_outside_the_store(
    store: LayoutStore, tmp_path: Path, folder: str
) -> None:
    """It does not follow a folder of blobs that is a link."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ("a" * 128)).write_text("precious")
    shutil.rmtree(Path(store.root) / folder, ignore_errors=True)
    (Path(store.root) / folder).symlink_to(elsewhere)
    try:
        store.gc()
    except TowlineError as error:
        check_message(error)
    assert (elsewhere / ("a" * 128)).read_text() == "precious"


def test_partial_blobs_that_are_links(tmp_path: Path) -> None:
    """A partial blob that is a symbolic or hard link is replaced, and its target is not written."""
    precious = tmp_path / "precious"
    ways: list[Callable[[Path, Path], None]] = [os.symlink, os.link]
    for number, plant in enumerate(ways):
        precious.write_text("x")
        pull(tmp_path / f"first{number}")
        names = os.listdir(tmp_path / f"first{number}" / "store" / "blobs" / "sha256")
        folder = tmp_path / f"second{number}"
        open_store(folder / "store")
        for name in names:
            plant(precious, folder / "store" / "towline" / "partial" / "sha256" / name)
        pull(folder)
        assert precious.read_text() == "x"
        assert open_store(folder / "store").verify().clean


def test_blobs_that_are_links(store: LayoutStore, tmp_path: Path) -> None:
    """A blob that is a link is not used; the next pull replaces it with a file."""
    for blob in (Path(store.root) / "blobs" / "sha256").iterdir():
        blob.unlink()
        blob.symlink_to("/dev/zero")
    assert not store.verify().clean
    pull(tmp_path)
    assert store.verify().clean


def test_deeply_nested_descriptors(store: LayoutStore) -> None:
    """gc reads manifests in index.json however deep they are nested."""
    nested: list[Any] = []
    for _ in range(400):
        nested = [nested]
    index = json.loads((Path(store.root) / "index.json").read_text())
    index["manifests"].append(nested)
    (Path(store.root) / "index.json").write_text(json.dumps(index))
    store.gc()
    assert store.verify().images == 1


# --- configuration -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rules", [Rules.CURRENT, Rules.LIBPOD_1_3], ids=lambda rules: rules.edition
)
@pytest.mark.parametrize("plant", ["fifo", "device", "sparse", "deep", "digits", "no-utf-8"])
@pytest.mark.parametrize("what", ["registries_conf", "policy", "authfile", "cert_dir"])
def test_malicious_configuration(tmp_path: Path, what: str, plant: str, rules: Rules) -> None:
    """A FIFO, an endless device and deep nesting are errors and do not block."""
    path = tmp_path / "planted"
    if what == "cert_dir":
        path.mkdir()
        PLANTED[plant](path / "x.crt")
    else:
        PLANTED[plant](path)
    chosen = options(tmp_path, rules=rules, tls_verify=None, **{what: path})
    name = "short" if what == "registries_conf" else "127.0.0.1:1/x"
    with pytest.raises(TowlineError) as caught:
        towline.pull(name, root=tmp_path / "store", options=chosen)
    check_message(caught.value)


def test_configuration_through_a_pipe(tmp_path: Path) -> None:
    """A file that a shell passes as a FIFO, such as --policy <(...), is read to its end."""
    reader, writer = os.pipe()
    os.write(writer, b'{"default": [{"type": "reject"}]}')
    os.close(writer)
    try:
        chosen = options(tmp_path, policy=Path(f"/dev/fd/{reader}"))
        with pytest.raises(TowlineError) as caught:
            towline.pull(f"oci-archive:{EXAMPLE}", root=tmp_path / "store", options=chosen)
        assert "policy" in check_message(caught.value)
    finally:
        os.close(reader)


# --- the process ---------------------------------------------------------------------------------


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    return CommandLine.below(tmp_path)


def run_limited(line: CommandLine, limit: int, value: int, *arguments: str) -> tuple[int, str]:
    """Run a command with a resource limit; returns its status and stderr."""
    done = subprocess.run(
        line.arguments(*arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=line.environment,
        preexec_fn=lambda: resource.setrlimit(limit, (value, value)),
        check=False,
    )
    return done.returncode, done.stderr.decode()


def test_output_that_cannot_be_written(line: CommandLine) -> None:
    """If stdout is on a full disk, the command fails with one message."""
    pull(line.root.parent)
    for arguments in (("images",), ("images", "--format", "json"), ("inspect", NAME)):
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                line.arguments(*arguments),
                stdout=full,
                stderr=subprocess.PIPE,
                env=line.environment,
                check=False,
            )
        assert done.returncode == 1
        assert done.stderr.startswith(b"towline: ")
        assert done.stderr.count(b"\n") == 1


def test_no_more_files_and_no_more_space(line: CommandLine) -> None:
    """Without file descriptors or space, a pull fails with one message; the next one succeeds."""
    location = f"oci-archive:{EXAMPLE}"
    for limit, value in ((resource.RLIMIT_NOFILE, 6), (resource.RLIMIT_FSIZE, 100)):
        status, errors = run_limited(line, limit, value, "pull", "--quiet", location)
        assert status == 1
        assert errors.startswith("towline: ")
        assert errors.count("\n") == 1
    assert line("pull", "--quiet", location).status == 0
    assert line("verify").status == 0


def test_interrupting_one_long_call(line: CommandLine) -> None:
    """Ctrl-C ends the process while the core reads a blob of four terabytes."""
    pull(line.root.parent)
    for blob in (line.root / "blobs" / "sha256").iterdir():
        os.truncate(blob, 4 << 40)
    process = subprocess.Popen(
        line.arguments("verify"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=line.environment,
    )
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.5)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 130
        assert errors == b"\ntowline: interrupted\n"
    finally:
        process.kill()
        process.wait()


def test_escapes_in_a_config(line: CommandLine, tmp_path: Path) -> None:
    """The output of inspect and images is JSON or quoted, without terminal escapes."""
    folder = tmp_path / "image"
    (folder / "blobs" / "sha256").mkdir(parents=True)

    def blob(document: object) -> dict[str, Any]:
        data = json.dumps(document).encode()
        digest = hashlib.sha256(data).hexdigest()
        (folder / "blobs" / "sha256" / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data), "mediaType": ESCAPES}

    config = blob({"os": "linux", "config": {"Labels": {ESCAPES: ESCAPES}}, ESCAPES: "\x7f"})
    manifest = blob({"schemaVersion": 2, "config": config, "layers": [blob("layer")]})
    manifest["mediaType"] = "application/vnd.oci.image.manifest.v1+json"
    manifest["annotations"] = {"org.opencontainers.image.ref.name": "localhost/evil:1"}
    (folder / "index.json").write_text(json.dumps({"manifests": [manifest]}))
    assert line("pull", "--quiet", f"oci:{folder}").status == 0
    for arguments in (("images", "--format=json"), ("inspect", "localhost/evil:1"), ("images",)):
        done = line(*arguments)
        assert done.status == 0
        assert all(text.isprintable() for text in done.stdout.split("\n"))
        assert done.stderr == ""
    labels = line("inspect", "localhost/evil:1").json()["config"]["config"]["Labels"]
    assert next(iter(labels.values())).startswith("\x1b[2J")


def test_malformed_configs(line: CommandLine, tmp_path: Path) -> None:
    """inspect does not crash if the config is not JSON or is deeply nested."""
    store = open_store(line.root)
    pull(line.root.parent)
    record = next((line.root / "towline" / "images").iterdir())
    document = json.loads(record.read_text())
    for data in (b"no json", b"[" * 10_000, b"9" * 5000, b'{"a":NaN}', b"\xff\xfe"):
        digest = hashlib.sha256(data).hexdigest()
        Path(blob_path(store, Digest("sha256", digest))).write_bytes(data)
        document["manifests"][0]["config"] = f"sha256:{digest}"
        record.write_text(json.dumps(document))
        done = line("inspect", NAME)
        assert done.status in (0, 1)
        assert "Traceback" not in done.stderr
