"""``requirements/check.sh``, which `make` runs before it installs and compiles anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "requirements/check.sh"
NEEDED = ("bash", "cut", "dirname", "head", "printf", "sed", "sort")
GOOD = {"cargo": "", "cc": "", "rustc": "echo 'rustc 1.85.0 (4d91de4e4 2025-02-17)'"}


def check(tmp_path: Path, commands: Mapping[str, str], python: str = "good-python") -> list[str]:
    """The sentences of the script on a machine that has only these commands."""
    for name in NEEDED:
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    good = f'exec {sys.executable} "$@"'
    for name, body in {"good-python": good, **commands}.items():
        (tmp_path / name).write_text(f"#!{shutil.which('bash')}\n{body}\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        [SCRIPT, python, tmp_path / "none"],
        env={"PATH": str(tmp_path), "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stdout
    assert (done.returncode == 0) == (not done.stderr)
    return done.stderr.splitlines()


def test_nothing_is_printed_if_all_is_there(tmp_path: Path) -> None:
    """The check prints no line, and its status is 0."""
    assert check(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("missing", "changed", "found"),
    [
        ("cargo", {}, "Rust 1.85 or newer is needed, but cargo or rustc is not in PATH"),
        ("cc", {}, "a C compiler is needed"),
        ("", {"rustc": "echo 'rustc 1.84.1 (e71f9a9a9 2025-01-27)'"}, "but rustc is 1.84.1"),
        ("", {"rustc": "exit 1"}, "but rustc is unusable"),
        ("", {"good-python": "echo 3.10.13"}, "Python 3.11 or newer is needed, but good-python is"),
        ("", {"good-python": "exit 1"}, "but good-python is unusable"),
        (
            "",
            {"good-python": f'[[ $* != *ensurepip* ]] && exec {sys.executable} "$@"'},
            "cannot create a virtual environment",
        ),
    ],
)
def test_each_missing_requirement_has_one_sentence(
    tmp_path: Path, missing: str, changed: Mapping[str, str], found: str
) -> None:
    """It says what is needed, what was found, and what to install."""
    commands = {name: body for name, body in {**GOOD, **changed}.items() if name != missing}
    (sentence,) = check(tmp_path, commands)
    assert found in sentence
    assert sentence.startswith("towline: ")
    assert sentence.endswith(".")


def test_everything_is_reported_at_once(tmp_path: Path) -> None:
    """A user installs all of it in one step."""
    assert len(check(tmp_path, {}, python="none")) == 3
