"""Bad input gives exit status 1 and one message, and the store is unchanged."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

import pytest

from tests.support.images import NAME, RealImages
from tests.support.towline_cli import CommandLine, stored_state

EXAMPLE = Path(__file__).parents[2] / "examples" / "hello.tar"


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    """The command line, with an image in its store that must remain."""
    line = CommandLine.below(tmp_path)
    assert line("pull", "--quiet", f"oci-archive:{EXAMPLE}").status == 0
    return line


def pull_error(line: CommandLine, location: str, *words: str) -> str:
    """The message of a pull that must fail."""
    before = stored_state(line)
    ended = line("pull", "--quiet", *words, location)
    assert ended.status == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("towline: ")
    assert ended.stderr.count("\n") == 1
    assert "Traceback" not in ended.stderr
    assert stored_state(line) == before
    assert line("verify").status == 0
    return ended.stderr


def rewrite(source: Path, target: Path, change: Callable[[dict[str, bytes]], None]) -> str:
    """Copy an archive with changed members; returns its location as a docker-archive."""
    with tarfile.open(source) as tar:
        members = {
            member.name: cast(IO[bytes], tar.extractfile(member)).read()
            for member in tar
            if member.isfile()
        }
    change(members)
    with tarfile.open(target, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return f"docker-archive:{target}"


def layer_of(members: dict[str, bytes]) -> str:
    """The name of the first layer of the archive."""
    layer: str = json.loads(members["manifest.json"])[0]["Layers"][0]
    return layer


def test_missing_file(line: CommandLine, tmp_path: Path) -> None:
    """The message has its path."""
    assert "gone.tar" in pull_error(line, f"docker-archive:{tmp_path}/gone.tar")


def test_not_a_tar(line: CommandLine, tmp_path: Path) -> None:
    """A text file is not an archive."""
    path = tmp_path / "text.tar"
    path.write_text("hello\n" * 400)
    assert "text.tar" in pull_error(line, f"docker-archive:{path}")
    assert "text.tar" in pull_error(line, f"oci-archive:{path}")


def test_truncated_tar(line: CommandLine, tmp_path: Path, real_images: RealImages) -> None:
    """It is an error wherever the archive is truncated."""
    for image in (real_images.docker_archive, real_images.oci_archive):
        whole = image.file.read_bytes()
        path = tmp_path / "cut.tar"
        for part in (0.3, 0.7):
            path.write_bytes(whole[: int(len(whole) * part)])
            pull_error(line, f"{image.transport}:{path}")


def test_no_manifest_json(line: CommandLine, tmp_path: Path, real_images: RealImages) -> None:
    """A tar without manifest.json is not an image."""

    def drop(members: dict[str, bytes]) -> None:
        del members["manifest.json"]

    location = rewrite(real_images.docker_archive.file, tmp_path / "x.tar", drop)
    assert "manifest.json" in pull_error(line, location)


def test_manifest_that_is_not_json(
    line: CommandLine, tmp_path: Path, real_images: RealImages
) -> None:
    """The message names the file."""
    location = rewrite(
        real_images.docker_archive.file,
        tmp_path / "x.tar",
        lambda members: members.update({"manifest.json": b"not json"}),
    )
    assert "manifest.json" in pull_error(line, location)


def test_layer_missing_from_the_archive(
    line: CommandLine, tmp_path: Path, real_images: RealImages
) -> None:
    """The message names the layer."""
    names: list[str] = []

    def drop(members: dict[str, bytes]) -> None:
        names.append(layer_of(members))
        del members[names[0]]

    location = rewrite(real_images.docker_archive.file, tmp_path / "x.tar", drop)
    assert names[0] in pull_error(line, location)


def test_digest_mismatch(line: CommandLine, tmp_path: Path, real_images: RealImages) -> None:
    """After a change of one byte in a layer, the message has both digests."""

    def change(members: dict[str, bytes]) -> None:
        name = layer_of(members)
        members[name] = members[name][:-1] + b"x"

    location = rewrite(real_images.docker_archive.file, tmp_path / "x.tar", change)
    assert pull_error(line, location).count("sha256:") >= 2

    copy = tmp_path / "dir"
    shutil.copytree(real_images.dir_docker.file, copy)
    largest = max(copy.iterdir(), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-1] + b"x")
    assert pull_error(line, f"dir:{copy}").count("sha256:") >= 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nonsense://x", "nonsense"),
        ("docker://UPPER", "UPPER"),
        ("UPPER", "UPPER"),
        ("a b", "a b"),
        ("short", "unqualified-search-registries"),
        ("ostree:x", "ostree"),
        ("docker-daemon:x:1", "docker save"),
        ("containers-storage:x", "containers-storage"),
        ("atomic:a.b/c/d:1", "atomic"),
        ("dir:/no-such-parent/x", "/no-such-parent"),
    ],
)
def test_names_that_cannot_be_pulled(line: CommandLine, name: str, expected: str) -> None:
    """Unknown transports, invalid names, unsupported transports."""
    assert expected in pull_error(line, name)


def test_unreachable_registry(line: CommandLine) -> None:
    """The message has the address."""
    assert "127.0.0.1:1" in pull_error(line, "127.0.0.1:1/x")


def test_unknown_tag(line: CommandLine, real_images: RealImages) -> None:
    """The registry has no such image."""
    name = real_images.registry_oci.name.replace(":1.0", ":nope")
    assert "nope" in pull_error(line, name, "--tls-verify=false")


def test_plain_http_where_it_was_not_allowed(line: CommandLine, real_images: RealImages) -> None:
    """The message names the remedy."""
    assert "insecure" in pull_error(line, real_images.registry_oci.name)


@pytest.mark.parametrize("text", ["", "{", '{"default": []}', '{"default": [{"type": "x"}]}', "[]"])
def test_broken_policy(line: CommandLine, text: str) -> None:
    """A broken policy file is always an error, and the message has its path."""
    line.policy.write_text(text)
    assert "policy.json" in pull_error(line, f"oci-archive:{EXAMPLE}")


def test_broken_registries_conf(line: CommandLine) -> None:
    """It is an error with its path for short names, and is not read for other transports."""
    line.registries_conf.write_text("this is not toml\n")
    assert "registries.conf" in pull_error(line, "short")
    assert line("pull", "--quiet", f"oci-archive:{EXAMPLE}").status == 0


def test_rejected_by_policy(line: CommandLine) -> None:
    """A requirement of a signature, which is not supported, rejects an image too."""
    signed = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/x"}
    for requirement in ({"type": "reject"}, signed):
        line.policy.write_text(json.dumps({"default": [requirement]}))
        assert "policy" in pull_error(line, f"oci-archive:{EXAMPLE}")


def test_label_that_is_missing(line: CommandLine) -> None:
    """The message has the label."""
    assert "nobody" in pull_error(line, f"oci-archive:{EXAMPLE}", "--label=nobody")


def test_one_line_for_each_candidate(line: CommandLine) -> None:
    """For a short name that no registry has: one sentence, then one line for each attempt."""
    line.registries_conf.write_text(
        'unqualified-search-registries = ["127.0.0.1:1", "127.0.0.1:2"]\n'
    )
    ended = line("pull", "--quiet", "short")
    first, *attempts = ended.stderr.splitlines()
    assert ended.status == 1
    assert first.startswith("towline: ")
    assert [attempt.split(":")[0] for attempt in attempts] == ["  127.0.0.1", "  127.0.0.1"]


@pytest.mark.parametrize("host", ["localhost:99999", f"{'a' * 64}.example"])
def test_invalid_hosts(line: CommandLine, host: str) -> None:
    """The request is not retried."""
    ended = line("pull", f"{host}/x")
    assert ended.status == 1
    assert f"cannot connect to {host}: no valid host and port" in ended.stderr


def test_wrong_usage(line: CommandLine) -> None:
    """Exit status 2, and the message mentions --help."""
    for words in ([], ["--nonsense", NAME], ["--tls-verify=perhaps", NAME]):
        ended = line("pull", *words)
        assert ended.status == 2
        assert "--help" in ended.stderr
    assert line("pull", "--platform=linux", NAME).status == 2
