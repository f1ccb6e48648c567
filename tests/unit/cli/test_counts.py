"""Singular and plural in command output and in error messages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.towline_cli import CommandLine
from towline.wording import CURRENT
from towline.wording.counting import counted

EXAMPLE = Path(__file__).parents[3] / "examples" / "hello.tar"


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (0, "blob", "0 blobs"),
        (1, "blob", "1 blob"),
        (2, "entry", "2 entries"),
        (1, "entry", "1 entry"),
    ],
)
def test_counted(number: int, noun: str, text: str) -> None:
    """The noun is plural for every number except 1."""
    assert counted(number, noun) == text


@pytest.mark.parametrize(
    ("code", "facts", "pattern"),
    [
        ("verify.size", {"got": 1, "want": 2}, "has 1 byte, far"),
        ("store.no_space", {"needed": 2, "free": 1, "path": "/s"}, "2 bytes, but .* 1 byte free"),
        ("archive.layer_count", {"path": "x", "in_manifest": 1, "in_config": 2}, "1 layer and"),
        ("manifest.schema1_counts", {"layers": 2, "history": 1}, "2 layers and 1 entry of"),
        ("manifest.schema1_counts", {"layers": 1, "history": 2}, "1 layer and 2 entries of"),
        ("layout.choose_image", {"path": "x", "count": 1, "entries": []}, "has 1 image"),
        ("registry.wrong_size", {"host": "h", "got": 1, "digest": "d", "want": 2}, "1 byte as"),
    ],
)
def test_error_messages_use_the_singular_for_one(
    code: str, facts: Mapping[str, Any], pattern: str
) -> None:
    """Nouns in error messages agree with their numbers."""
    assert re.search(pattern, CURRENT.error(code, facts, ()))


def test_commands_use_the_singular_for_one(tmp_path: Path) -> None:
    """``verify`` with one image, and ``gc`` with one unused blob or one partial blob."""
    line = CommandLine.below(tmp_path)
    assert line("pull", "--quiet", f"oci-archive:{EXAMPLE}").status == 0
    assert line("verify").stdout.startswith("1 image, 3 blobs, ")
    (line.root / "blobs" / "sha256" / ("0" * 64)).write_bytes(b"x")
    (line.root / "towline" / "stamps" / "sha256" / ("0" * 64)).write_bytes(b"")
    assert line("gc").stdout == "removed 1 blob and 0 partial blobs, 1 B\n"
    (line.root / "towline" / "partial" / "sha256" / ("0" * 64)).write_bytes(b"x")
    assert line("gc").stdout == "removed 0 blobs and 1 partial blob, 1 B\n"
