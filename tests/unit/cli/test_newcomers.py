"""What somebody does who does not know towline yet: each mistake is told with its way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.images import RealImages
from tests.support.towline_cli import CommandLine

EXAMPLE = Path(__file__).parents[3] / "examples" / "hello.tar"
NO_STORE = "; a pull makes one, and --root names another"


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    return CommandLine.below(tmp_path)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("https://a.example/x", "is an address and no image name; leave out https://"),
        ("http://a.example/x", "is an address and no image name; leave out http://"),
        ("./image.tar", "a path needs its transport before it, such as oci:, dir:"),
        ("/tmp/image.tar", "a path needs its transport before it"),
        ("short", "give the full name, such as docker.io/library/short\n"),
        ("team/app", "give the full name, such as docker.io/team/app\n"),
        ("image.tar", "or for a file its transport, as in docker-archive:FILE"),
        ("tarball:gone", "cannot be read as tarball:, and as a short name it is searched nowhere"),
        ("docker-archive:gone.tar", 'cannot open "gone.tar": no such file or directory'),
        ("alpine:", '"alpine:" is not a valid image name\n'),
    ],
)
def test_names_that_mean_nothing(line: CommandLine, name: str, told: str) -> None:
    """The sentence guesses what was meant."""
    ended = line("pull", "--quiet", name)
    assert ended.status == 1
    assert told in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_tag_that_does_not_exist(line: CommandLine, real_images: RealImages) -> None:
    """It is called a tag; a digest is not."""
    name = real_images.registry_oci.name.rpartition(":")[0]
    ended = line("pull", "--quiet", "--tls-verify=false", f"{name}:nope")
    assert "has no tag nope of" in ended.stderr
    assert ended.stderr.endswith("; check the name and the tag\n")
    ended = line("pull", "--quiet", "--tls-verify=false", f"{name}@sha256:{'0' * 64}")
    assert "has no sha256:00" in ended.stderr
    assert ended.stderr.endswith("; check the name\n")


def test_another_store_than_was_meant(line: CommandLine) -> None:
    """What only reads a store makes none, and says that there is none."""
    for words in (("images",), ("verify",), ("gc",)):
        ended = line(*words)
        assert ended.status == 0
        assert ended.stderr == f'towline: warning: there is no store in "{line.root}"{NO_STORE}\n'
    for command in ("inspect", "rm", "verify"):
        ended = line(command, "hello")
        assert ended.status == 1
        assert ended.stderr == f'towline: there is no store in "{line.root}"{NO_STORE}\n'
    assert not line.root.exists()
    assert line("images", "--format", "json").json() == []


def test_a_place_that_cannot_be_a_store(line: CommandLine) -> None:
    """The store is named, what was tried, and how another is chosen."""
    line.root.write_text("not a folder")
    for words in (("images",), ("pull", "--quiet", f"oci-archive:{EXAMPLE}")):
        ended = line(*words)
        assert ended.status == 1
        assert ended.stderr == (
            f'towline: the store "{line.root}" cannot be used (--root names another): cannot open'
            f' "{line.root}/towline/store.json": not a directory\n'
        )


def test_an_image_that_is_not_stored(line: CommandLine) -> None:
    """Where the stored ones are listed is told; rm goes on with the names that follow."""
    assert line("pull", "--quiet", f"oci-archive:{EXAMPLE}").status == 0
    assert "towline images lists" in line("inspect", "5").stderr
    ended = line("rm", "nope", "hello")
    assert ended.status == 1
    assert 'has no image "nope"' in ended.stderr
    assert ended.lines[0] == "untagged localhost/hello:latest"


def test_a_default_is_told_as_one(line: CommandLine) -> None:
    """`resolve` of a short name, where no file says anything about those."""
    line.registries_conf.write_text("")
    assert "decided by the default of short-name-mode, which no file sets" in (
        line("resolve", "short").lines
    )
