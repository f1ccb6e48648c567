"""TOWLINE_CORE selects the core."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from towline import core
from towline.core.failure import CODES


def run_with(value: str | None) -> subprocess.CompletedProcess[str]:
    environment = {key: text for key, text in os.environ.items() if key != "TOWLINE_CORE"}
    if value is not None:
        environment["TOWLINE_CORE"] = value
    show = "from towline import core; print(core.NAME, core.Archive.__module__)"
    return subprocess.run(
        [sys.executable, "-c", show], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "native towline.core._native"),
        ("", "native towline.core._native"),
        ("native", "native towline.core._native"),
        ("twin", "twin towline.core.twin.archive"),
    ],
)
def test_the_selected_core(value: str | None, expected: str) -> None:
    """The native core is the default."""
    assert run_with(value).stdout.strip() == expected


def test_an_invalid_value_is_an_error() -> None:
    """The message lists the valid values."""
    ended = run_with("fast")
    assert ended.returncode == 1
    assert "TOWLINE_CORE is 'fast': it can be 'native' (the default) or 'twin'" in ended.stderr


def test_exported_names_and_codes_are_sorted() -> None:
    """All names in `__all__` exist, and the codes are sorted."""
    assert sorted(core.__all__) == sorted(set(core.__all__))
    assert all(hasattr(core, name) for name in core.__all__)
    assert list(CODES) == sorted(CODES)
