"""`DiskFacts`, which determines facts from the disk."""

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
    layer,
    layout,
    oci_image,
    sha256_hex,
    tar,
    write_files,
)
from towline.config.registries import Registries
from towline.errors import PathError, SourceError, TowlineError, UnsupportedError
from towline.goal import goal_from_name
from towline.image.platform import Platform, host_platform
from towline.name.reference import parse_normalized
from towline.rules import Rules
from towline.runtime.disk_facts import DiskFacts
from towline.runtime.sources import Sources
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
    open_source: Callable[[ImageReference], Source | None] | None = None,
) -> DiskFacts:
    """Facts with a store that has one image, and two search registries."""
    return DiskFacts(
        store=STORE,
        find_id=lambda prefix: "abc123" if "abc123".startswith(prefix) else None,
        registries=lambda: Registries(search=("one.example", "two.example")),
        rules=rules,
        sources=Sources(rules, archives=archives, platform=platform, custom=open_source),
        platform=lambda: platform or host_platform(),
    )


def text(error: TowlineError, rules: Rules = OLD) -> str:
    """The message of an error in an edition."""
    return error.render(rules.wording)


def test_disk_facts_implement_facts() -> None:
    """They return the given values."""
    some: Facts = facts()
    assert some.store == STORE
    assert some.image_id("abc") == "abc123"
    assert some.image_id("x") is None
    assert some.search_registries().registries == ("one.example", "two.example")
    assert some.alias("x") is None
    assert some.enforced_by() is None


@pytest.fixture
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
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
def test_a_path_is_resolved(working_directory: Path, path: str, resolved: str) -> None:
    """Links are followed, the last part may be reported, and the path is normalized."""
    assert facts().resolve_path(path) == os.path.join(working_directory, resolved).rstrip("/")
    if path:
        whole = f"{working_directory}/{path}"
        assert facts().resolve_path(whole) == os.path.join(working_directory, resolved).rstrip("/")


@pytest.mark.parametrize(
    ("path", "reported", "reason"),
    [
        ("gone/new", "{working_directory}/gone", "no such file or directory"),
        ("gone/..", "{working_directory}/gone", "no such file or directory"),
        ("dangling", "{working_directory}/nowhere", "no such file or directory"),
        ("dangling/new", "{working_directory}/nowhere", "no such file or directory"),
        ("file/new", "file/new", "not a directory"),
        ("loop/new", "loop/new", "too many levels of symbolic links"),
        ("a\0b", "a\0b", "invalid argument"),
    ],
)
def test_a_path_that_cannot_be_resolved(
    working_directory: Path, path: str, reported: str, reason: str
) -> None:
    """Missing parts are reported with the resolved path, other faults with the given path."""
    with pytest.raises(PathError) as caught:
        facts().resolve_path(path)
    assert (
        text(caught.value)
        == f"lstat {reported.format(working_directory=working_directory)}: {reason}"
    )


def test_a_loop_of_links_is_an_error(working_directory: Path) -> None:
    """Its message is not specified."""
    with pytest.raises(PathError):
        facts().resolve_path("loop")


def test_a_file_is_opened_and_closed(working_directory: Path) -> None:
    """A folder can be opened as well; opening a FIFO does not block."""
    facts().open_file("file")
    facts().open_file("nested")
    os.mkfifo(working_directory / "fifo")
    facts().open_file("fifo")
    for path, reason in (("gone", "no such file or directory"), ("a\0b", "invalid argument")):
        with pytest.raises(PathError) as caught:
            facts().open_file(path)
        assert text(caught.value) == f"open {path}: {reason}"


def test_the_images_of_an_archive(working_directory: Path) -> None:
    """All images in manifest.json, with their names."""
    Path("x.tar").write_bytes(tar(docker_archive((["x:1", "y"], [A]), ([], [B]))))
    wanted = (ArchiveImage(0, ("x:1", "y")), ArchiveImage(1, ()))
    assert facts().archive_images("x.tar") == wanted
    with ArchiveCache() as archives:
        assert facts(archives=archives).archive_images("x.tar") == wanted


def test_errors_of_an_archive_have_the_recorded_steps(working_directory: Path) -> None:
    """The error of opening it has no step, that of reading manifest.json has one."""
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


