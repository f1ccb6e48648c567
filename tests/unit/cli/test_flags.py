"""Which flags a command has, and what becomes of credentials."""

from __future__ import annotations

import re
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from tests.support.towline_cli import CommandLine


def flags(line: CommandLine, command: str) -> set[str]:
    """What the help of a command offers."""
    return set(
        re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", line(command, "--help").stdout, re.MULTILINE)
    )


def test_resolve_has_only_flags_that_do_something(tmp_path: Path) -> None:
    """It opens no registry and judges no signature, so nothing about these can be said to it."""
    line = CommandLine.below(tmp_path)
    without = {"--policy", "--cert-dir", "--tls-verify", "--remove-signatures", "--verify-diff-ids"}
    only_pull = {"--label", "--progress", "--quiet"}
    assert flags(line, "pull") - flags(line, "resolve") == without | only_pull
    ended = line("resolve", "--policy", "x", "alpine")
    assert ended.status == 2
    assert "there is no option --policy" in ended.stderr


def test_the_platform_decides_what_an_unnamed_image_is_called(tmp_path: Path) -> None:
    """So resolve has it: the files of a tarball: make another image for another platform."""
    line = CommandLine.below(tmp_path)
    path = tmp_path / "A.tar"  # no name can be made of a path in upper case
    with tarfile.open(path, "w") as tar:
        tar.addfile(tarfile.TarInfo("x"), BytesIO())
    told = {line("resolve", "--platform", f"linux/{a}", f"tarball:{path}").stdout for a in "ab"}
    assert len(told) == 2


@pytest.mark.parametrize("command", ["pull", "resolve"])
def test_credentials_without_a_password(tmp_path: Path, command: str) -> None:
    """A pull says where one can be given; resolve gives it to nobody and does not ask."""
    ended = CommandLine.below(tmp_path)(command, "--creds", "me", "127.0.0.1:1/x")
    if command == "resolve":
        assert ended.status == 0
        return
    assert ended.status == 2
    assert "--creds me has no password" in ended.stderr
    assert "USER:PASSWORD" in ended.stderr


def test_a_password_on_standard_input(tmp_path: Path) -> None:
    """It is read where there is no terminal; what follows the line is left."""
    line = CommandLine.below(tmp_path)
    done = subprocess.run(
        line.arguments("pull", "--quiet", "--creds", "me", "127.0.0.1:1/x"),
        env=line.environment,
        input=b"secret\n",
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert b"cannot connect to 127.0.0.1:1" in done.stderr
    assert b"secret" not in done.stderr
