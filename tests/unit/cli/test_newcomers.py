"""Common mistakes of new users: each error message contains a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.images import RealImages
from tests.support.towline_cli import CommandLine

EXAMPLE = Path(__file__).parents[3] / "examples" / "hello.tar"
NO_STORE = "; pull an image to create one, or select another root"


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    return CommandLine.below(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("https://a.example/x", "is a URL, not an image name; leave out https://"),
        ("http://a.example/x", "is a URL, not an image name; leave out http://"),
        ("./image.tar", "a path needs a transport prefix, such as oci:, dir:"),
        ("/tmp/image.tar", "a path needs a transport prefix"),
        ("short", "give the full name, such as docker.io/library/short\n"),
        ("team/app", "give the full name, such as docker.io/team/app\n"),
        ("image.tar", "or a transport for a file, such as docker-archive:FILE"),
        ("tarball:gone", "is not a valid tarball: reference, and there is no search registry"),
        ("docker-archive:gone.tar", 'cannot open "gone.tar": no such file or directory'),
        ("alpine:", '"alpine:" is not a valid image name: the tag is empty\n'),
    ],
)
def test_an_invalid_name_gets_a_hint(line: CommandLine, name: str, message: str) -> None:
    """The error message suggests a valid name."""
    ended = line("pull", "--quiet", name)
    assert ended.status == 1
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_missing_tag_is_reported_as_a_tag(line: CommandLine, real_images: RealImages) -> None:
    """The message for a missing digest does not mention tags."""
    name = real_images.registry_oci.name.rpartition(":")[0]
    ended = line("pull", "--quiet", "--tls-verify=false", f"{name}:nope")
    assert "has no tag nope of" in ended.stderr
    assert ended.stderr.endswith("; check the name and the tag\n")
    ended = line("pull", "--quiet", "--tls-verify=false", f"{name}@sha256:{'0' * 64}")
    assert "has no sha256:00" in ended.stderr
    assert ended.stderr.endswith("; check the name\n")


def test_reading_commands_report_a_missing_store(line: CommandLine) -> None:
    """They do not create the store; commands without a name warn, the others fail."""
    for arguments in (("images",), ("verify",), ("gc",)):
        ended = line(*arguments)
        assert ended.status == 0
        assert ended.stderr == f'towline: warning: there is no store in "{line.root}"{NO_STORE}\n'
    for command in ("inspect", "rm", "verify"):
        ended = line(command, "hello")
        assert ended.status == 1
        assert ended.stderr == f'towline: there is no store in "{line.root}"{NO_STORE}\n'
    assert not line.root.exists()
    assert line("images", "--format", "json").json() == []


def test_an_unusable_store_path(line: CommandLine) -> None:
    """The message has the path, the failed operation and the option that selects another store."""
    line.root.write_text("not a folder")
    for arguments in (("images",), ("pull", "--quiet", f"oci-archive:{EXAMPLE}")):
        ended = line(*arguments)
        assert ended.status == 1
        assert ended.stderr == (
            f'towline: cannot use the store "{line.root}" (choose another root):'
            f' cannot open "{line.root}/towline/store.json": not a directory\n'
        )


def test_an_image_that_is_not_stored(line: CommandLine) -> None:
    """The message names the command that lists images; ``rm`` continues with the next name."""
    assert line("pull", "--quiet", f"oci-archive:{EXAMPLE}").status == 0
    assert "list its images to see their names" in line("inspect", "5").stderr
    ended = line("rm", "nope", "hello")
    assert ended.status == 1
    assert 'has no image "nope"' in ended.stderr
    assert ended.lines[0] == "untagged localhost/hello:latest"


def test_resolve_shows_that_a_default_decided(line: CommandLine) -> None:
    """``resolve`` of a short name, if no file sets short-name-mode."""
    line.registries_conf.write_text("")
    assert "decided by the default of short-name-mode, which no file sets" in (
        line("resolve", "short").lines
    )
