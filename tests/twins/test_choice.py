"""Which core answers is one word of the environment."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from towline import core
from towline.core.failure import CODES


def names(value: str | None) -> subprocess.CompletedProcess[str]:
    environment = {key: word for key, word in os.environ.items() if key != "TOWLINE_CORE"}
    if value is not None:
        environment["TOWLINE_CORE"] = value
    show = "from towline import core; print(core.NAME, core.Archive.__module__)"
    return subprocess.run(
        [sys.executable, "-c", show], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "native towline.core._native"),
        ("", "native towline.core._native"),
        ("native", "native towline.core._native"),
        ("twin", "twin towline.core.twin.archive"),
    ],
)
def test_the_choice(value: str | None, told: str) -> None:
    """Native unless told otherwise."""
    assert names(value).stdout.strip() == told


def test_a_wrong_word() -> None:
    """The error says what is possible."""
    ended = names("fast")
    assert ended.returncode == 1
    assert "TOWLINE_CORE is 'fast': it can be 'native' (the default) or 'twin'" in ended.stderr


def test_names_are_sorted_and_there() -> None:
    """`__all__` is what can be imported; the codes are in order."""
    assert sorted(core.__all__) == sorted(set(core.__all__))
    assert all(hasattr(core, name) for name in core.__all__)
    assert list(CODES) == sorted(CODES)
