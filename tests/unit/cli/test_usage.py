"""Wrong usage: exit status 2 and a one-sentence message."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.towline_cli import CommandLine


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("pull", 'NAME... is missing; see "python -m towline pull --help"'),
        ("inspect", 'NAME is missing; see "python -m towline inspect --help"'),
        ("pul alpine", 'there is no command pul (did you mean pull?); see "python -m towline'),
        ("version", "there is no command version (did you mean --version?);"),
        ("nonsense", 'there is no command nonsense; see "python -m towline --help"'),
        ("--root x images", "no option --root here: put the options of a command after its name;"),
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
        ("conformance run --op none", "there is no operation none; the vectors have"),
    ],
)
def test_wrong_usage_is_one_sentence(tmp_path: Path, arguments: str, message: str) -> None:
    """The message has the fault, a suggestion if there is one, and the help command."""
    line = CommandLine.below(tmp_path)
    ended = line.run(*arguments.split())
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr.startswith("towline: ")
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_no_command_shows_the_help(tmp_path: Path) -> None:
    """The help is shown as by cargo and uv; the status is that of wrong usage."""
    ended = CommandLine.below(tmp_path).run()
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr.startswith("Usage: ")


def test_arguments_in_messages_are_escaped(tmp_path: Path) -> None:
    """Control characters and line ends of an argument are shown as escapes."""
    ended = CommandLine.below(tmp_path).run("pull", "--a\nb\x1b[31m", "x")
    assert ended.status == 2
    assert "there is no option --a\\nb\\x1b[31m;" in ended.stderr
    assert ended.stderr.count("\n") == 1