def test_the_name_in_a_layout(working_directory: Path) -> None:
    """That of the chosen image; current uses the name that containerd writes."""
    blobs, image = oci_image(A)
    annotations = {REF_NAME: "1", CONTAINERD_NAME: "docker.io/library/x:1"}
    files = layout([{**image, "annotations": annotations}], blobs)
    write_files(Path("layout"), files)
    Path("layout.tar").write_bytes(tar(list(files.items())))
    for path, archive in (("layout", False), ("layout.tar", True)):
        assert facts().layout_names(path, "", archive=archive) == ("docker.io/library/x:1",)
        assert facts(OLD).layout_names(path, "", archive=archive) == ("1",)
    write_files(Path("unnamed"), layout([image], blobs))
    assert facts().layout_names("unnamed", "", archive=False) == ()


def test_the_digest_of_the_config(working_directory: Path) -> None:
    """It is the same for one image in every form."""
    Path("x.tar").write_bytes(tar(docker_archive((["x:1"], [A]))))
    blobs, image = oci_image(A)
    files = layout([image], blobs)
    write_files(Path("layout"), files)
    Path("layout.tar").write_bytes(tar(list(files.items())))
    write_files(Path("folder"), dir_image(A))
    for rules in (Rules.CURRENT, OLD):
        some = facts(rules)
        for name in (
            "docker-archive:x.tar",
            "oci:layout",
            "oci-archive:layout.tar",
            "dir:folder",
        ):
            found = some.config_hex(parse_image_name(name, some, rules.names))
            assert found == sha256_hex(config([A])), name
    Path("layer.tar").write_bytes(A)
    some = facts()
    assert (
        len(some.config_hex(parse_image_name("tarball:layer.tar", some, Rules.CURRENT.names))) == 64
    )


def test_the_config_of_an_index_is_that_of_the_platform(working_directory: Path) -> None:
    """That of the requested platform."""
    entries = []
    blobs: dict[str, bytes] = {}
    for data, architecture in ((A, "amd64"), (B, "arm64")):
        own, image = oci_image(data)
        blobs |= own
        entries.append({**image, "platform": {"os": "linux", "architecture": architecture}})
    write_files(Path("layout"), layout(entries, blobs))
    some = facts(platform=Platform("linux", "arm64"))
    found = some.config_hex(parse_image_name("oci:layout", some, Rules.CURRENT.names))
    assert found == sha256_hex(config([B]))


def test_an_invalid_config_digest(working_directory: Path) -> None:
    """It is an error with the step of the config."""
    blobs, image = oci_image(A)
    name = f"blobs/sha256/{image['digest'][7:]}"
    manifest = blobs.pop(name).replace(b"sha256:", b"md5:", 1)
    files = layout([{**image, "digest": f"sha256:{sha256_hex(manifest)}"}], blobs)
    write_files(Path("layout"), {**files, f"blobs/sha256/{sha256_hex(manifest)}": manifest})
    some = facts(OLD)
    with pytest.raises(TowlineError) as caught:
        some.config_hex(parse_image_name("oci:layout", some, OLD.names))
    assert text(caught.value).startswith("error getting config info: ")


def test_a_source_that_is_not_on_the_disk(working_directory: Path) -> None:
    """It is an error unless a function that opens it is given."""
    reference = DockerReference(parse_normalized("example.com/x:1"), wildcards=False)
    with pytest.raises(UnsupportedError):
        facts().config_hex(reference)
    requested: list[ImageReference] = []

    def opened(wanted: ImageReference) -> Source:
        requested.append(wanted)
        raise UnsupportedError("unsupported.atomic", within="x")

    with pytest.raises(UnsupportedError):
        facts(open_source=opened).config_hex(reference)
    assert requested == [reference]


def test_a_goal_of_an_archive_of_several_images(working_directory: Path) -> None:
    """Under current each name is a pair, and an image without a name has its ID."""
    Path("x.tar").write_bytes(tar(docker_archive((["x:1", "y"], [A]), ([], [B]))))
    goal = goal_from_name("docker-archive:x.tar", facts(), Rules.CURRENT.names)
    images = [pair.image for pair in goal.pairs]
    assert images == ["localhost/x:1", "localhost/y", f"@{sha256_hex(config([B]))}"]
    assert goal.pull_all_pairs
