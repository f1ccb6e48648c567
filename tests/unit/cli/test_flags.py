"""The flags of the commands, and passwords for ``--creds``."""

from __future__ import annotations

import re
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from tests.support.towline_cli import CommandLine


def flags(line: CommandLine, command: str) -> set[str]:
    """The long flags in the help of a command."""
    return set(
        re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", line(command, "--help").stdout, re.MULTILINE)
    )


def test_resolve_has_only_flags_that_affect_it(tmp_path: Path) -> None:
    """``resolve`` connects to no registry and checks no signature, so it has no flags for these."""
    line = CommandLine.below(tmp_path)
    without = {"--policy", "--cert-dir", "--tls-verify", "--remove-signatures", "--verify-diff-ids"}
    without.add("--allow-other-platform")
    only_pull = {"--label", "--progress", "--quiet"}
    assert flags(line, "pull") - flags(line, "resolve") == without | only_pull
    ended = line("resolve", "--policy", "x", "alpine")
    assert ended.status == 2
    assert "there is no option --policy" in ended.stderr


def test_resolve_uses_the_platform_for_the_digest_of_a_tarball(tmp_path: Path) -> None:
    """``tarball:`` files give a different image ID for each platform."""
    line = CommandLine.below(tmp_path)
    path = tmp_path / "A.tar"  # a path in upper case gives no image name
    with tarfile.open(path, "w") as tar:
        tar.addfile(tarfile.TarInfo("x"), BytesIO())
    outputs = {line("resolve", "--platform", f"linux/{a}", f"tarball:{path}").stdout for a in "ab"}
    assert len(outputs) == 2


@pytest.mark.parametrize("command", ["pull", "resolve"])
def test_creds_without_a_password(tmp_path: Path, command: str) -> None:
    """``pull`` fails and names the ways to pass a password; ``resolve`` needs no password."""
    ended = CommandLine.below(tmp_path)(command, "--creds", "me", "127.0.0.1:1/x")
    if command == "resolve":
        assert ended.status == 0
        return
    assert ended.status == 2
    assert "--creds me has no password" in ended.stderr
    assert "USER:PASSWORD" in ended.stderr


def test_the_password_is_read_from_standard_input(tmp_path: Path) -> None:
    """One line is read from standard input if it is not a terminal."""
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
