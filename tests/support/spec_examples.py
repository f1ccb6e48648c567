"""Runs the examples of the spec: reads a block, and compares what comes of each line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.support.spec_operations import Operations
from towline.rules import Rules

__all__ = ["mismatches"]

HEX = "0123456789abcdef" * 4
_CODE = re.compile(r"error: ([a-z_0-9]+\.[a-z_0-9]+)")


def mismatches(lines: Sequence[str], edition: str, folder: Path) -> list[str]:
    """What in a block of examples does not hold in an edition; empty where all does."""
    operations = Operations(Rules.named(edition), folder)
    found = []
    with operations:
        for line, block in _statements(lines):
            if line.startswith("given "):
                operations.given(_expanded(line.removeprefix("given ")), block)
                continue
            asked, arrow, wanted = (_expanded(line) + " ").partition(" => ")
            if not arrow:
                found.append(f"{line}: there is no => in it")
                continue
            told = "\n".join([part for part in (wanted.strip(), *map(_expanded, block)) if part])
            got, code = operations.answer(asked)
            if not _fits(told, got, code):
                found.append(
                    f"{line}\n    wanted {told!r}\n    got    {got!r} ({code or 'no error'})"
                )
    return found


def _statements(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Each line with the indented lines below it, without their first two spaces."""
    at = 0
    while at < len(lines):
        head = lines[at]
        at += 1
        block = []
        while at < len(lines) and lines[at].startswith("  "):
            block.append(lines[at][2:])
            at += 1
        yield head, block


def _expanded(text: str) -> str:
    text = re.sub(r"\b([a-z])\*(\d+)", lambda match: match[1] * int(match[2]), text)
    return re.sub(r"\b(HEX)+\b", lambda match: HEX * (len(match[0]) // 3), text)


def _fits(wanted: str, got: str, code: str) -> bool:
    if named := _CODE.fullmatch(wanted):
        return code == named[1]
    if got == wanted:
        return True
    if wanted.startswith('"'):
        wanted = str(json.loads(wanted))
    pattern = ".*".join(map(re.escape, wanted.split("…")))
    return re.fullmatch(pattern, got.rstrip("\n") if wanted[-1:] != "\n" else got) is not None
