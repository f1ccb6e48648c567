"""The command line in odd environments, and words of other tools."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import towline
from tests.support.towline_cli import CommandLine

EXAMPLE = Path(__file__).parents[3] / "examples" / "hello.tar"


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    return CommandLine.below(tmp_path)


def shell(line: CommandLine, redirections: str, *arguments: str) -> tuple[int, str, str]:
    """Status, stdout and stderr of the command line with closed streams."""
    command = [sys.executable, "-m", "towline", *arguments]
    ended = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirections}', "sh", *command],
        env=line.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    return ended.returncode, ended.stdout, ended.stderr


def test_closed_standard_streams(line: CommandLine) -> None:
    """One sentence, no traceback, and no output in a file of the store."""
    pull = ("pull", "--root", str(line.root), f"oci-archive:{EXAMPLE}")
    assert shell(line, ">&-", *pull) == (1, "", "towline: the standard output is closed\n")
    assert not line.root.exists()
    status, output, _ = shell(line, "<&- 2>&-", *pull)
    assert (status, output) == (0, "localhost/hello:latest\n")
    assert line("verify").status == 0
    status, output, error = shell(line, "<&-", "pull", "--creds", "user", "x")
    assert (status, output) == (2, "")
    assert error.startswith("towline: --creds user has no password, and standard input has none")
    assert shell(line, "<&- >&- 2>&-", *pull) == (1, "", "")


def test_an_empty_path_is_wrong_usage(line: CommandLine, tmp_path: Path) -> None:
    """As from a variable that is not set; no store is made in the present directory."""
    for option in ("--root", "--authfile", "--policy", "--cert-dir", "--registries-conf"):
        ended = line("pull", option, "", f"oci-archive:{EXAMPLE}")
        assert ended.status == 2
        assert ended.stderr.startswith(f"towline: {option}: the path is an empty text; see")
    with pytest.raises(towline.ConfigurationError) as caught:
        towline.open_store("")
    assert caught.value.code == "option.no_path"


def test_an_unknown_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a sentence that says what to set."""
    for name in ("HOME", "XDG_DATA_HOME", "TOWLINE_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with pytest.raises(towline.ConfigurationError) as caught:
        towline.default_root()
    assert caught.value.code == "option.no_home"
    assert str(caught.value).startswith("the home directory is unknown; set HOME or TOWLINE_ROOT")
    monkeypatch.setenv("TOWLINE_ROOT", "/images")
    assert towline.default_root() == Path("/images")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("rmi x", "there is no command rmi; use towline rm"),
        ("copy a b", "there is no command copy, and nothing like it is available yet"),
        ("list-tags x", "there is no command list-tags, and nothing like it is available yet"),
        ("pull --os linux x", "there is no option --os; use --platform OS/ARCH"),
        ("pull --arch arm64 x", "there is no option --arch; use --platform OS/ARCH"),
        ("pull --src-creds u:p x", "there is no option --src-creds; use --creds"),
        ("pull --retry-times 3 x", "there is no option --retry-times, and nothing like it is"),
        ("pul x", "there is no command pul (did you mean pull?)"),
    ],
)
def test_words_of_other_tools(line: CommandLine, arguments: str, message: str) -> None:
    """The message has the equivalent, or says that there is none yet."""
    ended = line(*arguments.split())
    assert ended.status == 2
    assert ended.stderr.startswith(f"towline: {message}")
