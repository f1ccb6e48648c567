"""The questions of facts, answered from the disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.archives import (
    CONTAINERD_NAME,
    REF_NAME,
    config,
    dir_image,
    docker_archive,
    hexed,
    layer,
    layout,
    oci_image,
    tar,
    unpacked,
)
from towline.errors import PathError, SourceError, TowlineError, UnsupportedError
from towline.goal import goal_from_name
from towline.image.platform import Platform
from towline.name.reference import parse_normalized
from towline.rules import Rules
from towline.runtime.disk_facts import DiskFacts
from towline.source.archive_cache import ArchiveCache
from towline.source.protocol import Source
from towline.transport import ImageReference, parse_image_name
from towline.transport.docker import DockerReference
from towline.transport.facts import ArchiveImage, Facts, StoreIdentity

A, B = layer("a"), layer("b")
STORE = StoreIdentity("vfs", "/graph", "/run")
OLD = Rules.LIBPOD_1_3


def facts(
    rules: Rules = Rules.CURRENT,
    *,
    archives: ArchiveCache | None = None,
    platform: Platform | None = None,
    open_source: Callable[[ImageReference], Source] | None = None,
) -> DiskFacts:
    """Facts of a store with one image, and two registries."""
    return DiskFacts(
        store=STORE,
        find_id=lambda prefix: "abc123" if "abc123".startswith(prefix) else None,
        search_registries=lambda: ("one.example", "two.example"),
        rules=rules,
        archives=archives,
        platform=platform,
        open_source=open_source,
    )


def text(error: TowlineError, rules: Rules = OLD) -> str:
    """The error in the words of an edition."""
    return error.told(rules.wording)


def test_they_are_facts() -> None:
    """What was handed in is handed out."""
    some: Facts = facts()
    assert some.store == STORE
    assert some.image_id("abc") == "abc123"
    assert some.image_id("x") is None
    assert some.search_registries() == ("one.example", "two.example")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with files and links."""
    folder = Path(os.path.realpath(tmp_path)) / "cwd"
    (folder / "nested/deeper").mkdir(parents=True)
    (folder / "file").write_text("x")
    (folder / "to-nested").symlink_to("nested")
    (folder / "dangling").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    ("path", "resolved"),
    [
        ("", ""),
        (".", ""),
        ("file", "file"),
        ("new", "new"),
        ("nested/new", "nested/new"),
        ("to-nested", "nested"),
        ("to-nested/new", "nested/new"),
        ("./nested//deeper/../new", "nested/new"),
        ("nested/", "nested"),
    ],
)
def test_a_path_is_resolved(here: Path, path: str, resolved: str) -> None:
    """Links are followed, the last part need not exist, and the rest is cleaned."""
    assert facts().resolve_path(path) == os.path.join(here, resolved).rstrip("/")
    if path:
        whole = f"{here}/{path}"
        assert facts().resolve_path(whole) == os.path.join(here, resolved).rstrip("/")


@pytest.mark.parametrize(
    ("path", "at_fault", "reason"),
    [
        ("gone/new", "{here}/gone", "no such file or directory"),
        ("gone/..", "{here}/gone", "no such file or directory"),
        ("dangling", "{here}/nowhere", "no such file or directory"),
        ("dangling/new", "{here}/nowhere", "no such file or directory"),
        ("file/new", "file/new", "not a directory"),
        ("loop/new", "loop/new", "too many levels of symbolic links"),
        ("a\0b", "a\0b", "invalid argument"),
    ],
)
def test_a_path_that_cannot_be_resolved(here: Path, path: str, at_fault: str, reason: str) -> None:
    """Absent parts are told as resolved so far, all else as given."""
    with pytest.raises(PathError) as caught:
        facts().resolve_path(path)
    assert text(caught.value) == f"lstat {at_fault.format(here=here)}: {reason}"


def test_a_loop_of_links_is_an_error(here: Path) -> None:
    """Whatever its words."""
    with pytest.raises(PathError):
        facts().resolve_path("loop")


def test_a_file_is_opened_and_closed(here: Path) -> None:
    """A folder can be opened as well; a FIFO is not waited for."""
    facts().open_file("file")
    facts().open_file("nested")
    os.mkfifo(here / "fifo")
    facts().open_file("fifo")
    for path, reason in (("gone", "no such file or directory"), ("a\0b", "invalid argument")):
        with pytest.raises(PathError) as caught:
            facts().open_file(path)
        assert text(caught.value) == f"open {path}: {reason}"


def test_the_images_of_an_archive(here: Path) -> None:
    """All that manifest.json lists, with their names."""
    Path("x.tar").write_bytes(tar(docker_archive((["x:1", "y"], [A]), ([], [B]))))
    wanted = (ArchiveImage(0, ("x:1", "y")), ArchiveImage(1, ()))
    assert facts().archive_images("x.tar") == wanted
    with ArchiveCache() as archives:
        assert facts(archives=archives).archive_images("x.tar") == wanted


