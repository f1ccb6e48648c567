"""The command line in odd environments, and words of other tools."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

import towline
from tests.support.towline_cli import CommandLine
from towline.cli.command import _MODULES
from towline.cli.usage import _COMMANDS, _OPTIONS

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


VALUES = st.sampled_from([None, "", ".", "data", "~", "/data"])


@given(root=VALUES, data=VALUES, home=VALUES, known=st.booleans())
def test_no_environment_puts_the_store_into_the_current_directory(
    root: str | None, data: str | None, home: str | None, known: bool
) -> None:
    """Only TOWLINE_ROOT may be relative; other relative paths are ignored."""
    given = {"TOWLINE_ROOT": root, "XDG_DATA_HOME": data, "HOME": home}
    environ = {name: value for name, value in given.items() if value is not None}
    user = "/home/user" if known else "~"
    folders = ((data, "towline"), (user if home is None else home, ".local/share/towline"))
    usable = (Path(top, rest) for top, rest in folders if top and top.startswith("/"))
    expected = Path(root) if root else next(usable, None)
    with (
        mock.patch.dict(os.environ, environ, clear=True),
        mock.patch("os.path.expanduser", return_value=user),
    ):
        if expected is not None:
            assert towline.default_root() == expected
        else:
            with pytest.raises(towline.ConfigurationError) as caught:
                towline.default_root()
            assert caught.value.code == "option.no_home"


UNKNOWN_USER = """
import os
os.getuid = os.geteuid = lambda: 54321
from towline.cli import main
main()
"""


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ("images", 2),
        ("pull x", 2),
        ("gc", 2),
        ("pull --help", 0),
        ("images --root ROOT", 0),
        ("resolve --root ROOT a.example/x", 0),
        ("resolve --explain-auth --root ROOT a.example/x", 0),
        ("pull --quiet --root ROOT --policy POLICY EXAMPLE", 0),
    ],
)
def test_an_unknown_user_without_home(line: CommandLine, arguments: str, status: int) -> None:
    """Commands say what to set, and work with a root; OpenShift has such users."""
    values = {
        "ROOT": str(line.root),
        "POLICY": str(line.policy),
        "EXAMPLE": f"oci-archive:{EXAMPLE}",
    }
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            UNKNOWN_USER,
            *(values.get(each, each) for each in arguments.split()),
        ],
        env={name: value for name, value in line.environment.items() if name != "HOME"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == status, ended.stderr
    assert "Traceback" not in ended.stderr
    if status == 2:
        assert ended.stderr.startswith("towline: the home directory is unknown; set HOME or")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("rmi x", "there is no command rmi; use towline rm"),
        ("copy a b", "there is no command copy; use towline pull to fetch an image"),
        ("digest x", "there is no command digest; use towline inspect NAME, which prints the"),
        ("push x", "there is no command push; use skopeo copy oci:ROOT:NAME"),
        ("run x", "there is no command run; use towline pull"),
        ("list-tags x", "there is no command list-tags, and nothing like it is available yet"),
        ("pull --os linux x", "there is no option --os; use --platform OS/ARCH"),
        ("pull --username u x", "there is no option --username; use --creds USER"),
        ("inspect --os linux x", "there is no option --os; see"),
        ("images --digests", "there is no option --digests; use towline images, which prints"),
        ("images --no-trunc", "there is no option --no-trunc; use --format json"),
        ("inspect --config x", "there is no option --config; see"),
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


def test_what_is_suggested_exists(line: CommandLine) -> None:
    """Each command and option of towline in the tables is one that its help lists."""
    helps = {name: line.run(name, "--help").stdout for name in _MODULES}
    top = line.run("--help").stdout
    for word, instead in _COMMANDS.items():
        assert word not in helps
        for command in re.findall(r"towline ([a-z]+)", instead or ""):
            assert command in helps, word
        for option in re.findall(r"--[a-z-]+", re.sub("skopeo [^,]*", "", instead or "")):
            assert any(option in text for text in (top, *helps.values())), word
    for word, equivalent in _OPTIONS.items():
        texts = [text for text in helps.values() if f"{word} " in text]
        assert not texts, word
        option, _ = equivalent or ("", "")
        assert any(option in text for text in helps.values()), word
