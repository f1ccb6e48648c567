"""Wrong usage: exit status 2, and one sentence that begins like every other error."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.towline_cli import CommandLine


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("pull", 'NAME... is missing; see "python -m towline pull --help"'),
        ("inspect", 'NAME is missing; see "python -m towline inspect --help"'),
        ("pul alpine", 'there is no command pul (did you mean pull?); see "python -m towline'),
        ("version", "there is no command version (did you mean --version?);"),
        ("nonsense", 'there is no command nonsense; see "python -m towline --help"'),
        ("--root x images", "no option --root here: what is for a command stands behind its name;"),
        ("--versoin", "there is no option --versoin (did you mean --version?);"),
        ("pull --fromat json x", "there is no option --fromat (did you mean --format?);"),
        ("pull --nonsense x", 'there is no option --nonsense; see "python -m towline pull'),
        ("pull -z x", "there is no option -z;"),
        ("images --format xml", "--format: 'xml' is not one of 'text', 'json';"),
        ("pull --tls-verify=perhaps x", "--tls-verify: 'perhaps' is not a valid boolean"),
        ("pull --root", "option '--root' requires an argument; see "),
        ("inspect a b", "got unexpected extra argument (b);"),
        ("pull --platform=linux x", '"linux" is not a platform; write OS/ARCH or OS/ARCH/VARIANT'),
        ("conformance nonsense", "no such command 'nonsense'; see "),
        ("conformance run --vectors /none", "--vectors: Path '/none' does not exist;"),
        ("conformance run --op none", "no case is left to run;"),
    ],
)
def test_wrong_usage_is_one_sentence(tmp_path: Path, words: str, told: str) -> None:
    """It says what is wrong, what may be meant, and which help has the rest."""
    line = CommandLine.below(tmp_path)
    ended = line.run(*words.split())
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr.startswith("towline: ")
    assert told in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_no_command_shows_the_help(tmp_path: Path) -> None:
    """As cargo and uv do; nothing was done, so the status is that of wrong usage."""
    ended = CommandLine.below(tmp_path).run()
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr.startswith("Usage: ")


def test_what_was_typed_moves_no_cursor(tmp_path: Path) -> None:
    """Escapes and ends of lines are shown as such."""
    ended = CommandLine.below(tmp_path).run("pull", "--a\nb\x1b[31m", "x")
    assert ended.status == 2
    assert "there is no option --a\\nb\\x1b[31m;" in ended.stderr
    assert ended.stderr.count("\n") == 1