def test_errors_of_an_archive_come_in_their_order(here: Path) -> None:
    """Opening it is told without a step, reading manifest.json with one."""
    with pytest.raises(PathError) as opening:
        facts(OLD).archive_images("gone.tar")
    assert text(opening.value).startswith('error opening file "gone.tar": ')
    Path("x.tar").write_bytes(tar([]))
    with pytest.raises(SourceError) as reading:
        facts(OLD).archive_images("x.tar")
    assert text(reading.value) == (
        "error retrieving manifest.json: Error loading tar component manifest.json:"
        " file does not exist"
    )


def test_the_name_in_a_layout(here: Path) -> None:
    """Of the chosen image, from an archive or a folder; containerd's whole name counts today."""
    blobs, image = oci_image(A)
    annotations = {REF_NAME: "1", CONTAINERD_NAME: "docker.io/library/x:1"}
    files = layout([{**image, "annotations": annotations}], blobs)
    unpacked(Path("layout"), files)
    Path("layout.tar").write_bytes(tar(list(files.items())))
    for path, archive in (("layout", False), ("layout.tar", True)):
        assert facts().layout_name(path, "", archive=archive) == "docker.io/library/x:1"
        assert facts(OLD).layout_name(path, "", archive=archive) == "1"
    unpacked(Path("unnamed"), layout([image], blobs))
    assert facts().layout_name("unnamed", "", archive=False) == ""


def test_the_config_s_hex(here: Path) -> None:
    """The same for one image in every form."""
    Path("x.tar").write_bytes(tar(docker_archive((["x:1"], [A]))))
    blobs, image = oci_image(A)
    files = layout([image], blobs)
    unpacked(Path("layout"), files)
    Path("layout.tar").write_bytes(tar(list(files.items())))
    unpacked(Path("folder"), dir_image(A))
    for rules in (Rules.CURRENT, OLD):
        some = facts(rules)
        for name in (
            "docker-archive:x.tar",
            "oci:layout",
            "oci-archive:layout.tar",
            "dir:folder",
        ):
            found = some.config_hex(parse_image_name(name, some, rules))
            assert found == hexed(config([A])), name
    Path("layer.tar").write_bytes(A)
    some = facts()
    assert len(some.config_hex(parse_image_name("tarball:layer.tar", some, Rules.CURRENT))) == 64


def test_the_config_of_an_index_is_that_of_the_platform(here: Path) -> None:
    """Of the one that was asked for."""
    entries = []
    blobs: dict[str, bytes] = {}
    for data, architecture in ((A, "amd64"), (B, "arm64")):
        own, image = oci_image(data)
        blobs |= own
        entries.append({**image, "platform": {"os": "linux", "architecture": architecture}})
    unpacked(Path("layout"), layout(entries, blobs))
    some = facts(platform=Platform("linux", "arm64"))
    found = some.config_hex(parse_image_name("oci:layout", some, Rules.CURRENT))
    assert found == hexed(config([B]))


def test_a_config_digest_that_is_none(here: Path) -> None:
    """Is told as the config's fault."""
    blobs, image = oci_image(A)
    name = f"blobs/sha256/{image['digest'][7:]}"
    manifest = blobs.pop(name).replace(b"sha256:", b"md5:", 1)
    files = layout([{**image, "digest": f"sha256:{hexed(manifest)}"}], blobs)
    unpacked(Path("layout"), {**files, f"blobs/sha256/{hexed(manifest)}": manifest})
    some = facts(OLD)
    with pytest.raises(TowlineError) as caught:
        some.config_hex(parse_image_name("oci:layout", some, OLD))
    assert text(caught.value).startswith("error getting config info: ")


def test_what_is_not_on_the_disk(here: Path) -> None:
    """Is refused, unless something was handed in that opens it."""
    reference = DockerReference(parse_normalized("example.com/x:1"), wildcards=False)
    with pytest.raises(UnsupportedError):
        facts().config_hex(reference)
    asked: list[ImageReference] = []

    def opened(wanted: ImageReference) -> Source:
        asked.append(wanted)
        raise UnsupportedError("unsupported.atomic", within="x")

    with pytest.raises(UnsupportedError):
        facts(open_source=opened).config_hex(reference)
    assert asked == [reference]


def test_a_goal_of_an_archive_of_several_images(here: Path) -> None:
    """Today each name of each image is a pair, and an image without a name is known by its ID."""
    Path("x.tar").write_bytes(tar(docker_archive((["x:1", "y"], [A]), ([], [B]))))
    goal = goal_from_name("docker-archive:x.tar", facts(), Rules.CURRENT)
    images = [pair.image for pair in goal.pairs]
    assert images == ["localhost/x:1", "localhost/y", f"@{hexed(config([B]))}"]
    assert goal.pull_all_pairs
